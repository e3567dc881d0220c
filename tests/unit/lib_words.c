/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

static void decodes(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "plain = text", "plain = text" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "=?UTF-8?Q?gr=C3=BC=c3=9f_dich?=", "gr\xc3\xbc\xc3\x9f dich" },
		{ "=?utf-8?b?Z3LDvMOf?=", "gr\xc3\xbc\xc3\x9f" },
		{ "=?iso-8859-1?q?a?= =?iso-8859-1?q?b?=", "ab" },
		{ "=?iso-8859-1?q?a?=\r\n\t =?utf-8?q?b?= c", "ab c" },
		{ "=?iso-8859-1?q?a?= x =?iso-8859-1?q?b?=", "a x b" },
		{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
		{ "=?ISO-8859-1*en?Q?=E4?=", "\xc3\xa4" }, { "=?latin1?Q?=A4?=", "\xc2\xa4" },
		{ "=?ISO-8859-15?Q?=A4=BD=E4?=", "\xe2\x82\xac\xc5\x93\xc3\xa4" },
		{ "=?Windows-1252?Q?=80=81=9f=e4?=", "\xe2\x82\xac\xef\xbf\xbd\xc5\xb8\xc3\xa4" },
		{ "=?us-ascii?Q?a=E4?=", "a\xef\xbf\xbd" },
		/* a character cut in two, as many programs do it */
		{ "=?utf-8?Q?=C3?= =?utf-8?B?vA==?=", "\xc3\xbc" },
		{ "=?utf-8?Q?=C3?= =?iso-8859-1?Q?=BC?=", "\xef\xbf\xbd\xc2\xbc" },
		{ "=?utf-8?Q?=C3x=FF=F0=9F=98=80?=", "\xef\xbf\xbdx\xef\xbf\xbd\xf0\x9f\x98\x80" },
		/* left as they are */
		{ "=?koi8-r?Q?=C1?= z", "=?koi8-r?Q?=C1?= z" }, { "=?utf-8?X?abc?=", "=?utf-8?X?abc?=" }, { "=?utf-8?Q?a=4?=", "=?utf-8?Q?a=4?=" },
		{ "=?utf-8?B?a?=", "=?utf-8?B?a?=" }, { "=?utf-8?Q?abc", "=?utf-8?Q?abc" }, { "=?utf-8?Q?a b?=", "=?utf-8?Q?a b?=" }, { "=?", "=?" },
		{ "=??Q?a?=", "=??Q?a?=" }, { "x=?utf-8?Q?a?=", "x=?utf-8?Q?a?=" },
		{ "=?utf-8?Q?a?= =?koi8-r?Q?b?=", "a =?koi8-r?Q?b?=" }, { "=?utf-8?Q?a?= ", "a " }, { "=?utf-8?Q?" "?=", "" },
		{ "=?utf-8?Q?a?= =?utf-8?B?!?= =?utf-8?Q?b?=", "a =?utf-8?B?!?= b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct str out = STR_INIT(1000);

		assert_int_equal(words_decode(&out, span_of(pairs[i][0])), 0);
		assert_string_equal(out.data, pairs[i][1]);
		str_free(&out);
	}
}

static void what_is_encoded_comes_back(void **state)
{
	struct str text = STR_INIT(2000), encoded = STR_INIT(10000), back = STR_INIT(10000);

	(void)state;
	for (unsigned c = 1; c < 400; c += 3) {
		assert_int_equal(c < 0x80 ? str_add_char(&text, (char)c) : str_printf(&text, "%c%c", (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))), 0);
		str_cut(&encoded, 0);
		str_cut(&back, 0);
		assert_int_equal(words_encode(&encoded, str_span(&text)), 0);
		assert_int_equal(words_decode(&back, str_span(&encoded)), 0);
		assert_string_equal(back.data, text.data);
	}
	str_free(&text);
	str_free(&encoded);
	str_free(&back);
}

static void keeps_limits(void **state)
{
	struct str out = STR_INIT(10);

	(void)state;
	assert_int_equal(str_add(&out, "kept"), 0);
	assert_int_equal(words_decode(&out, span_of("=?utf-8?Q?1234567?=")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_string_equal(out.data, "kept");
	str_free(&out);
}

/* Never more than three times the text, whatever it is; under a sanitizer also a small fuzzer. */
static void any_bytes(void **state)
{
	static const char alphabet[] = "=?utf-8QqBb_=C3 \r\n\tiso59118=A4windows2\xc3\xbc\xff*()";
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[64] = "=?utf-8?q?";
		size_t len = round % 2 ? 10 : 0, total = len + (unsigned)round % (sizeof(text) - len);
		struct str out = STR_INIT(3 * sizeof(text));

		for (; len < total; len++) {
			seed = seed * 1103515245U + 12345U;
			text[len] = alphabet[seed / 65536U % (sizeof(alphabet) - 1)];
		}
		assert_int_equal(words_decode(&out, (struct span){ text, total }), 0);
		assert_true(out.len <= 3 * total);
		str_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(what_is_encoded_comes_back),
		cmocka_unit_test(keeps_limits),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
