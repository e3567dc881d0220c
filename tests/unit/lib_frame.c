/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"

static const char stream[] = "9:Hqueue 1x,1:E,10:B,,3:1:,,,,13:Mabc\0\xff\r\n5:x,1,3:K a,";
static const size_t stream_len = sizeof(stream) - 1;

/* What the frames of a stream are, as text: type, length, value */
static void note(struct str *events, struct frame frame)
{
	assert_int_equal(str_add_char(events, frame.type), 0);
	assert_int_equal(str_add_decimal(events, frame.value.len, 5), 0);
	assert_int_equal(str_add_span(events, frame.value), 0);
}

/* Feeds the stream in pieces of the sizes that piece() tells; the bytes not used yet move to the front */
static void feed(struct str *events, size_t (*piece)(size_t left))
{
	struct str buffer = STR_INIT(1000);

	for (size_t at = 0; at < stream_len;) {
		size_t n = piece(stream_len - at), used;
		struct frame frame;
		enum frame_result result;

		assert_int_equal(str_append(&buffer, stream + at, n), 0);
		at += n;
		while ((result = frame_take(buffer.data, buffer.len, &frame, &used)) == FRAME_WHOLE) {
			note(events, frame);
			str_shift(&buffer, used);
		}
		assert_int_equal(result, FRAME_MORE);
	}
	assert_int_equal(buffer.len, 0);
	str_free(&buffer);
}

static size_t whole(size_t left)
{
	return left;
}

static size_t one(size_t left)
{
	(void)left;
	return 1;
}

static size_t some(size_t left)
{
	size_t n = 1 + (size_t)rand() % 9;

	return n < left ? n : left;
}

static void splits_do_not_matter(void **state)
{
	struct str reference = STR_INIT(1000), events = STR_INIT(1000);

	(void)state;
	feed(&reference, whole);
	assert_int_equal(reference.len, 5 * 6 + 8 + 0 + 9 + 12 + 2);
	feed(&events, one);
	assert_true(span_equal(str_span(&events), str_span(&reference)));
	srand(1);
	for (int i = 0; i < 300; i++) {
		str_cut(&events, 0);
		feed(&events, some);
		assert_true(span_equal(str_span(&events), str_span(&reference)));
	}
	str_free(&reference);
	str_free(&events);
}

static void bad_ones_are_told_early(void **state)
{
	/* each is bad with its last byte, and undecided before it */
	static const char *const bad[] = {
		"0", ":", "x", "-", " ", "1x", "12 ", "65537", "7000000"/* at the fifth digit */,
		"3:Kab.", "1:E;", "99999", "1:E1", "10:B,,3:1:,,,x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct frame frame;
		size_t used, len = strlen(bad[i]), told = bad[i][0] == '7' ? 5 : len;

		for (size_t n = 0; n < told; n++)
			assert_int_equal(frame_take(bad[i], n, &frame, &used), FRAME_MORE);
		assert_int_equal(frame_take(bad[i], told, &frame, &used), FRAME_BAD);
		assert_int_equal(frame_take(bad[i], len, &frame, &used), FRAME_BAD);
	}
}

static void limits(void **state)
{
	struct str out = STR_INIT(200000);
	char *big = calloc(1, FRAME_MAX);
	struct frame frame;
	size_t used;

	(void)state;
	assert_non_null(big);
	assert_int_equal(frame_put(&out, 'B', (struct span){ big, FRAME_MAX - 1 }), 0);
	assert_int_equal(out.len, 6 + FRAME_MAX + 1);
	assert_int_equal(frame_size(out.data, 5), 0);
	assert_int_equal(frame_size(out.data, 6), out.len);
	assert_int_equal(frame_take(out.data, out.len - 1, &frame, &used), FRAME_MORE);
	assert_int_equal(frame_take(out.data, out.len, &frame, &used), FRAME_WHOLE);
	assert_int_equal(frame.value.len, FRAME_MAX - 1);
	assert_int_equal(used, out.len);
	errno = 0;
	assert_int_equal(frame_put(&out, 'B', (struct span){ big, FRAME_MAX }), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(out.len, used);
	free(big);
	str_free(&out);
}

static void puts_all_or_nothing(void **state)
{
	struct str out = STR_INIT(10);

	(void)state;
	assert_int_equal(frame_put(&out, 'K', span_of("abcdef")), 0);
	assert_string_equal(out.data, "7:Kabcdef,");
	str_cut(&out, 6);
	assert_int_equal(frame_put(&out, 'K', span_of("x")), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(frame_printf(&out, 'K', "%d", 1), -1);
	assert_string_equal(out.data, "7:Kabc");
	assert_int_equal(frame_put(&out, 'E', span_of("")), 0);
	assert_string_equal(out.data, "7:Kabc1:E,");
	str_free(&out);
}

static void prints(void **state)
{
	struct str out = STR_INIT(200000);
	char text[70000];
	struct frame frame;
	size_t used;

	(void)state;
	memset(text, 'n', sizeof(text));
	assert_int_equal(frame_printf(&out, 'J', "%s-%d", "id", 9), 0);
	assert_string_equal(out.data, "5:Jid-9,");
	assert_int_equal(frame_printf(&out, 'E', "%s", ""), 0);
	assert_string_equal(out.data, "5:Jid-9,1:E,");
	for (int len = 254; len < 259; len++) {
		str_cut(&out, 0);
		assert_int_equal(frame_printf(&out, 'T', "%.*s", len, text), 0);
		assert_int_equal(frame_take(out.data, out.len, &frame, &used), FRAME_WHOLE);
		assert_int_equal(frame.value.len, len);
		assert_int_equal(used, out.len);
	}
	str_cut(&out, 0);
	assert_int_equal(frame_printf(&out, 'T', "%.*s", FRAME_MAX, text), -1);
	assert_int_equal(out.len, 0);
	assert_int_equal(frame_printf(&out, 'T', "%.*s", FRAME_MAX - 1, text), 0);
	assert_int_equal(frame_take(out.data, out.len, &frame, &used), FRAME_WHOLE);
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_do_not_matter),
		cmocka_unit_test(bad_ones_are_told_early),
		cmocka_unit_test(limits),
		cmocka_unit_test(puts_all_or_nothing),
		cmocka_unit_test(prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
