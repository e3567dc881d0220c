/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "span.h"

static void compares(void **state)
{
	const struct span none = { NULL, 0 };

	(void)state;
	assert_true(span_is(span_of("abc"), "abc"));
	assert_false(span_is(span_of("abc"), "ab"));
	assert_false(span_is(span_of("ab"), "abc"));
	assert_true(span_is(none, ""));
	assert_true(span_equal(none, span_of("")));
	assert_true(span_is_nocase(span_of("8BitMime"), "8BITMIME"));
	assert_false(span_is_nocase(span_of("a"), "b"));
	assert_false(span_is_nocase(span_of("@"), "`"));
	assert_false(span_is((struct span){ "a\0b", 3 }, "a"));
	assert_true(span_starts(span_of("local:inbox"), "local:"));
	assert_false(span_starts(span_of("loc"), "local:"));
	assert_true(span_starts(none, ""));
}

static void cuts(void **state)
{
	const struct span none = { NULL, 0 };

	(void)state;
	assert_true(span_is(span_skip(span_of("abc"), 1), "bc"));
	assert_true(span_is(span_skip(span_of("abc"), 9), ""));
	assert_int_equal(span_skip(none, 3).len, 0);
	assert_true(span_is(span_trim(span_of(" \t a b\r\n")), "a b"));
	assert_true(span_is(span_trim(span_of(" \r\n\t")), ""));
	assert_int_equal(span_trim(none).len, 0);
}

static void words(void **state)
{
	struct span rest = span_of("one  three "), word;

	(void)state;
	assert_true(span_word(&rest, ' ', &word));
	assert_true(span_is(word, "one"));
	assert_true(span_word(&rest, ' ', &word));
	assert_true(span_is(word, ""));
	assert_true(span_word(&rest, ' ', &word));
	assert_true(span_is(word, "three"));
	assert_false(span_word(&rest, ' ', &word));
	rest = (struct span){ NULL, 0 };
	assert_false(span_word(&rest, ' ', &word));
}

static const struct number_case {
	const char *text;
	uint64_t max, value;
	int error;
} decimals[] = {
	{ "0", 0, 0, 0 },
	{ "007", 7, 7, 0 },
	{ "18446744073709551615", UINT64_MAX, UINT64_MAX, 0 },
	{ "18446744073709551616", UINT64_MAX, 0, ERANGE },
	{ "99999999999999999999999", UINT64_MAX, 0, ERANGE },
	{ "8", 7, 0, ERANGE },
	{ "1", 0, 0, ERANGE },
	{ "100", 99, 0, ERANGE },
	{ "99", 99, 99, 0 },
	{ "", 9, 0, EINVAL },
	{ "-1", 9, 0, EINVAL },
	{ "+1", 9, 0, EINVAL },
	{ " 1", 9, 0, EINVAL },
	{ "1 ", 9, 0, EINVAL },
	{ "999x", 9, 0, EINVAL },
	{ "a", 99, 0, EINVAL },
}, hexes[] = {
	{ "0", 0, 0, 0 },
	{ "ffffffffffffffff", UINT64_MAX, UINT64_MAX, 0 },
	{ "0000000000000000f", UINT64_MAX, 0, EINVAL },
	{ "9f8e7d6c5b4a3921", UINT64_MAX, UINT64_C(0x9f8e7d6c5b4a3921), 0 },
	{ "F", 99, 0, EINVAL },
	{ "0x1", 99, 0, EINVAL },
	{ "g", 99, 0, EINVAL },
	{ "10", 15, 0, ERANGE },
	{ "f", 15, 15, 0 },
	{ "", 15, 0, EINVAL },
};

static void check_numbers(const struct number_case *c, size_t count, int (*parse)(struct span, uint64_t, uint64_t *))
{
	for (; count > 0; c++, count--) {
		uint64_t value = 4711;

		errno = 0;
		assert_int_equal(parse(span_of(c->text), c->max, &value), c->error ? -1 : 0);
		assert_int_equal(errno, c->error);
		assert_true(value == (c->error ? 4711 : c->value));
	}
}

static void numbers(void **state)
{
	(void)state;
	check_numbers(decimals, sizeof(decimals) / sizeof(*decimals), span_decimal);
	check_numbers(hexes, sizeof(hexes) / sizeof(*hexes), span_hex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(cuts),
		cmocka_unit_test(words),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
