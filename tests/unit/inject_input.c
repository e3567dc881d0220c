/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Line ends, dots, and where the header ends: whole, byte by byte and at random splits the result is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../inject/repair.h"
#include "../../inject/split.h"

#define TEXT(literal) { literal, sizeof literal - 1 }

/* A cut: the next piece's length, from a seed; 0: all of it. */
static size_t piece(unsigned *seed, unsigned step, size_t left)
{
	size_t n = step == 0 ? left : step == 1 ? 1 : 1 + (size_t)rand_r(seed) % step;

	return n < left ? n : left;
}

static void repair(struct str *out, struct span in, enum repair_dots dots, unsigned step, unsigned seed)
{
	struct repair r;
	char end[REPAIR_EXTRA], *buffer;
	size_t n;

	repair_init(&r, dots);
	while (in.len > 0) {
		n = piece(&seed, step, in.len);
		buffer = malloc(n + REPAIR_EXTRA);
		str_append(out, buffer, repair_feed(&r, in.data, n, buffer));
		free(buffer);
		in = span_skip(in, n);
	}
	n = repair_finish(&r, end);
	str_append(out, end, n);
}

static const struct {
	enum repair_dots dots;
	struct span in, out;
} repairs[] = {
	{ REPAIR_DOTS_KEPT, TEXT("a\r\nb\nc\r\n"), TEXT("a\nb\nc\n") },
	{ REPAIR_DOTS_KEPT, TEXT("a\rb\r\r\nc\r"), TEXT("a\rb\r\nc\r") },
	{ REPAIR_DOTS_KEPT, TEXT("\r\n\r\n\r"), TEXT("\n\n\r") },
	{ REPAIR_DOTS_KEPT, TEXT("a\n.\nb\n.\n"), TEXT("a\n.\nb\n.\n") },
	{ REPAIR_DOTS_KEPT, TEXT("a\0b\377\n"), TEXT("a\0b\377\n") },
	{ REPAIR_DOTS_KEPT, TEXT(""), TEXT("") },
	{ REPAIR_DOTS_LAST, TEXT("a\n.\nb\n.\n"), TEXT("a\n.\nb\n") },
	{ REPAIR_DOTS_LAST, TEXT("a\n.\nb\n."), TEXT("a\n.\nb\n") },
	{ REPAIR_DOTS_LAST, TEXT("a\n.\r\n"), TEXT("a\n") },
	{ REPAIR_DOTS_LAST, TEXT("a\n.\n.\n"), TEXT("a\n.\n") },
	{ REPAIR_DOTS_LAST, TEXT("a\n. \n"), TEXT("a\n. \n") },
	{ REPAIR_DOTS_LAST, TEXT("a\n.\n\n"), TEXT("a\n.\n\n") },
	{ REPAIR_DOTS_LAST, TEXT("..\n.x\n.\rx\n"), TEXT("..\n.x\n.\rx\n") },
	{ REPAIR_DOTS_LAST, TEXT("a.\n"), TEXT("a.\n") },
	{ REPAIR_DOTS_LAST, TEXT("a."), TEXT("a.") },
	{ REPAIR_DOTS_LAST, TEXT("x\r\n.\r\ny\r\n.\r\n"), TEXT("x\n.\ny\n") },
	{ REPAIR_DOTS_END, TEXT("a\n.\nb\n"), TEXT("a\n") },
	{ REPAIR_DOTS_END, TEXT("a\n..\n.x\n.\r\nb\n"), TEXT("a\n..\n.x\n") },
	{ REPAIR_DOTS_SMTP, TEXT("a\n..\n..x\n.y\n.\nb\n"), TEXT("a\n.\n.x\n.y\n") },
	{ REPAIR_DOTS_SMTP, TEXT("...\n"), TEXT("..\n") },
};

static void test_repair(void **state)
{
	size_t i;
	unsigned step, seed;

	(void)state;
	for (i = 0; i < sizeof repairs / sizeof repairs[0]; i++)
		for (step = 0; step < 6; step++)
			for (seed = 1; seed < (step > 1 ? 20 : 2); seed++) {
				struct str out = STR_INIT(1000);

				repair(&out, repairs[i].in, repairs[i].dots, step, seed);
				if (!span_equal(str_span(&out), repairs[i].out))
					fail_msg("case %zu step %u: \"%s\"", i, step, out.data);
				str_free(&out);
			}
}

/* Random text of the bytes that matter: one piece and many pieces agree. */
static void test_repair_random(void **state)
{
	static const char bytes[] = "\r\n.x";
	unsigned seed = 7, round;

	(void)state;
	for (round = 0; round < 4000; round++) {
		struct str whole = STR_INIT(100), cut = STR_INIT(100);
		char text[24];
		size_t len = (size_t)rand_r(&seed) % sizeof text, i;

		for (i = 0; i < len; i++)
			text[i] = bytes[rand_r(&seed) % 4];
		repair(&whole, (struct span){ text, len }, round % 4, 0, 0);
		repair(&cut, (struct span){ text, len }, round % 4, 1 + round % 5, round);
		assert_int_equal(whole.len, cut.len);
		assert_memory_equal(whole.data, cut.data, cut.len);
		str_free(&whole);
		str_free(&cut);
	}
}

/* Ten megabytes of each kind of line end take no time to speak of. */
static void test_repair_speed(void **state)
{
	static const char *const kinds[] = { "\r", "\r\n", "\n", ".", "\n.", "\r.", "\r\r\n", "x\r", ".\n", ".\r\n" };
	const size_t size = 10U << 20, at_once = 32768;
	char *in = malloc(size), *out = malloc(at_once + REPAIR_EXTRA);
	struct timespec begin, end;
	struct repair r;
	size_t i, at;

	(void)state;
	for (i = 0; i < 4 * (sizeof kinds / sizeof kinds[0]); i++) {
		for (at = 0; at < size; at++)
			in[at] = kinds[i / 4][at % strlen(kinds[i / 4])];
		repair_init(&r, i % 4);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
		for (at = 0; at < size; at += at_once)
			repair_feed(&r, in + at, at_once, out);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		if ((double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9 > 2)
			fail_msg("kind %zu is slow", i);
	}
	free(in);
	free(out);
}

/* Fields as "[field]", parts as "(part)", then "=" and the body. */
static void split(struct str *out, struct span in, unsigned step, unsigned seed, size_t *parts)
{
	struct split s;
	struct span bytes, now = { "", 0 };
	enum split_event event;

	split_init(&s);
	for (;;) {
		event = now.len > 0 || in.len > 0 ? split_next(&s, &now, &bytes) : split_end(&s, &bytes);
		if (event == SPLIT_MORE) {
			assert_int_equal(now.len, 0);
			now = (struct span){ in.data, in.len > 0 ? piece(&seed, step, in.len) : 0 };
			in = span_skip(in, now.len);
		} else if (event == SPLIT_FIELD) {
			str_add_char(out, '[');
			str_add_span(out, bytes);
			str_add_char(out, ']');
		} else if (event == SPLIT_PART || event == SPLIT_REST) {
			(*parts)++;
			str_add_span(out, bytes);
		} else {
			assert_int_equal(event, SPLIT_BODY);
			break;
		}
	}
	str_add_char(out, '=');
	str_add_span(out, bytes);
	str_add_span(out, now);
	str_add_span(out, in);
	split_free(&s);
}

static const struct {
	struct span in, out;
} splits[] = {
	{ TEXT("A: b\nC: d\n e\n\nbody\n"), TEXT("[A: b\n][C: d\n e\n]=body\n") },
	{ TEXT("A: b\n\n\nbody"), TEXT("[A: b\n]=\nbody") },
	{ TEXT("body\n"), TEXT("=body\n") },
	{ TEXT("body"), TEXT("=body") },
	{ TEXT("\nA: b\n"), TEXT("=A: b\n") },
	{ TEXT(""), TEXT("=") },
	{ TEXT("\n"), TEXT("=") },
	{ TEXT("A: b"), TEXT("[A: b\n]=") },
	{ TEXT("A: b\n c"), TEXT("[A: b\n c\n]=") },
	{ TEXT("A: b\nno field\nC: d\n"), TEXT("[A: b\n]=no field\nC: d\n") },
	{ TEXT("A: b\nno"), TEXT("[A: b\n]=no") },
	{ TEXT(" a: b\nC: d\n"), TEXT("= a: b\nC: d\n") },
	{ TEXT(":a\n"), TEXT("=:a\n") },
	{ TEXT("A : b\n\nx"), TEXT("[A : b\n]=x") },
	{ TEXT("From root Sat Nov 21 06:00:00 2026\nA: b\n\nx"), TEXT("[A: b\n]=x") },
	{ TEXT(">From root Sat\nFrom x y\nA: b\n\nx"), TEXT("[A: b\n]=x") },
	{ TEXT("From : root\n\nx"), TEXT("[From : root\n]=x") },
	{ TEXT("From: root\n\nx"), TEXT("[From: root\n]=x") },
	{ TEXT("From root\n\nx"), TEXT("=x") },
	{ TEXT("From root\nbody\n"), TEXT("=body\n") },
	{ TEXT("A: b\nFrom root\n\nx"), TEXT("[A: b\n]=From root\n\nx") },
	{ TEXT("A: b\n \n\nx"), TEXT("[A: b\n \n]=x") },
	{ TEXT("A: b\0c\nD\377: e\n"), TEXT("[A: b\0c\n]=D\377: e\n") },
};

static void test_split(void **state)
{
	size_t i, parts = 0;
	unsigned step, seed;

	(void)state;
	for (i = 0; i < sizeof splits / sizeof splits[0]; i++)
		for (step = 0; step < 6; step++)
			for (seed = 1; seed < (step > 1 ? 20 : 2); seed++) {
				struct str out = STR_INIT(1000);

				split(&out, splits[i].in, step, seed, &parts);
				if (!span_equal(str_span(&out), splits[i].out))
					fail_msg("case %zu step %u: \"%s\"", i, step, out.data);
				str_free(&out);
			}
	assert_int_equal(parts, 0);
}

/* name is given count times, each followed by text */
static void fill(struct str *s, const char *text, size_t count)
{
	while (count-- > 0)
		str_add(s, text);
}

static void test_long(void **state)
{
	struct str in = STR_INIT(1 << 25), out = STR_INIT(1 << 25), want = STR_INIT(1 << 25);
	size_t parts = 0;
	unsigned step;

	(void)state;
	str_add(&in, "A: b\nX-Long: ");
	fill(&in, "0123456789", 300000);			/* one line of 3 MB */
	str_add(&in, "\nX-Folded: y\n");
	fill(&in, " folded line\n", 250000);			/* 3 MB of short lines */
	str_add(&in, "Last: z\n\nbody");
	for (step = 0; step < 3; step++) {
		str_cut(&out, 0);
		parts = 0;
		split(&out, str_span(&in), step == 0 ? 0 : step == 1 ? 30000 : 7, 3, &parts);
		assert_true(parts >= 4 && parts < 12);
		assert_int_equal(out.len, in.len + 4 - 1 + 1);	/* [] of two fields, the empty line gone, "=" */
		assert_memory_equal(out.data, "[A: b\n]X-Long: 0", 16);
		assert_string_equal(out.data + out.len - 15, "[Last: z\n]=body");
	}
	str_cut(&in, 0);
	fill(&in, "nocolon", 200);				/* a line that cannot be a field */
	str_add(&in, ": x\n\ny");
	str_add(&want, "=");
	str_add_span(&want, str_span(&in));
	for (step = 0; step < 3; step++) {
		str_cut(&out, 0);
		split(&out, str_span(&in), step, 1, &parts);
		assert_int_equal(out.len, want.len);
		assert_memory_equal(out.data, want.data, want.len);
	}
	str_free(&in);
	str_free(&out);
	str_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repair), cmocka_unit_test(test_repair_random), cmocka_unit_test(test_repair_speed), cmocka_unit_test(test_split), cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
