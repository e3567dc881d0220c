/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where mail goes: aliases, routes, filters on what is hostile; and that a filter touches nothing that it does not match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "../../send/alias.h"
#include "../../send/bounce_report.h"
#include "../../send/filter.h"
#include "../../send/local.h"
#include "../../send/route.h"

static uint64_t seed = 1;

static uint32_t
draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

static struct filter_list *
filters(const char *text)
{
	struct str error = STR_INIT(4096);
	struct conf *conf = conf_parse("test", span_of(text), &error);
	struct filter_list *list = filter_list_new();

	assert_non_null(conf);
	for (const struct conf_node *n = conf->first; n != NULL; n = n->next)
		assert_int_equal(filter_list_add(list, n, &error), 0);
	conf_free(conf);
	str_free(&error);
	return list;
}

static void
assert_filtered(const struct filter_list *list, const char *header, enum filter_result result, const char *wanted)
{
	struct str out = STR_INIT(1024 * 1024);
	struct plan_query query = { NULL, span_of(header), NULL, NULL };

	assert_int_equal(filter_list_apply(list, span_of(header), span_of("local:inbox"), &query, &out), result);
	if (wanted != NULL)
		assert_string_equal(out.data, wanted);
	str_free(&out);
}

static void
test_filter(void **state)
{
	struct filter_list *list = filters("filter subject /^\\[x\\] */ ''\nfilter from /@old$/ @new\nfilter to /^gone@.*/ '' \nfilter cc /^gone@.*/ ''\n"
	    "filter x-a /b/ '' keep except imap:phone\nfilter x-c /./ '' only imap:phone\n");

	(void)state;
	assert_filtered(list, "Subject:  [y] a\nX-C: c\n\n", FILTER_SAME, "");
	assert_filtered(list, "A: 1\r\nSubject: [x] a\n b\nB:  2\n\n", FILTER_CHANGED, "A: 1\r\nSubject: a b\nB:  2\n\n");
	assert_filtered(list, "Subject: [x] \n", FILTER_DISCARD, "");
	assert_filtered(list, "From: \"A, B\" <a@old>, b@old (x), c@other\n\n", FILTER_CHANGED, "From: \"A, B\" <a@new>,\n\tb@new,\n\tc@other\n\n");
	assert_filtered(list, "To: gone@x, stays@y\nCc: gone@x\n\n", FILTER_CHANGED, "To: stays@y\n\n");
	assert_filtered(list, "To: gone@x\n\n", FILTER_DISCARD, "");
	assert_filtered(list, "X-A: b\n\n", FILTER_CHANGED, "\n");
	filter_list_free(list);
	/* What was put in, or was decoded, forges no field. */
	list = filters("filter subject /a/ \"$0\"\nfilter subject /q/ z\n");
	assert_filtered(list, "Subject: =?utf-8?q?q=0AEvil:_x?=\n\n", FILTER_CHANGED, "Subject: z Evil: x\n\n");
	filter_list_free(list);
}

static void
test_filter_random(void **state)
{
	static const char pieces[][16] = { "From: ", "To: ", "Subject: ", "\n", " ", ",", "<", ">", "a@b", "=?utf-8?q?=", "?=", "\"", "(", ")", "\\", "\xff", "[x]", ";", ":" };
	struct filter_list *list = filters("filter subject /(.)x/ \"$1\"\nfilter from /^(.*)@b/ \"$1@c\"\nfilter to /a/ ''\nfilter cc /a/ b keep");

	(void)state;
	for (int n = 0; n < 20000; n++) {
		struct str text = STR_INIT(4096), out = STR_INIT(1024 * 1024);
		struct plan_query query = { NULL, { "", 0 }, NULL, NULL };

		for (uint32_t i = draw(40); i > 0; i--)
			assert_int_equal(str_add(&text, pieces[draw(sizeof(pieces) / sizeof(pieces[0]))]), 0);
		assert_int_not_equal(filter_list_apply(list, str_span(&text), span_of("local:inbox"), &query, &out), FILTER_ERROR);
		str_free(&text);
		str_free(&out);
	}
	filter_list_free(list);
}

static void
test_alias_random(void **state)
{
	static const char pieces[][24] = { "root", ":", ",", " ", "\n", "\t", "a@b", "\"", "(", "<", ">", "\\", "|x", "/f", "local:x", "*", "#", "\xff", ":include:/dev/null" };
	char path[] = "/tmp/send_plan.XXXXXX";
	int fd = mkstemp(path), good = 0;
	struct plan plan;

	(void)state;
	assert_true(fd >= 0);
	plan_init(&plan);
	assert_int_equal(local_names_of(&plan, span_of("box.example.org"), "/nonexistent"), 0);
	for (int n = 0; n < 20000; n++) {
		struct str text = STR_INIT(4096), error = STR_INIT(16384);

		for (uint32_t i = draw(30); i > 0; i--)
			str_add(&text, pieces[draw(sizeof(pieces) / sizeof(pieces[0]))]);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, text.data, text.len, 0), (ssize_t)text.len);
		plan.aliases = alias_table_new(NULL);
		if (alias_table_load(plan.aliases, path, &error) == 0 && alias_table_finish(plan.aliases, &plan, &error) == 0)
			good++;
		else
			assert_true(error.len > 0);
		alias_table_free(plan.aliases);
		plan.aliases = NULL;
		str_free(&text);
		str_free(&error);
	}
	assert_true(good > 0);
	plan_free(&plan);
	close(fd);
	unlink(path);
}

static int
keep_address(void *arg, const struct plan_step *step)
{
	return str_set(arg, step->address.len > 0 ? step->address : step->drop);
}

/* An extension that an alias' address has no room for is left out: no deliverer takes an address that is longer than any may be. */
static void
test_long_extension(void **state)
{
	static const char aliases[] = "root: administrator\n";
	char path[] = "/tmp/send_plan.XXXXXX", address[ENVELOPE_ADDRESS_MAX + 1] = "root+";
	struct str got = STR_INIT(8192), error = STR_INIT(16384);
	struct plan_query query = { NULL, { "", 0 }, NULL, NULL };
	int fd = mkstemp(path);
	struct plan plan;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, aliases, strlen(aliases)), (ssize_t)strlen(aliases));
	plan_init(&plan);
	assert_int_equal(plan_default(&plan), 0);
	plan.aliases = alias_table_new(NULL);
	assert_int_equal(alias_table_load(plan.aliases, path, &error), 0);
	assert_int_equal(alias_table_finish(plan.aliases, &plan, &error), 0);
	assert_int_equal(plan_make(&plan, &query, span_of("root+x"), keep_address, &got), 0);
	assert_string_equal(got.data, "administrator+x");
	memset(address + 5, 'x', ENVELOPE_ADDRESS_MAX - 5);
	assert_int_equal(plan_make(&plan, &query, span_of(address), keep_address, &got), 0);
	assert_string_equal(got.data, "administrator");
	plan_free(&plan);
	str_free(&got);
	str_free(&error);
	close(fd);
	unlink(path);
}

/* A capture that is longer than any drop is one that is not to be used: the next route decides. */
static void
test_long_capture(void **state)
{
	static const char text[] = "route header X-A /(.*)/ to local:a/$1 local:b/$1\nroute all to local:c\n";
	struct str error = STR_INIT(4096), got = STR_INIT(8192), body = STR_INIT(65536);
	struct conf *conf = conf_parse("test", span_of(text), &error);
	struct record record = { .sender = span_of("x") };
	struct plan_query query = { &record, { "", 0 }, NULL, NULL };
	struct plan plan;

	(void)state;
	assert_non_null(conf);
	plan_init(&plan);
	plan.routes = route_list_new(NULL);
	for (const struct conf_node *n = conf->first; n != NULL; n = n->next)
		assert_int_equal(route_list_add(plan.routes, n, &error), 0);
	assert_int_equal(str_add(&body, "X-A: "), 0);
	while (body.len < 60000)
		assert_int_equal(str_add(&body, "=?iso-8859-1?b?5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk?=\n "), 0);
	assert_int_equal(str_add(&body, "x\n\n"), 0);
	query.body = str_span(&body);
	assert_int_equal(plan_make(&plan, &query, span_of("root"), keep_address, &got), 0);
	assert_string_equal(got.data, "local:c");
	plan_free(&plan);
	conf_free(conf);
	str_free(&body);
	str_free(&got);
	str_free(&error);
}

static void
test_local(void **state)
{
	struct plan plan;
	struct span local;

	(void)state;
	plan_init(&plan);
	assert_int_equal(str_add(&plan.host, "mail.example.org"), 0);
	assert_int_equal(local_names_of(&plan, span_of("box.example.org"), "/nonexistent"), 0);
	assert_true(plan_is_local(&plan, span_of("root"), &local));
	assert_true(plan_is_local(&plan, span_of("root@LOCALHOST"), &local) && span_is(local, "root"));
	assert_true(plan_is_local(&plan, span_of("root@box"), &local));
	assert_true(plan_is_local(&plan, span_of("root@box.example.org"), &local));
	assert_true(plan_is_local(&plan, span_of("root@mail.example.org"), &local));
	assert_false(plan_is_local(&plan, span_of("root@example.org"), &local));
	plan_free(&plan);
}

/* Nothing that a deliverer or sender said ends a line of the report. */
static void
test_report(void **state)
{
	const struct bounce_recipient recipient = {
		.address = span_of("a\nEvil: 1"), .named = span_of("b"), .orcpt = span_of("rfc822;a+0ABcc:+20x"), .drop = span_of("local:x"),
		.status = span_of("5.1.1"), .reason = span_of("no\r\nEvil: 2\xff"), .action = BOUNCE_FAILED,
	};
	struct bounce_report report = {
		.host = span_of("h"), .to = span_of("s@h"), .envid = span_of("e+0D+0AEvil: 3"), .recipients = &recipient, .count = 1,
		.message = span_of("Subject: x\n\n"), .whole = true,
	};
	struct str out = STR_INIT(65536);

	(void)state;
	assert_int_equal(bounce_report_put(&out, &report), 0);
	assert_null(strstr(out.data, "\nEvil"));
	assert_null(strstr(out.data, "\nBcc"));
	assert_null(strchr(out.data, '\r'));
	str_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local), cmocka_unit_test(test_filter), cmocka_unit_test(test_filter_random), cmocka_unit_test(test_alias_random),
		cmocka_unit_test(test_report), cmocka_unit_test(test_long_extension), cmocka_unit_test(test_long_capture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
