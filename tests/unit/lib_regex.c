/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "regex.h"

static struct regex *must(const char *pattern, unsigned flags)
{
	struct str error = STR_INIT(300);
	struct regex *regex = regex_new(span_of(pattern), flags, &error, NULL);

	if (regex == NULL)
		fail_msg("%s: %s", pattern, error.data);
	str_free(&error);
	return regex;
}

static int matches(const char *pattern, unsigned flags, const char *subject)
{
	struct regex *regex = must(pattern, flags);
	int result = regex_match(regex, span_of(subject), NULL);

	regex_free(regex);
	return result;
}

static void matching(void **state)
{
	(void)state;
	assert_int_equal(matches("^root@", 0, "root@example.org"), 1);
	assert_int_equal(matches("^root@", 0, "Root@example.org"), 0);
	assert_int_equal(matches("^root@", REGEX_NOCASE, "Root@example.org"), 1);
	assert_int_equal(matches("", 0, ""), 1);
	assert_int_equal(matches("a$", 0, "a\n"), 0);		/* the end is the end */
	assert_int_equal(matches("^a.b$", 0, "a\nb"), 0);
	assert_int_equal(matches("^a.b$", 0, "a\rb"), 1);
	/* by characters where it is UTF-8, by bytes where not */
	assert_int_equal(matches("^.$", 0, "\xc3\xbc"), 1);
	assert_int_equal(matches("^..$", 0, "\xff\xc3"), 1);
	assert_int_equal(matches("^\xc3\xbc$", REGEX_NOCASE, "\xc3\x9c"), 1);
	assert_int_equal(matches("\xc3\xbc", 0, "\xff\xc3\xbc"), 1);
	assert_int_equal(matches("^\xff$", 0, "\xff"), 1);
	assert_int_equal(matches("\\x{20ac}", 0, "\xe2\x82\xac"), 1);
	assert_int_equal(matches("\\x{20ac}", 0, "\xff\xe2\x82\xac"), 0);
	assert_int_equal(matches("^\\w+$", 0, "\xc3\xbc"), 0);
	assert_int_equal(matches("^\\d$", 0, "7"), 1);
}

static void captures(void **state)
{
	struct regex *regex = must("^(list)-(.*?)(x)?@(.*)$", 0);
	struct regex_match match;
	const char *subject = "list-dev@example.org";

	(void)state;
	assert_int_equal(regex_captures(regex), 4);
	assert_int_equal(regex_match(regex, span_of(subject), &match), 1);
	assert_int_equal(match.count, 5);
	assert_true(span_is(match.at[0], subject));
	assert_true(span_is(match.at[2], "dev"));
	assert_null(match.at[3].data);
	assert_true(span_is(match.at[4], "example.org"));
	assert_int_equal(regex_match(regex, (struct span){ NULL, 0 }, &match), 0);
	regex_free(regex);
}

static void errors(void **state)
{
	static const struct { const char *pattern; size_t offset; const char *word; } wrong[] = {
		{ "a(b", 3, "parenthes" }, { "[a", 2, "]" }, { "*a", 0, "quantifier" }, { "a\\Cb", 3, "\\C" }, { "x\xff(", 3, "parenthes" },
	};
	struct str error = STR_INIT(300), many = STR_INIT(10000);
	size_t offset;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct regex *regex = regex_new(span_of(wrong[i].pattern), 0, &error, &offset);

		assert_null(regex);
		if (strstr(error.data, wrong[i].word) == NULL || offset != wrong[i].offset)
			fail_msg("%s: %zu %s", wrong[i].pattern, offset, error.data);
	}
	for (size_t i = 0; i < REGEX_CAPTURES_MAX; i++)
		assert_int_equal(str_add(&many, "(a)"), 0);
	assert_null(regex_new(str_span(&many), 0, &error, NULL));
	assert_non_null(strstr(error.data, "too many groups"));
	while (many.len <= REGEX_PATTERN_MAX)
		assert_int_equal(str_add(&many, "a"), 0);
	assert_null(regex_new(str_span(&many), 0, NULL, NULL));
	str_free(&error);
	str_free(&many);
}

static void hostile_subjects_end(void **state)
{
	struct regex *regex = must("^(a+)+$", 0);
	char text[100];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 'b';
	errno = 0;
	assert_int_equal(regex_match(regex, (struct span){ text, sizeof(text) }, NULL), -1);
	assert_int_equal(errno, ELOOP);
	regex_free(regex);
	regex = must("^(?:.|\\n)*?(x+x+)+y", 0);
	memset(text, 'x', sizeof(text));
	text[0] = 'y';	/* there is one, so that the search is not called off */
	assert_int_equal(regex_match(regex, (struct span){ text, sizeof(text) }, NULL), -1);
	assert_int_equal(errno, ELOOP);
	regex_free(regex);
}

static void templates(void **state)
{
	static const struct { const char *text, *result; bool fixed; } good[] = {
		{ "", "", true }, { "plain", "plain", true }, { "$1", "b", false }, { "<$0>", "<abc>", false }, { "$$1", "$1", true }, { "${1}0", "b0", false }, { "$10", "b0", false },
		{ "a$2c", "ac", false }, { "$$", "$", true }, { "$1$1", "bb", false }, { "${02}x", "x", false },
	};
	static const char *const wrong[] = { "$", "a$", "$a", "$ 1", "${1", "${", "${}", "${a}", "${-1}", "$3", "${3}", "${99999999999999999999}", "$$$" };
	struct regex *regex = must("a(b)(x)?c", 0);
	struct str error = STR_INIT(300);
	struct regex_match match;

	(void)state;
	assert_int_equal(regex_match(regex, span_of("abc"), &match), 1);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct regex_template *template = regex_template_new(span_of(good[i].text), regex_captures(regex), &error);
		struct str out = STR_INIT(100);

		if (template == NULL)
			fail_msg("%s: %s", good[i].text, error.data);
		assert_int_equal(regex_template_expand(template, &match, &out), 0);
		assert_string_equal(out.data, good[i].result);
		assert_int_equal(regex_template_fixed(template), good[i].fixed);
		regex_template_free(template);
		str_free(&out);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		str_cut(&error, 0);
		assert_null(regex_template_new(span_of(wrong[i]), 2, &error));
		assert_true(error.len > 0);
	}
	assert_null(regex_template_new(span_of("$3"), 2, &error));
	assert_string_equal(error.data, "there is no capture 3 (the pattern has 2)");
	regex_free(regex);
	str_free(&error);
}

static void expand_keeps_limits(void **state)
{
	struct regex *regex = must("(.*)", 0);
	struct regex_template *template = regex_template_new(span_of("x$1"), 1, NULL);
	struct str out = STR_INIT(5);
	struct regex_match match;

	(void)state;
	assert_int_equal(regex_match(regex, span_of("12345"), &match), 1);
	assert_int_equal(regex_template_expand(template, &match, &out), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(out.len, 0);
	regex_template_free(template);
	regex_free(regex);
	str_free(&out);
}

static void replacing(void **state)
{
	static const struct { const char *pattern, *text, *subject, *result; bool all; int count; } cases[] = {
		{ "^\\[cron\\] *", "", "[cron] done", "done", false, 1 }, { "o", "0", "foo", "f0o", false, 1 }, { "o", "0", "foo", "f00", true, 2 },
		{ "x", "y", "foo", "foo", true, 0 }, { "x*", "-", "abc", "-a-b-c-", true, 4 }, { "", "-", "\xc3\xbc", "-\xc3\xbc-", true, 2 },
		{ "(.)(.)", "$2$1", "abcde", "badce", true, 2 }, { "^", ">", "ab", ">ab", true, 1 }, { "\xc3\xbc", "ue", "gr\xc3\xbcn", "gruen", true, 1 },
		{ "a|$", "x", "", "x", true, 1 }, { "a\\Kb", "x", "abab", "axax", true, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct regex *regex = must(cases[i].pattern, 0);
		struct regex_template *template = regex_template_new(span_of(cases[i].text), regex_captures(regex), NULL);
		struct str out = STR_INIT(100);

		assert_int_equal(regex_replace(regex, template, cases[i].all, span_of(cases[i].subject), &out), cases[i].count);
		assert_string_equal(out.data, cases[i].result);
		regex_template_free(template);
		regex_free(regex);
		str_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching),
		cmocka_unit_test(captures),
		cmocka_unit_test(errors),
		cmocka_unit_test(hostile_subjects_end),
		cmocka_unit_test(templates),
		cmocka_unit_test(expand_keeps_limits),
		cmocka_unit_test(replacing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
