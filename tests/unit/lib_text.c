/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

static void encodes(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "-" }, { "-", "%2D" }, { "--", "--" }, { "-a", "-a" }, { "a b", "a%20b" }, { "100%", "100%25" },
		{ "\x7f\n\t", "%7F%0A%09" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "plain@example.org", "plain@example.org" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct str out = STR_INIT(100);

		assert_int_equal(text_encode(&out, span_of(pairs[i][0])), 0);
		assert_string_equal(out.data, pairs[i][1]);
		str_cut(&out, 0);
		assert_int_equal(text_decode(&out, span_of(pairs[i][1])), 0);
		assert_string_equal(out.data, pairs[i][0]);
		str_free(&out);
	}
}

static void every_byte_returns(void **state)
{
	char all[256];
	struct str word = STR_INIT(1000), back = STR_INIT(256);

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (char)i;
	assert_int_equal(text_encode(&word, (struct span){ all, sizeof(all) }), 0);
	assert_int_equal(word.len, 256 + 2 * (33 + 2));
	assert_int_equal(text_decode(&back, str_span(&word)), 0);
	assert_int_equal(back.len, 256);
	assert_memory_equal(back.data, all, 256);
	str_free(&word);
	str_free(&back);
}

static void refuses_wrong_forms(void **state)
{
	static const char *const wrong[] = { "", "a b", "%", "%2", "a%2", "%2d", "%GG", "%-1", "a\tb", "\x7f", "x\n" };
	struct str out = STR_INIT(100);

	(void)state;
	assert_int_equal(str_add(&out, "kept"), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		errno = 0;
		assert_int_equal(text_decode(&out, span_of(wrong[i])), -1);
		assert_int_equal(errno, EINVAL);
		assert_string_equal(out.data, "kept");
	}
	str_free(&out);
}

static void leaves_what_was_at_the_limit(void **state)
{
	struct str out = STR_INIT(8);

	(void)state;
	assert_int_equal(str_add(&out, "kept"), 0);
	assert_int_equal(text_encode(&out, span_of("a  ")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_string_equal(out.data, "kept");
	assert_int_equal(text_decode(&out, span_of("abcde")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_string_equal(out.data, "kept");
	assert_int_equal(text_decode(&out, span_of("abc%41")), 0);
	assert_string_equal(out.data, "keptabcA");
	str_free(&out);
}

static void tells_clean_from_not(void **state)
{
	(void)state;
	assert_true(text_is_clean(span_of("frank@example.org"), 17));
	assert_false(text_is_clean(span_of("frank@example.org"), 16));
	assert_true(text_is_clean(span_of(""), 0));
	assert_true(text_is_clean(span_of("a b \xff"), 100));
	assert_false(text_is_clean(span_of("a\nb"), 100));
	assert_false(text_is_clean(span_of("a\x7f"), 100));
	assert_false(text_is_clean((struct span){ "a\0b", 3 }, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes),
		cmocka_unit_test(every_byte_returns),
		cmocka_unit_test(refuses_wrong_forms),
		cmocka_unit_test(leaves_what_was_at_the_limit),
		cmocka_unit_test(tells_clean_from_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
