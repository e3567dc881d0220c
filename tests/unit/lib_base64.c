/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"

static void known_answers(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct str out = STR_INIT(100);

		assert_int_equal(base64_encode(&out, span_of(pairs[i][0])), 0);
		assert_string_equal(out.data, pairs[i][1]);
		str_cut(&out, 0);
		assert_int_equal(base64_decode(&out, span_of(pairs[i][1])), 0);
		assert_string_equal(out.data, pairs[i][0]);
		str_free(&out);
	}
}

static void every_byte_returns(void **state)
{
	char all[256];
	struct str text = STR_INIT(1000), back = STR_INIT(256);

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (char)i;
	for (size_t len = 0; len <= sizeof(all); len++) {
		str_cut(&text, 0);
		str_cut(&back, 0);
		assert_int_equal(base64_encode(&text, (struct span){ all, len }), 0);
		assert_int_equal(base64_decode(&back, str_span(&text)), 0);
		assert_int_equal(back.len, len);
		if (len > 0)
			assert_memory_equal(back.data, all, len);
	}
	str_free(&text);
	str_free(&back);
}

static void digits_are_exactly_those(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct str out = STR_INIT(10);

	(void)state;
	for (int c = 0; c < 256; c++) {
		char group[4] = { 'A', 'A', 'A', (char)c };
		const char *place = c == 0 ? NULL : strchr(digits, c);
		int got;

		str_cut(&out, 0);
		got = base64_decode(&out, (struct span){ group, 4 });
		if (place != NULL) {
			assert_int_equal(got, 0);
			assert_int_equal((unsigned char)out.data[2], place - digits);
		} else {
			assert_int_equal(got, c == '=' ? 0 : -1);
		}
	}
	str_free(&out);
}

static void refuses(void **state)
{
	static const char *const wrong[] = { "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm 9", "=", "====", "=g==", "Z===", "Zm9v=", "Z=g=", "Zm9v\r\n\r\n", "-_-_" };
	struct str out = STR_INIT(100);

	(void)state;
	assert_int_equal(str_add(&out, "kept"), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		errno = 0;
		assert_int_equal(base64_decode(&out, span_of(wrong[i])), -1);
		assert_int_equal(errno, EINVAL);
		assert_string_equal(out.data, "kept");
	}
	str_free(&out);
}

static void keeps_limits(void **state)
{
	struct str out = STR_INIT(4);

	(void)state;
	assert_int_equal(base64_encode(&out, span_of("1234")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(out.len, 0);
	assert_int_equal(base64_decode(&out, span_of("MTIzNDU2")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(out.len, 0);
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(every_byte_returns),
		cmocka_unit_test(digits_are_exactly_those),
		cmocka_unit_test(refuses),
		cmocka_unit_test(keeps_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
