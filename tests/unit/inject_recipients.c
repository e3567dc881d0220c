/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The small parts: the set of recipients, qualification, attributes, given envelopes, full names, spilled bytes, settings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../inject/attributes.h"
#include "../../inject/given.h"
#include "../../inject/person.h"
#include "../../inject/qualify.h"
#include "../../inject/recipients.h"
#include "../../inject/settings.h"

static void test_set(void **state)
{
	static const char *const bad[] = { "", "a b@c\n", "a@b\nc", "\x01@x", "a@" };
	struct recipients set;
	size_t i;

	(void)state;
	recipients_init(&set);
	assert_false(recipients_has(&set, span_of("a@b")));
	for (i = 0; i < 500; i++) {
		char address[64];

		snprintf(address, sizeof address, "user%zu@Example.org", i % 250);
		assert_int_equal(recipients_add(&set, span_of(address)), 0);
	}
	assert_int_equal(set.count, 250);
	assert_true(recipients_has(&set, span_of("user7@example.ORG")));
	assert_false(recipients_has(&set, span_of("User7@example.org")));
	assert_int_equal(recipients_add(&set, span_of("User7@example.org")), 0);
	assert_int_equal(set.count, 251);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		errno = 0;
		assert_int_equal(recipients_add(&set, span_of(bad[i])), -1);
		assert_int_equal(errno, EINVAL);
	}
	recipients_free(&set);
}

static int note(void *arg, struct span address, bool good)
{
	str_add_span(arg, address);
	return str_add(arg, good ? "+" : "!");
}

static int append(void *arg, struct span bytes)
{
	return str_add_span(arg, bytes);
}

static void test_qualify(void **state)
{
	static const struct {
		const char *list, *out, *addresses;
	} cases[] = {
		{ " root\n", " root@h\n", "root@h+" },
		{ " root (Cron Daemon)\n", " root@h (Cron Daemon)\n", "root@h+" },
		{ " A <a>, b@c,\n\t\"x, y\" <d (e)>\n", " A <a@h>, b@c,\n\t\"x, y\" <d@h (e)>\n", "a@h+b@c+d@h+" },
		{ " g: a, b;, c\n", " g: a@h, b@h;, c@h\n", "a@h+b@h+c@h+" },
		{ " undisclosed-recipients:;\n", " undisclosed-recipients:;\n", "" },
		{ " <@x,@y:u@d>\n", " <@x,@y:u@d>\n", "u@d+" },
		{ " \"a b\"\n", " \"a b\"@h\n", "\"a b\"@h+" },
		{ " u @ d\n", " u @ d\n", "u@d+" },
		{ "", "", "" }, { "\n", "\n", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str addresses = STR_INIT(1000), text = STR_INIT(1000);
		struct spill out;

		spill_init(&out, 1 << 20);
		assert_int_equal(qualify_addresses(span_of(cases[i].list), span_of("h"), &out, note, &addresses), 0);
		assert_int_equal(spill_read(&out, append, &text), 0);
		assert_string_equal(text.data, cases[i].out);
		assert_string_equal(addresses.data, cases[i].addresses);
		spill_free(&out);
		str_free(&addresses);
		str_free(&text);
	}
}

static void test_notify(void **state)
{
	static const char *const cases[][2] = {
		{ "never", "NEVER" }, { "success,never", "NEVER" }, { "delay,failure", "FAILURE,DELAY" },
		{ "SUCCESS,DELAY,FAILURE", "SUCCESS,FAILURE,DELAY" }, { "", "" }, { "sometimes", "" }, { "x,delay ,,", "DELAY" },
	};
	char notify[ATTRIBUTES_NOTIFY_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		attributes_notify(cases[i][0], notify);
		assert_string_equal(notify, cases[i][1]);
	}
}

static void test_attributes(void **state)
{
	struct options o = { .body = "binary", .ret = "x", .envid = "a\tb" };
	struct envelope e;
	char passed_over;

	(void)state;
	envelope_init(&e, 10000);
	assert_int_equal(attributes_message(&e, &o, &passed_over), 0);
	assert_int_equal(passed_over, 'V');
	assert_int_equal(e.lines.len, 0);
	o.envid = "";
	assert_int_equal(attributes_message(&e, &o, &passed_over), 0);
	assert_int_equal(passed_over, 'R');
	o.ret = NULL;
	o.body = NULL;
	o.envid = "a+b c=d";
	assert_int_equal(attributes_message(&e, &o, &passed_over), 0);
	assert_string_equal(e.lines.data, "attr envid a+2Bb+20c+3Dd\n");
	envelope_free(&e);
	envelope_init(&e, 10000);
	o.envid = "a+2Bb";
	assert_int_equal(attributes_message(&e, &o, &passed_over), 0);
	assert_string_equal(e.lines.data, "attr envid a+2Bb\n");
	envelope_free(&e);
}

static void test_given(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int result;
	} cases[] = {
		{ "Fa@b\0Tc@d\0", 11, 0 }, { "F\0Tc@d\0Te\0", 11, 0 }, { "F\0Tc@d\0", 8, 0 }, { "F\0Tc@d", 7, -1 }, { "Fa@b\0", 6, -1 }, { "", 0, -1 },
		{ "F\0\0", 3, -1 }, { "Ta\0Fb\0", 7, -1 }, { "Fa\0T\0", 6, -1 }, { "Fa\0Xb\0", 7, -1 }, { "Fa\0Tb\0\0", 8, -1 },
	};
	struct span sender, list, one;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (given_parse((struct span){ cases[i].text, cases[i].len }, &sender, &list) != cases[i].result)
			fail_msg("case %zu", i);
	assert_int_equal(given_parse((struct span){ "Fa@b\0Tc@d\0Te\0", 14 }, &sender, &list), 0);
	assert_true(span_is(sender, "a@b"));
	assert_true(given_next(&list, &one) && span_is(one, "c@d"));
	assert_true(given_next(&list, &one) && span_is(one, "e"));
	assert_false(given_next(&list, &one));
}

static void test_full_name(void **state)
{
	static const char *const cases[][2] = {
		{ "Joe Doe,Room 1,,", "Joe Doe" }, { "& Doe", "Joe Doe" }, { "", "" }, { ",x", "" }, { "A&B", "AJoeB" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str out = STR_INIT(100);

		assert_int_equal(person_full_name(&out, span_of(cases[i][0]), span_of("joe")), 0);
		assert_string_equal(out.data, cases[i][1]);
		str_free(&out);
	}
}

static void test_spill(void **state)
{
	struct str text = STR_INIT(1 << 23), back = STR_INIT(1 << 23);
	struct spill s;
	size_t i;

	(void)state;
	spill_init(&s, 1 << 20);
	for (i = 0; i < 300000; i++) {
		struct str line = STR_INIT(40);

		str_printf(&line, "line %zu\n", i);
		str_add_span(&text, str_span(&line));
		assert_int_equal(spill_add(&s, str_span(&line)), 0);
		str_free(&line);
	}
	assert_true(s.fd >= 0 && s.memory.len <= 1 << 20);
	for (i = 0; i < 2; i++) {
		str_cut(&back, 0);
		assert_int_equal(spill_read(&s, append, &back), 0);
		assert_true(span_equal(str_span(&text), str_span(&back)));
	}
	spill_free(&s);
	str_free(&text);
	str_free(&back);
}

static int load(struct settings *s, const char *text, struct str *error)
{
	char path[] = "/tmp/settings.XXXXXX";
	struct options o = { .config = path };
	int fd = mkstemp(path), code;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	code = settings_load(s, &o, error);
	unlink(path);
	return code;
}

static void test_settings(void **state)
{
	static const char *const bad[] = { "from never\n", "sender 'a b'\n", "name a@b\n", "wait soon\n", "qualify maybe\n", "to me\n", "bogus x\n", "socket\n",
	    "mime a;b\n", "mime ''\n", "dead-letter maybe\n" };
	struct options none = { .config = "/nonexistent/file" };
	struct str error = STR_INIT(4096);
	struct settings s;
	size_t i;

	(void)state;
	assert_int_equal(load(&s, "# x\nsocket /q\nadmin /a\nname m.example\nwait 5m\nfrom replace\nsender r@x\nto list\nqualify no\n"
	    "mime utf-8\ndead-letter yes\n", &error), 0);
	assert_string_equal(s.socket.data, "/q");
	assert_string_equal(s.admin.data, "/a");
	assert_string_equal(s.name.data, "m.example");
	assert_string_equal(s.sender.data, "r@x");
	assert_true(s.wait == 300 * UINT64_C(1000000));
	assert_true(s.from == SETTINGS_FROM_REPLACE && s.to == SETTINGS_TO_LIST && !s.qualify && s.dead_letter);
	assert_string_equal(s.mime.data, "utf-8");
	settings_free(&s);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		str_cut(&error, 0);
		assert_int_equal(load(&s, bad[i], &error), EX_CONFIG);
		assert_non_null(strstr(error.data, ":1: "));
		settings_free(&s);
	}
	str_cut(&error, 0);
	assert_int_equal(settings_load(&s, &none, &error), EX_CONFIG);	/* a file that was named must be there */
	settings_free(&s);
	str_free(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set), cmocka_unit_test(test_qualify), cmocka_unit_test(test_notify), cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_given), cmocka_unit_test(test_full_name), cmocka_unit_test(test_spill), cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
