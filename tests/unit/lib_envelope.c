/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "envelope.h"

static void lines(void **state)
{
	struct envelope e;

	(void)state;
	envelope_init(&e, 65536);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(envelope_set_sender(&e, span_of("x@y")), 0);
		assert_int_equal(envelope_set_sender(&e, span_of("")), 0);
		assert_int_equal(envelope_add_attribute(&e, span_of("body"), span_of("8BITMIME")), 0);
		assert_int_equal(envelope_add_attribute(&e, span_of("envid"), span_of("")), 0);
		assert_int_equal(envelope_add_recipient(&e, span_of("a b@c")), 0);
		assert_int_equal(envelope_add_recipient_attribute(&e, span_of("notify"), span_of("NEVER")), 0);
		assert_int_equal(envelope_add_recipient(&e, span_of("d")), 0);
		assert_string_equal(e.lines.data, "attr body 8BITMIME\nattr envid \n");
		assert_string_equal(e.sender.data, "");
		assert_string_equal(e.rcpts.data, "rcpt a b@c\nrattr notify NEVER\nrcpt d\n");
		assert_int_equal(e.count, 2);
		envelope_clear(&e);
		assert_int_equal(e.count + e.lines.len + e.rcpts.len, 0);
	}
	envelope_free(&e);
}

static void refusals(void **state)
{
	static const char *const unclean[] = { "a\nrcpt b", "a\rb", "\t", "a\x7f", "\x1b[m" };
	static const char *const names[] = { "", "A", "a b", "a_b", "n\n", "abcdefghijklmnopqrstuvwxyz0123456" };
	char large[ENVELOPE_ADDRESS_MAX + 1];
	struct span too_large = { large, sizeof large };
	struct envelope e;

	(void)state;
	envelope_init(&e, 2048);
	memset(large, 'x', sizeof large);
	assert_int_equal(envelope_add_recipient_attribute(&e, span_of("notify"), span_of("NEVER")), -1);
	assert_int_equal(envelope_add_recipient(&e, span_of("")), -1);
	assert_int_equal(errno, EINVAL);
	for (size_t i = 0; i < sizeof unclean / sizeof *unclean; i++) {
		assert_int_equal(envelope_set_sender(&e, span_of(unclean[i])), -1);
		assert_int_equal(envelope_add_recipient(&e, span_of(unclean[i])), -1);
		assert_int_equal(envelope_add_attribute(&e, span_of("helo"), span_of(unclean[i])), -1);
	}
	assert_int_equal(envelope_add_recipient(&e, (struct span){ "a\0b", 3 }), -1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(envelope_add_attribute(&e, span_of(names[i]), span_of("v")), -1);
	assert_int_equal(envelope_add_recipient(&e, too_large), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(e.count + e.lines.len + e.rcpts.len, 0);
	too_large.len--;
	assert_int_equal(envelope_add_recipient(&e, too_large), 0);
	assert_int_equal(envelope_add_recipient(&e, too_large), -1);	/* the cap of all: no half line stays */
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(e.count, 1);
	assert_int_equal(e.rcpts.len, strlen("rcpt \n") + ENVELOPE_ADDRESS_MAX);
	envelope_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines), cmocka_unit_test(refusals) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
