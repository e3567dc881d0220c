/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outcome.h"
#include "text.h"

#define N "1763712345123456-9f8e7d6c5b4a3921"
#define KEY N "-7-0-0123456789abcdef"

static void statuses(void **state)
{
	static const struct { const char *text; int verdict; } cases[] = {
		{ "2.0.0", OUTCOME_DONE }, { "4.2.1", OUTCOME_LATER }, { "5.123.123", OUTCOME_NEVER }, { "3.0.0", 0 }, { "5.1", 0 }, { "5.1.", 0 }, { "5..1", 0 },
		{ "5.1.1.", 0 }, { "5.1.1.1", 0 }, { "5.1234.1", 0 }, { "", 0 }, { "5", 0 }, { "5.1.x", 0 }, { "55.1.1", 0 }, { "5.+1.1", 0 }, { "5.1.1 ", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum outcome_verdict verdict = OUTCOME_DONE;

		assert_int_equal(outcome_is_status(span_of(cases[i].text), &verdict), cases[i].verdict != 0);
		if (cases[i].verdict != 0)
			assert_int_equal(verdict, cases[i].verdict);
	}
}

static void values(void **state)
{
	struct outcome o;
	char large[600];

	(void)state;
	outcome_set(&o, OUTCOME_LATER, "4.4.1", "connect: %s\n\x01" "x", "no\tway");
	assert_string_equal(o.status, "4.4.1");
	assert_string_equal(o.text, "connect: no way  x");
	outcome_set(&o, OUTCOME_NEVER, "4.4.1", "x");
	assert_string_equal(o.status, "5.0.0");
	outcome_set(&o, OUTCOME_DONE, "", "x");
	assert_string_equal(o.status, "2.0.0");
	outcome_set(&o, (enum outcome_verdict)'?', "2.0.0", "x");
	assert_string_equal(o.status, "4.0.0");
	/* Cut texts end in a whole character. */
	for (size_t shift = 0; shift < 4; shift++) {
		memset(large, 'x', sizeof large);
		for (size_t i = shift; i + 3 < sizeof large; i += 3)
			memcpy(large + i, "\xe2\x82\xac", 3);
		large[sizeof large - 1] = '\0';
		outcome_set(&o, OUTCOME_DONE, "2.0.0", "%s", large);
		assert_true(strlen(o.text) <= OUTCOME_REASON_MAX && strlen(o.text) > OUTCOME_REASON_MAX - 4);
		assert_int_equal((strlen(o.text) - shift) % 3, 0);
	}
}

static void wire(void **state)
{
	static const char *const wrong[] = { "", KEY, KEY " 0", KEY " x 2.0.0 t", KEY " -1 2.0.0 t", KEY " 0 ok t", N " 0 2.0.0 t", KEY "  0 2.0.0 t",
	    KEY " 4294967295 2.0.0 t" };
	struct str out = STR_INIT(4096);
	struct outcome o, back;
	struct id_key key, key_back;
	uint32_t n;

	(void)state;
	assert_int_equal(id_parse_key(span_of(KEY), &key), 0);
	outcome_set(&o, OUTCOME_DONE, "2.0.0", "new/17 in  inbox ");
	assert_int_equal(outcome_value(&out, key, 99, &o), 0);
	assert_string_equal(out.data, KEY " 99 2.0.0 new/17 in  inbox ");
	assert_int_equal(outcome_read('K', str_span(&out), &key_back, &n, &back), 0);
	assert_true(n == 99 && back.verdict == OUTCOME_DONE && key_back.hash == key.hash && id_equal(key.id, key_back.id));
	assert_string_equal(back.text, o.text);
	assert_int_equal(outcome_read('Z', str_span(&out), &key_back, &n, &back), 0);
	assert_true(back.verdict == OUTCOME_LATER);
	assert_string_equal(back.status, "4.0.0");
	assert_int_equal(outcome_read('K', span_of(KEY " 0 2.0.0"), &key, &n, &back), 0);
	assert_string_equal(back.text, "");
	assert_int_equal(outcome_read('K', (struct span){ KEY " 0 2.0.0 a\0b", sizeof KEY " 0 2.0.0 a\0b" - 1 }, &key, &n, &back), 0);
	assert_string_equal(back.text, "a b");
	assert_int_equal(outcome_read('Y', str_span(&out), &key, &n, &back), -1);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(outcome_read('K', span_of(wrong[i]), &key, &n, &back), -1);
	str_free(&out);
}

/* What a "later" says besides. */
static void notes(void **state)
{
	static const struct { const char *tail; int clarity; bool down; const char *text; } cases[] = {
		{ "lost\nunclear=1", OUTCOME_UNCLEAR, false, "lost" }, { "no\nunclear=0", OUTCOME_CLEAR, false, "no" },
		{ "refused\ndrop=down", OUTCOME_UNSAID, true, "refused" }, { "\nunclear=1 drop=down", OUTCOME_UNCLEAR, true, "" },
		{ "a\nb\nnew-one=7 unclear=1 other=", OUTCOME_UNCLEAR, false, "a b" },
		/* Text of servers, passed on by a deliverer that knows of no notes */
		{ "two\nlines", OUTCOME_UNSAID, false, "two lines" }, { "x\nunclear=1 not", OUTCOME_UNSAID, false, "x unclear=1 not" },
		{ "x\n=1", OUTCOME_UNSAID, false, "x =1" }, { "x\nUNCLEAR=1", OUTCOME_UNSAID, false, "x UNCLEAR=1" }, { "unclear=1", OUTCOME_UNSAID, false, "unclear=1" },
		{ "x\n", OUTCOME_UNSAID, false, "x " }, { "x\nunclear=1\n", OUTCOME_UNSAID, false, "x unclear=1 " }, { "x\nunclear=2", OUTCOME_UNSAID, false, "x" },
	};
	struct str out = STR_INIT(4096);
	struct outcome o, back;
	struct id_key key;
	char large[600];
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		str_cut(&out, 0);
		assert_int_equal(str_printf(&out, KEY " 3 4.4.2 %s", cases[i].tail), 0);
		assert_int_equal(outcome_read('Z', str_span(&out), &key, &n, &back), 0);
		assert_int_equal(back.clarity, cases[i].clarity);
		assert_int_equal(back.drop_down, cases[i].down);
		assert_string_equal(back.text, cases[i].text);
		/* Only a "later" can be unclear. */
		str_cut(&out, 0);
		assert_int_equal(str_printf(&out, KEY " 3 5.4.2 %s", cases[i].tail), 0);
		assert_int_equal(outcome_read('X', str_span(&out), &key, &n, &back), 0);
		assert_true(back.clarity == OUTCOME_UNSAID && !back.drop_down);
	}
	/* There and back; a long text does not cut the notes off. */
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	for (int c = OUTCOME_UNSAID; c <= OUTCOME_CLEAR; c++)
		for (int down = 0; down < 2; down++) {
			outcome_set(&o, OUTCOME_LATER, "4.4.2", "%s", large);
			assert_true(o.clarity == OUTCOME_UNSAID && !o.drop_down);
			o.clarity = (enum outcome_clarity)c;
			o.drop_down = down;
			str_cut(&out, 0);
			assert_int_equal(outcome_value(&out, key, 3, &o), 0);
			assert_int_equal(outcome_read('Z', str_span(&out), &key, &n, &back), 0);
			assert_true(back.clarity == o.clarity && back.drop_down == o.drop_down);
			assert_string_equal(back.text, o.text);
		}
	outcome_set(&o, OUTCOME_DONE, "2.0.0", "x");
	o.clarity = OUTCOME_UNCLEAR;
	str_cut(&out, 0);
	assert_int_equal(outcome_value(&out, key, 3, &o), 0);
	assert_string_equal(out.data, KEY " 3 2.0.0 x");
	str_free(&out);
}

static void check_word(struct span word, const char *text)
{
	struct str out = STR_INIT(4096);

	assert_int_equal(text_decode(&out, word), 0);
	assert_string_equal(out.data, text);
	str_free(&out);
}

static const struct outcome_line sample = { 12, 3, OUTCOME_STATE_TRY_LATER, 4, 1763712345123456, { "4.4.1", 5 }, { "imap:a b/%x", 11 }, { "", 0 },
    { "connect: Connection\nrefused", 27 }, false, false, false };

static void lines(void **state)
{
	struct str out = STR_INIT(65536);
	struct outcome_line line = sample;
	struct span rest;

	(void)state;
	assert_int_equal(outcome_line_write(&out, span_of(N), &line), 0);
	assert_string_equal(out.data + 11, " 12 3 later 4 1763712345123456 4.4.1 imap:a%20b/%25x - connect:%20Connection%0Arefused\n");
	for (int i = 0; i < OUTCOME_STATE_COUNT; i++) {
		line = (struct outcome_line){ 0, OUTCOME_ALL, (enum outcome_state)i, 0, 0, { "", 0 }, { "-", 1 }, { "a@b", 3 }, { "", 0 }, i % 2, false, i % 3 == 0 };
		assert_int_equal(outcome_line_write(&out, span_of(N), &line), 0);
	}
	rest = str_span(&out);
	assert_int_equal(outcome_line_read(&rest, span_of(N), &line), 1);
	assert_true(line.index == 12 && line.recipient == 3 && line.state == OUTCOME_STATE_TRY_LATER && line.tries == 4 && line.next == 1763712345123456);
	check_word(line.status, "4.4.1");
	check_word(line.drop, "imap:a b/%x");
	check_word(line.address, "");
	check_word(line.reason, "connect: Connection\nrefused");
	for (int i = 0; i < OUTCOME_STATE_COUNT; i++) {
		assert_int_equal(outcome_line_read(&rest, span_of(N), &line), 1);
		assert_true(line.recipient == OUTCOME_ALL && line.state == (enum outcome_state)i && line.unclear == i % 2);
		check_word(line.drop, "-");
	}
	assert_int_equal(outcome_line_read(&rest, span_of(N), &line), 0);
	/* The word of this version stands where those before expect what they do not know. */
	line = sample;
	line.unclear = true;
	str_cut(&out, 0);
	assert_int_equal(outcome_line_write(&out, span_of(N), &line), 0);
	assert_string_equal(out.data + 11, " 12 3 later 4 1763712345123456 4.4.1 imap:a%20b/%25x - connect:%20Connection%0Arefused unclear\n");
	line.asked = true;
	assert_int_equal(outcome_line_write(&out, span_of(N), &line), 0);
	rest = str_span(&out);
	assert_int_equal(outcome_line_read(&rest, span_of(N), &line), 1);
	assert_true(line.unclear && !line.asked);
	assert_int_equal(outcome_line_read(&rest, span_of(N), &line), 1);
	assert_true(line.unclear && line.asked && !line.told);
	line = sample;
	line.told = true;
	str_cut(&out, 0);
	assert_int_equal(outcome_line_write(&out, span_of(N), &line), 0);
	assert_non_null(strstr(out.data, "refused told\n"));
	rest = str_span(&out);
	assert_int_equal(outcome_line_read(&rest, span_of(N), &line), 1);
	assert_true(line.told && !line.unclear);
	str_free(&out);
}

/* How many lines are found in text, and how many were skipped. */
static void count(const char *data, size_t len, int *good, int *bad)
{
	char *copy = malloc(len + (len == 0));
	struct span rest = { copy, len };
	struct outcome_line line;
	int result;

	memcpy(copy, data, len);
	for (*good = *bad = 0; (result = outcome_line_read(&rest, span_of(N), &line)) != 0;)
		++*(result > 0 ? good : bad);
	free(copy);
}

static void torn_and_wrong(void **state)
{
	struct str one = STR_INIT(65536), out = STR_INIT(1 << 20);
	int good, bad;

	(void)state;
	assert_int_equal(outcome_line_write(&one, span_of(N), &sample), 0);
	for (size_t cut = 0; cut < one.len; cut++) {
		count(one.data, cut, &good, &bad);
		assert_true(good == 0 && bad == (cut > 0));
		/* What is written behind a torn line is found, with or without its newline. */
		str_cut(&out, 0);
		assert_int_equal(str_append(&out, one.data, cut), 0);
		assert_int_equal(str_add_span(&out, str_span(&one)), 0);
		count(out.data, out.len, &good, &bad);
		assert_true(good == 1);
	}
	for (size_t bit = 0; bit < one.len * 8; bit++) {
		one.data[bit / 8] ^= (char)(1 << bit % 8);
		count(one.data, one.len, &good, &bad);
		assert_int_equal(good, 0);
		one.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	/* The line of another file, a long row of garbage, and NULs allocated ahead. */
	str_cut(&out, 0);
	assert_int_equal(outcome_line_write(&out, span_of(N "-1"), &sample), 0);
	for (int i = 0; i < 30000; i++)
		assert_int_equal(str_add_char(&out, '%'), 0);
	assert_int_equal(str_add_span(&out, str_span(&one)), 0);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(str_add_char(&out, '\0'), 0);
	count(out.data, out.len, &good, &bad);
	assert_int_equal(good, 1);
	assert_in_range(bad, 2, 12);
	str_free(&one);
	str_free(&out);
}

static void bounded(void **state)
{
	struct str out = STR_INIT(1 << 20);
	struct outcome_line line = sample;
	static char blanks[OUTCOME_LINE_MAX];

	(void)state;
	memset(blanks, ' ', sizeof blanks);
	line.address = (struct span){ blanks, sizeof blanks / 2 };
	assert_int_equal(outcome_line_write(&out, span_of(N), &line), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(out.len, 0);
	/* The largest that occurs: address, drop and reason at their limits, all encoded. */
	line.address.len = line.drop.len = 1024;
	line.drop.data = blanks;
	line.reason = (struct span){ blanks, OUTCOME_REASON_MAX };
	assert_int_equal(outcome_line_write(&out, span_of(N), &line), 0);
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(statuses), cmocka_unit_test(values), cmocka_unit_test(wire), cmocka_unit_test(notes), cmocka_unit_test(lines),
	    cmocka_unit_test(torn_and_wrong), cmocka_unit_test(bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
