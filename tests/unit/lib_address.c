/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "address.h"
#include "words.h"

/* The list as text: each plain address and a blank, "!" for what is none. */
static void list_text(struct str *out, struct span list)
{
	struct span rest = list;
	struct address a;
	int result;

	str_cut(out, 0);
	while ((result = address_next(&rest, &a)) != 0) {
		assert_true(a.whole.data >= list.data && a.whole.data + a.whole.len <= list.data + list.len);
		if (result > 0) {
			assert_true(a.spec.data >= a.whole.data && a.spec.data + a.spec.len <= a.whole.data + a.whole.len);
			assert_int_equal(address_plain(out, a.spec), 0);
		}
		assert_int_equal(str_add(out, result > 0 ? " " : "! "), 0);
	}
	assert_int_equal(rest.len, 0);
}

static void lists(void **state)
{
	static const struct { const char *list, *found; } cases[] = {
		{ "", "" }, { " \n\t", "" }, { "(nobody)", "" }, { ",, ;", "" }, { "a@b", "a@b " }, { "root", "root " },
		{ "a@b.c, d@e.f", "a@b.c d@e.f " }, { "a@b.c,,d@e.f,", "a@b.c d@e.f " }, { "a@b.c d@e.f", "a@b.c d@e.f " }, { "root admin", "root admin " },
		{ "a@b.c(x) d@e.f(y)", "a@b.c d@e.f " }, { "Frank <f@x.org>", "f@x.org " }, { "Frank X. Y <f@x.org>, g@h", "f@x.org g@h " },
		{ "\"Frank, the \\\" one\" <f@x.org>", "f@x.org " }, { "frank (Full, Name (nested \\) ) )", "frank " }, { "(j)y(k)@(l)a(m).(n)b(o)", "y@a.b " },
		{ "y @ a . b", "y@a.b " }, { "a . b @ c", "a.b@c " }, { "x<y@a.b>", "y@a.b " }, { "<y@a.b>", "y@a.b " }, { "< y@a.b\n >", "y@a.b " },
		{ "<a@b> <c@d>", "a@b c@d " }, { "A <a@b> B C <c@d>", "a@b c@d " }, { "frank@x.org <f@x.org>", "f@x.org " },
		{ "undisclosed-recipients:;", "" }, { "g h: a@b, C <c@d>;, e@f", "a@b c@d e@f " }, { "g: a@b c@d;", "a@b c@d " }, { "g:;h: x;", "x " },
		{ "a@b.c g: d@e.f;", "a@b.c d@e.f " }, { "\"my group\": a@b;", "a@b " },
		{ "f<@g.h:a@b.c>", "a@b.c " }, { "<@a,@b:u@d>", "u@d " }, { "<@g.h@i.j:a@b.c>, x@y", "a@b.c x@y " }, { "<@a:@b:u@d>", "! " },
		{ "\"user\"@x", "user@x " }, { "\"a b\"@x", "\"a b\"@x " }, { "a.\"b\".c@d", "a.b.c@d " }, { "a.\"b c\"@d", "\"a.b c\"@d " },
		{ "a..b@x", "\"a..b\"@x " }, { ".a@x", "\".a\"@x " }, { "a.@x", "\"a.\"@x " }, { "\"\"@x", "\"\"@x " },
		{ "\"s\\'b\"@d", "s'b@d " }, { "\"s\\\"a\"@d", "\"s\\\"a\"@d " }, { "\"a\\\\b\"@d", "\"a\\\\b\"@d " }, { "\"a@b\"@c", "\"a@b\"@c " }, { "\"a@b\"", "\"a@b\" " },
		{ "\\frank", "frank " }, { "host!user", "host!user " }, { "a%b@c", "a%b@c " }, { "a+b=c@d", "a+b=c@d " }, { "\"a\n b\"@x", "\"a b\"@x " },
		{ "u@[1.2.3.4]", "u@[1.2.3.4] " }, { "u@[IPv6:2001:db8::1]", "u@[IPv6:2001:db8::1] " }, { "u@1.2.3.4", "u@1.2.3.4 " }, { "u@[::1], x", "! x " },
		{ "u@[1.2.3.400]", "! " }, { "u@[1.2.3.4", "! " }, { "u@host.", "u@host. " }, { "j\xc3\xbcrgen@b\xc3\xbcro.example", "j\xc3\xbcrgen@b\xc3\xbcro.example " },
		{ "a@", "! " }, { "@b", "! " }, { "a@b@c", "! " }, { "a@b@c, d@e", "! d@e " }, { "a@.b", "! " }, { "a@b..c, x", "! x " }, { ".", "! " }, { "<>, x", "! x " },
		{ "<a b>, x", "! x " }, { "a b <c d@e>, x@y", "! x@y " }, { "<a@b, c@d>, e@f", "! ! e@f " }, { "a@b>, c", "! c " }, { "<<a@b>>, c", "! c " }, { ":, c", "! c " },
		{ "(open, a@b, c", "! a@b c " }, { "\"open, a@b, c", "! a@b c " }, { "a) b, c", "! c " }, { "a@b (open, c@d", "! c@d " }, { "[x, a", "! a " },
		{ "a\x01" "b@c, d", "! d " }, { "a@b\x7f, d", "! d " }, { "a@b_c", "a@b_c " }, { "a@b!c, d", "! d " }, { "\"a\x01\"@b, d", "! d " }, { "a\\", "! " },
		{ "x: y: a@b;;", "a@b " }, { "a@b:c, d", "! d " },
	};
	struct str out = STR_INIT(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t len = strlen(cases[i].list);
		char *copy = malloc(len + 1);

		memcpy(copy, cases[i].list, len);
		list_text(&out, (struct span){ copy, len });
		if (strcmp(out.data, cases[i].found) != 0)
			fail_msg("'%s' gives '%s', not '%s'", cases[i].list, out.data, cases[i].found);
		free(copy);
	}
	list_text(&out, (struct span){ "a\0b@c, d", 8 });
	assert_string_equal(out.data, "! d ");
	str_free(&out);
}

static void parts(void **state)
{
	static const struct { const char *list, *whole, *name, *spec; bool angle; } cases[] = {
		{ " Frank  X (c) <f@x> (d) , y", "Frank  X (c) <f@x> (d)", "Frank  X (c)", "f@x", true },
		{ ", (c) f@x (d)\n, y", "(c) f@x (d)", "", "f@x", false },
		{ "g: \"A, B\"<f@x>;", "\"A, B\"<f@x>", "\"A, B\"", "f@x", true },
		{ "<@r:f@x>", "<@r:f@x>", "", "@r:f@x", true },
		{ "f @ x g", "f @ x", "", "f @ x", false },
		{ "f(c)@x(d) g@h", "f(c)@x(d)", "", "f(c)@x", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct span rest = span_of(cases[i].list);
		struct address a;

		assert_int_equal(address_next(&rest, &a), 1);
		assert_true(span_is(a.whole, cases[i].whole) && span_is(a.name, cases[i].name) && span_is(a.spec, cases[i].spec));
		assert_int_equal(a.angle, cases[i].angle);
	}
}

static void plain_errors(void **state)
{
	static const char *const wrong[] = { "", " ", "(c)", "a b", "a,b", "a@b c", "<a>", "a@", "\"a", "a@[x]", "a\n\x02", "@a:", "@a" };
	struct str out = STR_INIT(8);

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(address_plain(&out, span_of(wrong[i])), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(out.len, 0);
	}
	assert_int_equal(address_plain(&out, span_of("abcde@fgh")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(out.len, 0);
	str_free(&out);
}

static void split_and_qualify(void **state)
{
	static const struct { const char *plain, *local, *domain, *qualified; } cases[] = {
		{ "a@b", "a", "b", "a@b" }, { "a", "a", "", "a@h.x" }, { "\"a@b\"@c", "\"a@b\"", "c", "\"a@b\"@c" }, { "\"a@b\"", "\"a@b\"", "", "\"a@b\"@h.x" },
		{ "", "", "", "" }, { "a@[1.2.3.4]", "a", "[1.2.3.4]", "a@[1.2.3.4]" },
	};
	struct str out = STR_INIT(100);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct span local, domain;

		assert_int_equal(address_split(span_of(cases[i].plain), &local, &domain), cases[i].domain[0] != '\0');
		assert_true(span_is(local, cases[i].local) && span_is(domain, cases[i].domain));
		str_cut(&out, 0);
		assert_int_equal(address_qualify(&out, span_of(cases[i].plain), span_of("h.x")), 0);
		assert_string_equal(out.data, cases[i].qualified);
	}
	str_cut(&out, 0);
	assert_int_equal(address_qualify(&out, span_of("a"), span_of("")), 0);
	assert_string_equal(out.data, "a");
	str_free(&out);
}

static void validity(void **state)
{
	static const char *const right[] = { "", "a", "a@b", "a.b@c.d", "a..b@c", ".a@b", "\"a b\"@c", "\"a\\\"b\"@c", "\"\"@c", "a@[1.2.3.4]", "a@[IPv6:::1]", "host!u", "a@b.",
	    "\"a@b\"" };
	static const char *const wrong[] = { "a b@c", "@", "@b", "a@", "a@b@c", "a@.b", "a@b..c", "a@b c", "<a@b>", "a,b", "\"a@b", "\"a\"b@c", "\"a\\\"@c", "a@[b]", "a\n@b", "a@b/",
	    "j\xc3\xbc@b", "\x80", "a(b)@c" };
	static const char *const broken[] = { "j\xc3@b", "\xc0\x80@b", "\xed\xa0\x80@b", "\xf4\x90\x80\x80@b", "a@\xe2\x82" };
	char large[1026];

	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof *right; i++)
		assert_true(address_is_valid(span_of(right[i]), false) && address_is_valid(span_of(right[i]), true));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(address_is_valid(span_of(wrong[i]), false));
	assert_true(address_is_valid(span_of("j\xc3\xbcrgen@b\xc3\xbcro.example"), true));
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		assert_false(address_is_valid(span_of(broken[i]), true));
	memset(large, 'a', sizeof large);
	assert_true(address_is_valid((struct span){ large, 1024 }, false));
	assert_false(address_is_valid((struct span){ large, 1025 }, false));
	assert_false(address_is_valid((struct span){ "a\0b", 3 }, true));
}

static void names(void **state)
{
	static const struct { const char *name, *put; } cases[] = {
		{ "", "" }, { "Frank", "Frank" }, { "Frank Xaver", "Frank Xaver" }, { "Frank X. Y", "\"Frank X. Y\"" }, { "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\"" },
		{ "root@host", "\"root@host\"" }, { " a\nBcc: b ", "\"a Bcc: b\"" }, { "a  b", "\"a  b\"" }, { "=?x?q?y?=", "\"=?x?q?y?=\"" },
		{ "J\xc3\xbcrgen M\xc3\xbcller", "=?utf-8?Q?J=C3=BCrgen_M=C3=BCller?=" }, { "J\xfcrgen Maier", "=?unknown-8bit?Q?J=FCrgen_Maier?=" },
		{ "\xe4\xbd\xa0\xe5\xa5\xbd", "=?utf-8?B?5L2g5aW9?=" }, { "\xe4\xbd\xa0\xe5\xa5\xbd!", "=?utf-8?B?5L2g5aW9IQ==?=" }, { "\xe4\xbd\xa0\xe5\xa5\xbd\xc3\xbc", "=?utf-8?B?5L2g5aW9w7w=?=" },
	};
	struct str out = STR_INIT(1000);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		str_cut(&out, 0);
		assert_int_equal(address_put_name(&out, span_of(cases[i].name)), 0);
		assert_string_equal(out.data, cases[i].put);
	}
	str_free(&out);
}

static void long_words(void **state)
{
	struct str text = STR_INIT(10000), out = STR_INIT(100000);
	struct span rest, word;

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_int_equal(str_add(&text, i % 3 ? "\xe2\x82\xac" : "ab "), 0);
	assert_int_equal(words_encode(&out, str_span(&text)), 0);
	rest = str_span(&out);
	for (int n = 0; span_word(&rest, '\n', &word); n++) {
		if (n > 0)
			word = span_skip(word, 1);
		assert_true(word.len <= WORDS_MAX && span_starts(word, "=?utf-8?") && memcmp(word.data + word.len - 2, "?=", 2) == 0);
	}
	str_free(&text);
	str_free(&out);
}

/* Lists made to be slow, a quarter of a megabyte each, and random ones. */
static void hostile(void **state)
{
	static const char *const pieces[] = { "(", ",(", "(,", "\"", ",\"", "\\\",", "<", ",<@a", "[", "[,", "a ", "a (", ":", "a:", "@", ".", "a@b ", ";", "((((a ", "a\"", "(()", "\\", "<a,", ")" };
	const size_t size = 1 << 18;
	char *list = malloc(size);
	struct str out = STR_INIT(8 << 20);
	uint32_t seed = 7;
	clock_t begin = clock();

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		for (size_t at = 0; at < size; at++)
			list[at] = pieces[i][at % strlen(pieces[i])];
		list_text(&out, (struct span){ list, size });
	}
	assert_true((clock() - begin) / CLOCKS_PER_SEC < 30);
	for (int round = 0; round < 20000; round++) {
		size_t len = 0;
		char *copy;

		while (len < 40) {
			static const char bytes[] = "ab.,;:<>@()[]\"\\ \n";

			seed = seed * 1664525 + 1013904223;
			list[len++] = bytes[(seed >> 16) % (sizeof bytes - 1)];
		}
		copy = malloc(len);
		memcpy(copy, list, len);
		list_text(&out, (struct span){ copy, len });
		free(copy);
	}
	free(list);
	str_free(&out);
}

/* What address_plain gives it takes again, unchanged, and it is valid. */
static void plain_is_stable(void **state)
{
	static const char bytes[] = "ab.@\"\\ (),x";
	struct str once = STR_INIT(1000), twice = STR_INIT(1000);
	uint32_t seed = 3;
	int seen = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		char spec[12];
		size_t len = 1 + seed % sizeof spec;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			spec[i] = bytes[(seed >> 16) % (sizeof bytes - 1)];
		}
		str_cut(&once, 0);
		str_cut(&twice, 0);
		if (address_plain(&once, (struct span){ spec, len }) < 0)
			continue;
		seen++;
		assert_true(address_is_valid(str_span(&once), false));
		assert_int_equal(address_plain(&twice, str_span(&once)), 0);
		assert_string_equal(once.data, twice.data);
	}
	assert_true(seen > 100);
	str_free(&once);
	str_free(&twice);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lists), cmocka_unit_test(parts), cmocka_unit_test(plain_errors), cmocka_unit_test(split_and_qualify),
	    cmocka_unit_test(validity), cmocka_unit_test(names), cmocka_unit_test(long_words), cmocka_unit_test(hostile), cmocka_unit_test(plain_is_stable) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
