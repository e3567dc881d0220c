/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "message.h"

static const char sample[] = "Received: one\n\tmore\nSubject : a\n b\nX-Empty:\nRECEIVED:two\nDelivered-To:  Frank@Example.org \n\nTo: body\n";

static void fields(void **state)
{
	static const char *const names[] = { "Received", "Subject", "X-Empty", "RECEIVED", "Delivered-To" };
	static const char *const values[] = { " one\n\tmore\n", " a\n b\n", "\n", "two\n", "  Frank@Example.org \n" };
	struct span rest = span_of(sample);
	struct message_field f;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_true(message_next(&rest, &f));
		assert_true(span_is(f.name, names[i]) && span_is(f.value, values[i]));
		assert_ptr_equal(f.whole.data, sample + at);
		at += f.whole.len;
		assert_ptr_equal(rest.data, sample + at);
	}
	assert_false(message_next(&rest, &f));
	assert_true(span_is(rest, "\nTo: body\n"));
	assert_int_equal(message_header_length(span_of(sample)), at + 1);
	assert_int_equal(message_hops(span_of(sample)), 2);
	assert_true(message_find(span_of(sample), "subject", &f));
	assert_true(span_is(f.value, " a\n b\n"));
	assert_false(message_find(span_of(sample), "To", &f));
}

static void header_ends(void **state)
{
	static const struct { const char *text; size_t len; } cases[] = {
		{ "", 0 }, { "\n", 1 }, { "\n\n", 1 }, { "\r\nx", 2 }, { "body\n", 0 }, { " To: x\n", 0 }, { ": x\n", 0 }, { "a: b", 4 }, { "a: b\nbody: \n", 12 },
		{ "a: b\nbody\n\n", 5 }, { "a: b\r\n c\r\n\r\nbody", 12 }, { "a: b\n \n\t\n\nc", 10 }, { "From root Sat Nov 21 06:00:51 2026\na: b\n", 0 },
		{ "a: b\n\xc3\xbc: c\n", 5 }, { "a: b\n\rx", 5 }, { "a", 0 }, { "a ", 0 }, { "a:", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *copy = malloc(strlen(cases[i].text) + 1);

		memcpy(copy, cases[i].text, strlen(cases[i].text));
		assert_int_equal(message_header_length((struct span){ copy, strlen(cases[i].text) }), cases[i].len);
		free(copy);
	}
	assert_int_equal(message_header_length((struct span){ "a: \0\n\0b: c\n", 11 }), 5);
}

static void unfolding(void **state)
{
	static const struct { const char *value, *text; } cases[] = {
		{ " a\n b\n", "a b" }, { "\n", "" }, { "", "" }, { " a\r\n\tb \r\n", "a\tb" }, { "\n a\n", "a" }, { " a \n \n b", "a   b" }, { " a\rb", "a\rb" },
	};
	struct str out = STR_INIT(100);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		str_cut(&out, 0);
		assert_int_equal(message_unfold(&out, span_of(cases[i].value)), 0);
		assert_string_equal(out.data, cases[i].text);
	}
	out.max = 4;
	str_cut(&out, 2);
	assert_int_equal(message_unfold(&out, span_of("abc\n d\n")), -1);
	str_free(&out);
}

static void values(void **state)
{
	(void)state;
	assert_true(message_has_value(span_of(sample), "delivered-to", span_of("frank@example.ORG")));
	assert_false(message_has_value(span_of(sample), "Delivered-To", span_of("frank@example.or")));
	assert_false(message_has_value(span_of(sample), "Delivered-To", span_of("frank@example.orga")));
	assert_true(message_has_value(span_of(sample), "Subject", span_of("a b")));
	assert_true(message_has_value(span_of(sample), "X-Empty", span_of("")));
	assert_true(message_has_value(span_of(sample), "received", span_of("two")));
	assert_false(message_has_value(span_of(sample), "To", span_of("body")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fields), cmocka_unit_test(header_ends), cmocka_unit_test(unfolding), cmocka_unit_test(values) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
