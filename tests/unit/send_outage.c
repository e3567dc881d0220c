/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long something was away, over many processes, and the lines of outcome/away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../send/outage.h"

static void
test_behind(void **state)
{
	struct outage o = { .count = 0 };

	(void)state;
	assert_int_equal(outage_behind(&o, 0), 0);
	outage_add(&o, 1000, 100);	/* 900 to 1000 */
	outage_add(&o, 2000, 500);	/* 1500 to 2000 */
	outage_add(&o, 3000, 0);	/* none */
	assert_int_equal(o.count, 2);
	assert_int_equal(outage_total(&o), 600);
	assert_int_equal(outage_behind(&o, 0), 600);
	assert_int_equal(outage_behind(&o, 950), 550);
	assert_int_equal(outage_behind(&o, 1200), 500);
	assert_int_equal(outage_behind(&o, 1900), 100);
	assert_int_equal(outage_behind(&o, 2000), 0);
	assert_int_equal(outage_behind(&o, UINT64_MAX), 0);
}

/* However often send is started anew, what was waited in all is kept; and what is said of a message is wrong by no more than the shortest times between. */
static void
test_many(void **state)
{
	struct outage o = { .count = 0 };
	uint64_t end = 1000000, length, total = 0, gap;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 1000; i++) {
		length = 1 + (uint64_t)rand() % 1000;
		gap = i % 100 == 50 ? 100000 : 1;
		end += gap + length;
		total += length;
		outage_add(&o, end, length);
		assert_true(o.count <= OUTAGE_SPANS);
		assert_int_equal(outage_total(&o), total);
		assert_int_equal(outage_behind(&o, 0), total);
		for (size_t n = 1; n < o.count; n++)
			assert_true(o.spans[n - 1].end < o.spans[n].end);
	}
	/* The ten long gaps are between spans still: half of the time lies behind the middle of the fifth. */
	assert_int_equal(o.count, OUTAGE_SPANS);
	for (size_t n = 1, gaps = 0; n < o.count; n++) {
		gaps += o.spans[n].end - o.spans[n].length - o.spans[n - 1].end >= 100000;
		assert_true(n + 1 < o.count || gaps == 10);
	}
}

static void
test_lines(void **state)
{
	struct outage_line line = { .name = span_of("imap:my phone"), .failures = 7, .next = 123456, .status = span_of("4.4.1"), .text = span_of("100% \n down") }, got;
	struct str out = STR_INIT(100000), words = STR_INIT(OUTAGE_LINE_MAX);
	struct span rest;
	size_t one;

	(void)state;
	for (unsigned i = 1; i <= OUTAGE_SPANS; i++)
		outage_add(&line.outage, i * 1000, i);
	assert_int_equal(outage_line_write(&out, &line), 0);
	one = out.len;
	line.name = span_of("imap");
	line.status = line.text = span_of("");
	line.outage.count = 0;
	assert_int_equal(outage_line_write(&out, &line), 0);
	rest = str_span(&out);
	assert_int_equal(outage_line_read(&rest, &got, &words), 1);
	assert_true(span_is(got.name, "imap:my phone") && span_is(got.status, "4.4.1") && span_is(got.text, "100% \n down"));
	assert_int_equal(got.failures, 7);
	assert_int_equal(got.next, 123456);
	assert_int_equal(got.outage.count, OUTAGE_SPANS);
	assert_int_equal(got.outage.spans[15].end, 16000);
	assert_int_equal(outage_line_read(&rest, &got, &words), 1);
	assert_true(span_is(got.name, "imap") && got.status.len == 0 && got.outage.count == 0);
	assert_int_equal(outage_line_read(&rest, &got, &words), 0);
	/* Any byte that is wrong in the first line is seen, and the second is read all the same. */
	for (size_t i = 0; i + 1 < one; i++) {
		out.data[i] ^= 1;
		rest = str_span(&out);
		while (outage_line_read(&rest, &got, &words) == 1)
			assert_true(span_is(got.name, "imap"));
		out.data[i] ^= 1;
	}
	/* A file that ends anywhere */
	for (size_t i = 0; i < one - 1; i++) {
		rest = (struct span){ out.data, i };
		assert_int_equal(outage_line_read(&rest, &got, &words), i == 0 ? 0 : -1);
		assert_int_equal(rest.len, 0);
	}
	str_free(&out);
	str_free(&words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_behind), cmocka_unit_test(test_many), cmocka_unit_test(test_lines) };

	return cmocka_run_group_tests_name("send_outage", tests, NULL, NULL);
}
