/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index of jobs by key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../local/replies.h"

static struct job *make(uint64_t number, const char *first, const char *second)
{
	struct job *job = job_new();

	assert_non_null(job);
	job->key = (struct id_key){ { { 1763712345000000 + number, number }, 0 }, 0, 7 };
	id_key_text(job->key, job->key_text);
	assert_int_equal(job_add_recipient(job, span_of(first)), 0);
	if (second)
		assert_int_equal(job_add_recipient(job, span_of(second)), 0);
	return job;
}

static void work(struct replies *replies, struct job *job, enum outcome_verdict verdict, const char *text)
{
	replies_start(replies, job);
	outcome_set(&job->result, verdict, "-", "%s", text);
	replies_finish(replies, job);
	job_free(job);
}

static void test_final_outcomes_are_given_again(void **state)
{
	struct replies *replies = replies_new();
	struct job *job;

	(void)state;
	work(replies, make(1, "a", "b"), OUTCOME_DONE, "there");
	job = make(1, "b", "c");
	assert_int_equal(replies_recall(replies, job), 0);
	assert_true(job_is_settled(job, 0));
	assert_int_equal(job_outcome(job, 0)->verdict, OUTCOME_DONE);
	assert_string_equal(job_outcome(job, 0)->text, "there");
	assert_false(job_is_settled(job, 1));		/* nobody knows about c */
	job_free(job);
	job = make(2, "a", NULL);
	assert_int_equal(replies_recall(replies, job), 0);
	assert_false(job_is_settled(job, 0));
	job_free(job);
	replies_free(replies);
}

static void test_later_is_tried_again(void **state)
{
	struct replies *replies = replies_new();
	struct job *job = make(1, "a", "b");
	struct outcome never;

	(void)state;
	outcome_set(&never, OUTCOME_NEVER, "5.4.6", "loop");
	assert_int_equal(job_settle(job, 0, &never), 0);
	work(replies, job, OUTCOME_LATER, "full");
	job = make(1, "a", "b");
	assert_int_equal(replies_recall(replies, job), 0);
	assert_int_equal(job_outcome(job, 0)->verdict, OUTCOME_NEVER);
	assert_string_equal(job_outcome(job, 0)->status, "5.4.6");
	assert_false(job_is_settled(job, 1));
	job_free(job);
	replies_free(replies);
}

static void test_the_last_10000_are_kept(void **state)
{
	struct replies *replies = replies_new();
	const uint64_t all = REPLIES_KEPT + 500;

	(void)state;
	for (uint64_t i = 0; i < all; i++) {
		char text[32];

		snprintf(text, sizeof text, "n%llu", (unsigned long long)i);
		work(replies, make(i, "a", NULL), OUTCOME_DONE, text);
	}
	for (uint64_t i = 0; i < all; i++) {
		struct job *job = make(i, "a", NULL);

		assert_int_equal(replies_recall(replies, job), 0);
		assert_int_equal(job_is_settled(job, 0), i >= 500);
		if (i >= 500)
			assert_int_equal(strtoull(job_outcome(job, 0)->text + 1, NULL, 10), i);
		job_free(job);
	}
	replies_free(replies);
}

static void test_running(void **state)
{
	struct replies *replies = replies_new();
	struct job *one = make(1, "a", NULL), *two = make(2, "a", NULL), *again = make(1, "a", "c");

	(void)state;
	replies_start(replies, one);
	replies_start(replies, two);
	assert_ptr_equal(replies_running(replies, again->key), one);
	outcome_set(&one->result, OUTCOME_LATER, "4.3.1", "full");
	replies_finish(replies, one);
	assert_null(replies_running(replies, again->key));
	assert_ptr_equal(replies_running(replies, two->key), two);
	assert_int_equal(replies_share(one, again), 0);
	assert_int_equal(job_outcome(again, 0)->verdict, OUTCOME_LATER);	/* what joins gets later as well */
	assert_true(job_is_settled(again, 0));
	assert_false(job_is_settled(again, 1));
	replies_finish(replies, two);
	job_free(one);
	job_free(two);
	job_free(again);
	replies_free(replies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_final_outcomes_are_given_again),
		cmocka_unit_test(test_later_is_tried_again),
		cmocka_unit_test(test_the_last_10000_are_kept),
		cmocka_unit_test(test_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
