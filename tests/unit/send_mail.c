/* SPDX-License-Identifier: GPL-3.0-or-later */
/* send's pure nouns: the schedule, the mark's line, plans, and how a message's state follows from its lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "clock.h"
#include "../../send/mail.h"
#include "../../send/mark.h"
#include "../../send/replay.h"

#define FILE_TEXT "1763712345123456-9f8e7d6c5b4a3921"

static void
test_retry(void **state)
{
	struct retry r;

	(void)state;
	retry_default(&r);
	assert_int_equal(retry_wait(&r, 1), 60 * CLOCK_SECOND);
	assert_int_equal(retry_wait(&r, 6), 4 * 3600 * CLOCK_SECOND);
	assert_int_equal(retry_wait(&r, 1000), 4 * 3600 * CLOCK_SECOND);
	for (uint64_t seed = 0; seed < 10000; seed++) {
		uint64_t wait = retry_jitter(1000, seed);

		assert_true(wait >= 900 && wait <= 1100);
		assert_int_equal(wait, retry_jitter(1000, seed));
	}
	assert_false(retry_is_over(&r, r.until - 1));
	assert_true(retry_is_over(&r, r.until));
}

static void
test_mark(void **state)
{
	struct str s = STR_INIT(100);
	uint64_t value = 0;

	(void)state;
	assert_int_equal(mark_put(&s, 1763712345123456), 0);
	assert_int_equal(mark_parse(str_span(&s), &value), 0);
	assert_int_equal(value, 1763712345123456);
	for (size_t i = 0; i < s.len; i++) {
		s.data[i] ^= 1;
		assert_int_equal(mark_parse(str_span(&s), &value), -1);
		s.data[i] ^= 1;
		assert_int_equal(mark_parse((struct span){ s.data, i }, &value), -1);
	}
	str_free(&s);
}

struct fixture {
	struct plan plan;
	struct retry retry;
	struct record record;
	struct entry entry;
	struct str lines;
};

static void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .lines = STR_INIT(65536) };
	plan_init(&f->plan);
	assert_int_equal(plan_add_drop(&f->plan, span_of("local:a")), 0);
	assert_int_equal(plan_add_drop(&f->plan, span_of("imap:b/c")), 0);
	assert_int_equal(plan_add_drop(&f->plan, span_of("local:a")), 0);
	assert_int_equal(plan_add_drop(&f->plan, span_of("nodrop")), -1);
	assert_int_equal(plan_add_drop(&f->plan, span_of("local:")), -1);
	retry_default(&f->retry);
	f->record.id.index = 7;
	f->record.recipients = span_of("rcpt root\nrcpt frank@x\nrattr notify never\n");
	f->record.recipient_count = 2;
	f->entry.place = ENTRY_DEFERRED;
}

static struct mail *
plan_it(struct fixture *f)
{
	struct mail *m = mail_new(&f->entry, &f->record);

	assert_non_null(m);
	assert_int_equal(mail_plan(m, &f->record, str_span(&f->lines), span_of(FILE_TEXT), &f->plan, &f->retry), 0);
	return m;
}

static struct target *
target(struct mail *m, uint32_t number, const char *drop)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].number == number && span_is(mail_text(m, m->targets[i].drop), drop))
			return &m->targets[i];
	return NULL;
}

static void
answer(struct fixture *f, struct mail *m, struct target *t, enum outcome_verdict verdict)
{
	struct outcome o;

	outcome_set(&o, verdict, verdict == OUTCOME_DONE ? "2.0.0" : "4.0.0", "text with blanks");
	mail_answer(m, t, &o, &f->retry, 1000);
	assert_int_equal(mail_put_lines(m, t, &f->lines, span_of(FILE_TEXT), o.status, span_of(o.text)), 0);
}

/* The lines of what is given another drop can be written however long its drops and address are: else its outcomes would be lost. */
static void
test_longest_lines(void **state)
{
	struct fixture f;
	struct mail *m;
	struct target *t;
	char long_text[1025];

	(void)state;
	memset(long_text, '%', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	fixture_init(&f);
	m = plan_it(&f);
	t = target(m, 0, "local:a");
	assert_int_equal(str_add(&m->text, long_text), 0);
	t->drop = t->address = (struct text_part){ (uint32_t)(m->text.len - 1024), 1024 };
	assert_int_equal(mail_hand_over(m, (size_t)(t - m->targets), span_of(long_text)), 0);
	assert_int_equal(t->state, TARGET_REMOVED);
	long_text[0] = 'x';
	t->state = TARGET_LATER;
	assert_int_equal(mail_hand_over(m, (size_t)(t - m->targets), span_of(long_text)), 0);
	assert_int_equal(mail_put_lines(m, t, &f.lines, span_of(FILE_TEXT), "4.0.0", span_of("text")), 0);
	mail_free(m);
	m = plan_it(&f);
	assert_true(target(m, 0, long_text)->fixed);
	mail_free(m);
	plan_free(&f.plan);
	str_free(&f.lines);
}

static void
test_targets(void **state)
{
	struct fixture f;
	struct mail *m;

	(void)state;
	fixture_init(&f);
	m = plan_it(&f);
	assert_int_equal(m->count, 4);
	assert_int_equal(mail_next(m), 0);
	answer(&f, m, target(m, 0, "local:a"), OUTCOME_DONE);
	answer(&f, m, target(m, 1, "imap:b/c"), OUTCOME_LATER);
	mail_free(m);

	/* Another plan: what has lines keeps its targets, all of them. */
	plan_free(&f.plan);
	assert_int_equal(plan_add_drop(&f.plan, span_of("local:new")), 0);
	m = plan_it(&f);
	assert_int_equal(m->count, 4);
	assert_int_equal(target(m, 0, "local:a")->state, TARGET_DONE);
	assert_int_equal(target(m, 0, "imap:b/c")->state, TARGET_NEW);
	assert_int_equal(target(m, 1, "imap:b/c")->state, TARGET_LATER);
	assert_int_equal(target(m, 1, "imap:b/c")->tries, 1);
	assert_false(mail_is_final(m));
	mail_judge(m, target(m, 1, "imap:b/c")->next - 1, 0);
	assert_true(target(m, 0, "imap:b/c")->unclear);
	assert_false(target(m, 1, "imap:b/c")->unclear);
	assert_false(target(m, 0, "local:a")->unclear);
	mail_free(m);
	plan_free(&f.plan);
	str_free(&f.lines);
}

/* Expiry counts waits that were made; one that an operator cut short is none. */
static void
test_expiry(void **state)
{
	struct fixture f;
	struct mail *m;
	struct target *t;
	int tries = 0;

	(void)state;
	fixture_init(&f);
	f.retry = (struct retry){ .waits = { 10 }, .count = 1, .until = 30 };
	do {
		m = plan_it(&f);
		t = target(m, 0, "local:a");
		if (tries == 2) {
			t->next = 5;
			assert_int_equal(mail_put_lines(m, t, &f.lines, span_of(FILE_TEXT), "4.0.0", span_of("now")), 0);
			mail_free(m);
			m = plan_it(&f);
			t = target(m, 0, "local:a");
			assert_true(t->cut_short);
		}
		answer(&f, m, t, OUTCOME_LATER);
		tries++;
		if (t->state == TARGET_FAILED)
			break;
		mail_free(m);
	} while (tries < 100);
	mail_free(m);
	assert_int_equal(tries, 5);
	plan_free(&f.plan);
	str_free(&f.lines);
}

/* An attempt that may have succeeded is said by a line, and goes away only with an answer that settles it. */
static void
test_unclear(void **state)
{
	struct fixture f;
	struct mail *m;
	struct target *t;
	struct outcome o;

	(void)state;
	fixture_init(&f);
	m = plan_it(&f);
	t = target(m, 0, "local:a");
	outcome_set(&o, OUTCOME_LATER, "4.4.2", "lost");
	o.clarity = OUTCOME_UNCLEAR;
	mail_answer(m, t, &o, &f.retry, 1000);
	assert_true(t->unclear);
	assert_int_equal(mail_put_lines(m, t, &f.lines, span_of(FILE_TEXT), o.status, span_of(o.text)), 0);
	mail_free(m);
	/* Another process, and another configuration */
	plan_free(&f.plan);
	assert_int_equal(plan_add_drop(&f.plan, span_of("local:new")), 0);
	m = plan_it(&f);
	t = target(m, 0, "local:a");
	assert_true(t->unclear && t->unclear_noted);
	assert_false(target(m, 0, "imap:b/c")->unclear);
	assert_int_equal(mail_replan(m, &f.record, &f.plan, true), 0);
	assert_int_equal(t->state, TARGET_LATER);
	/* One that does not say has not looked. */
	answer(&f, m, t, OUTCOME_LATER);
	assert_true(t->unclear);
	mail_free(m);
	m = plan_it(&f);
	t = target(m, 0, "local:a");
	assert_true(t->unclear);
	outcome_set(&o, OUTCOME_LATER, "4.2.2", "full");
	o.clarity = OUTCOME_CLEAR;
	mail_answer(m, t, &o, &f.retry, 1000);
	assert_false(t->unclear);
	assert_int_equal(mail_put_lines(m, t, &f.lines, span_of(FILE_TEXT), o.status, span_of(o.text)), 0);
	mail_free(m);
	m = plan_it(&f);
	assert_false(target(m, 0, "local:a")->unclear);
	assert_true(mail_replan(m, &f.record, &f.plan, true) > 0);
	assert_int_equal(target(m, 0, "local:a")->state, TARGET_REMOVED);
	mail_free(m);
	plan_free(&f.plan);
	str_free(&f.lines);
}

static void
test_replay(void **state)
{
	struct fixture f;
	struct replay r;
	struct mail *m;
	struct str out = STR_INIT(65536);
	size_t first;

	(void)state;
	fixture_init(&f);
	for (uint32_t index = 9; index > 3; index--) {
		f.record.id.index = index;
		str_cut(&f.lines, f.lines.len);
		m = plan_it(&f);
		answer(&f, m, target(m, 0, "local:a"), OUTCOME_DONE);
		mail_free(m);
	}
	first = f.lines.len;
	assert_int_equal(str_add(&f.lines, "%o 00000000 5 0 done 1 0 - x:y - -\n%o 12"), 0);
	replay_init(&r);
	assert_int_equal(str_add_span(&r.text, str_span(&f.lines)), 0);
	assert_int_equal(replay_index(&r, span_of(FILE_TEXT)), 0);
	assert_int_equal(r.count, 12);
	assert_int_equal(replay_lines(&r, 5, &out), 0);
	assert_int_equal(out.len, first / 6);
	replay_free(&r);
	str_free(&out);
	plan_free(&f.plan);
	str_free(&f.lines);
}

static void
test_parts(void **state)
{
	struct fixture f;
	struct str rcpts = STR_INIT(1000000);
	struct mail *m;

	(void)state;
	fixture_init(&f);
	for (int i = 0; i < 250; i++)
		assert_int_equal(str_printf(&rcpts, "rcpt u%d\n", i), 0);
	f.record.recipients = str_span(&rcpts);
	m = plan_it(&f);
	assert_int_equal(m->count, 500);
	for (size_t i = 0; i < m->count; i++)
		assert_int_equal(m->targets[i].part, m->targets[i].number / MAIL_PART);
	mail_free(m);
	plan_free(&f.plan);
	str_free(&f.lines);
	str_free(&rcpts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_targets), cmocka_unit_test(test_longest_lines),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_unclear),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
