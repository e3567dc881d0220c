/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What leaves for a server: line ends, dots, folding; the same at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dots.h"

#define MAX (4U << 20)

static void convert(struct span in, bool stuff, size_t step, struct str *out, struct dots *facts)
{
	struct dots dots;

	dots_init(&dots);
	dots.stuff = stuff;
	str_cut(out, 0);
	for (size_t at = 0; at < in.len; at += step)
		assert_int_equal(dots_write(&dots, out, (struct span){ in.data + at, in.len - at < step ? in.len - at : step }), 0);
	assert_int_equal(dots_end(&dots, out), 0);
	dots_free(&dots);
	if (facts)
		*facts = dots;
}

static void check(struct span in, struct span wanted)
{
	struct str out = STR_INIT(MAX);
	struct dots facts;

	for (size_t step = 1; step <= in.len + 1; step++) {
		convert(in, true, step, &out, NULL);
		assert_int_equal(out.len, wanted.len);
		assert_memory_equal(out.data, wanted.data, wanted.len);
	}
	/* What is counted is what BDAT sends. */
	convert(in, false, 7, &out, &facts);
	assert_int_equal(out.len, facts.bytes);
	str_free(&out);
}

#define CHECK(in, wanted) check((struct span){ in, sizeof in - 1 }, (struct span){ wanted, sizeof wanted - 1 })

static void line_ends_and_dots(void **state)
{
	(void)state;
	CHECK("", ".\r\n");
	CHECK("a", "a\r\n.\r\n");
	CHECK("A: b\n\nc\n", "A: b\r\n\r\nc\r\n.\r\n");
	CHECK("A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n.\r\n");
	CHECK("\n.\n", "\r\n..\r\n.\r\n");
	CHECK(".", "..\r\n.\r\n");
	CHECK("..\n...\n", "...\r\n....\r\n.\r\n");
	CHECK("foo\n.\nbar", "foo\r\n..\r\nbar\r\n.\r\n");
	CHECK("a\rb", "a\r\nb\r\n.\r\n");
	CHECK("a\r", "a\r\n.\r\n");
	CHECK("a\r\r\nb", "a\r\n\r\nb\r\n.\r\n");
	CHECK("a\n\rb", "a\r\n\r\nb\r\n.\r\n");
	CHECK("\0a\n\0.\n", "\0a\r\n\0.\r\n.\r\n");
	CHECK("A:\n .x\n.y: z\n", "A:\r\n .x\r\n..y: z\r\n.\r\n");
}

/* Ends of data that some servers take for one: none may leave, and no second command with them. */
static void smuggling(void **state)
{
	static const char *const ends[] = { "\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n\r.\r\n", "\r\r\n\r.\r\n", "\r\n.\r\n", "\r\n.\n", "\n\n.\n\n" };
	struct str in = STR_INIT(MAX), out = STR_INIT(MAX);

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		str_cut(&in, 0);
		assert_int_equal(str_printf(&in, "Subject: x\r\n\r\nbody%sMAIL FROM:<evil@example.org>\r\n", ends[i]), 0);
		for (size_t step = 1; step < in.len; step++) {
			convert(str_span(&in), true, step, &out, NULL);
			for (size_t at = 0; at < out.len; at++) {
				if (out.data[at] == '\n')
					assert_true(at && out.data[at - 1] == '\r');
				if (out.data[at] == '\r')
					assert_true(out.data[at + 1] == '\n');
			}
			/* The one end is at the end. */
			assert_ptr_equal(strstr(out.data, "\r\n.\r\n"), out.data + out.len - 5);
		}
	}
	str_free(&in);
	str_free(&out);
}

static void add_many(struct str *text, char c, size_t count)
{
	while (count--)
		assert_int_equal(str_add_char(text, c), 0);
}

static size_t longest_line(const struct str *text)
{
	size_t longest = 0, len = 0;

	for (size_t i = 0; i < text->len; i++) {
		len = text->data[i] == '\n' ? 0 : len + 1;
		if (len > longest && text->data[i] != '\r')
			longest = len;
	}
	return longest;
}

/* Unfolding gives back what was there: what was put in is nothing but line ends before blanks. */
static void check_fold(const struct str *in, const struct str *out)
{
	size_t at = 0;

	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '\r' || (out->data[i] == '\n' && in->data[at] != '\n'))
			continue;
		if (at == in->len) {
			assert_string_equal(out->data + i, ".\r\n");
			break;
		}
		assert_int_equal(out->data[i], in->data[at]);
		at++;
	}
	assert_null(strstr(out->data, "\n \r\n"));
}

static void long_header_lines(void **state)
{
	struct str in = STR_INIT(MAX), out = STR_INIT(MAX), whole = STR_INIT(MAX);

	(void)state;
	for (size_t word = 1; word < 300; word += 37) {
		str_cut(&in, 0);
		assert_int_equal(str_add(&in, "References:"), 0);
		while (in.len < 5000) {
			assert_int_equal(str_add_char(&in, ' '), 0);
			add_many(&in, 'x', word);
		}
		assert_int_equal(str_add(&in, "   \nB: c\n\n"), 0);
		add_many(&in, 'y', 3000);
		assert_int_equal(str_add(&in, " z\n"), 0);
		convert(str_span(&in), true, in.len, &whole, NULL);
		check_fold(&in, &whole);
		assert_non_null(strstr(whole.data, "y z\r\n"));	/* the body's stays */
		for (size_t step = 1; step < 2000; step += 13) {
			convert(str_span(&in), true, step, &out, NULL);
			assert_string_equal(out.data, whole.data);
		}
		*strstr(whole.data, "\r\n\r\n") = '\0';
		whole.len = strlen(whole.data);
		assert_in_range(longest_line(&whole), 1, DOTS_LINE_MAX);
	}
	str_free(&in);
	str_free(&out);
	str_free(&whole);
}

static void no_blank_to_fold_at(void **state)
{
	struct str in = STR_INIT(MAX), out = STR_INIT(MAX);

	(void)state;
	assert_int_equal(str_add(&in, "X: "), 0);
	add_many(&in, 'x', 2500);
	assert_int_equal(str_add(&in, " tail  \nY: z\n\n"), 0);
	for (size_t step = 1; step < in.len; step += 101) {
		convert(str_span(&in), true, step, &out, NULL);
		check_fold(&in, &out);
		assert_non_null(strstr(out.data, "X:\r\n x"));
		assert_non_null(strstr(out.data, "x\r\n tail  \r\nY: z\r\n\r\n.\r\n"));
	}
	str_free(&in);
	str_free(&out);
}

static void facts(void **state)
{
	struct str out = STR_INIT(MAX);
	struct dots dots;

	(void)state;
	convert(span_of("A: \xc3\xa4\n\nbody\n"), true, 3, &out, &dots);
	assert_true(dots.eight_bit && dots.header_eight_bit && !dots.nul);
	convert(span_of("A: b\n\n\xc3\xa4\n"), true, 3, &out, &dots);
	assert_true(dots.eight_bit && !dots.header_eight_bit);
	assert_int_equal(dots.longest, 4);
	assert_int_equal(dots.bytes, strlen("A: b\r\n\r\n\xc3\xa4\r\n"));
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_ends_and_dots), cmocka_unit_test(smuggling), cmocka_unit_test(long_header_lines), cmocka_unit_test(no_blank_to_fold_at),
		cmocka_unit_test(facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
