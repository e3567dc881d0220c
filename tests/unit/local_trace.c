/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a delivery adds to a message, and the loops it finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../local/trace.h"

static struct deliver_job *make(const char *head)
{
	struct deliver_job *job = deliver_job_new();

	assert_non_null(job);
	assert_int_equal(str_add(&job->sender, "root@host"), 0);
	assert_int_equal(deliver_job_add_recipient(job, span_of("frank@Example.org")), 0);
	assert_int_equal(deliver_job_add_recipient(job, span_of("bob")), 0);
	assert_int_equal(str_add(&job->head, head), 0);
	return job;
}

static void test_fields(void **state)
{
	struct deliver_job *job = make("\n");
	struct str out = STR_INIT(TRACE_MAX);
	struct outcome never;

	(void)state;
	assert_int_equal(trace_put(&out, job), 0);
	assert_string_equal(out.data, "Return-Path: <root@host>\nDelivered-To: frank@Example.org\nDelivered-To: bob\n");
	str_cut(&out, 0);
	str_cut(&job->sender, 0);
	outcome_set(&never, OUTCOME_NEVER, "5.4.6", "loop");
	assert_int_equal(deliver_job_settle(job, 0, &never), 0);
	assert_int_equal(trace_put(&out, job), 0);
	assert_string_equal(out.data, "Return-Path: <>\nDelivered-To: bob\n");
	str_cut(&out, 0);
	job->no_sender = true;
	assert_int_equal(trace_put(&out, job), 0);
	assert_string_equal(out.data, "Delivered-To: bob\n");
	deliver_job_free(job);
	str_free(&out);
}

static void check(const char *head, bool first, bool second)
{
	struct deliver_job *job = make(head);

	assert_int_equal(trace_check(job), 0);
	assert_int_equal(deliver_job_is_settled(job, 0), first);
	assert_int_equal(deliver_job_is_settled(job, 1), second);
	if (first)
		assert_string_equal(deliver_job_outcome(job, 0)->status, "5.4.6");
	deliver_job_free(job);
}

static void test_loops(void **state)
{
	(void)state;
	check("Subject: x\n\nDelivered-To: bob\n", false, false);	/* in the body */
	check("Delivered-To: FRANK@example.ORG\n\n", true, false);
	check("delivered-to:\n frank@example.org\nDelivered-To: bob \n\n", true, true);
	check("Delivered-To: bobby\nX-Delivered-To: bob\n\n", false, false);
	check("", false, false);
}

static void test_hops(void **state)
{
	struct str head = STR_INIT(65536);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(str_add(&head, "Received: by x\n\tfor y\n"), 0);
	check(head.data, false, false);
	assert_int_equal(str_add(&head, "RECEIVED: by x\n"), 0);
	check(head.data, true, true);
	str_free(&head);
}

/* The header of a large message may stand in the file in part. */
static void test_header_in_the_file(void **state)
{
	char name[] = "/tmp/local_trace.XXXXXX";
	static const char text[] = "xxxDelivered-To: bob\n\nbody\n";
	struct deliver_job *job = make("Subject: x\n");

	(void)state;
	job->fd = mkstemp(name);
	assert_true(job->fd >= 0);
	unlink(name);
	assert_int_equal(write(job->fd, text, sizeof text - 1), sizeof text - 1);
	job->offset = 3;
	job->length = sizeof text - 1 - 3;
	assert_int_equal(trace_check(job), 0);
	assert_false(deliver_job_is_settled(job, 0));
	assert_true(deliver_job_is_settled(job, 1));
	deliver_job_free(job);
}

static void take_over(const char *head, bool sender, const char *want)
{
	struct deliver_job *job = make(head);

	job->no_sender = !sender;
	assert_int_equal(trace_take_over(job), 0);
	assert_string_equal(job->head.data, want);
	deliver_job_free(job);
}

/* As Postfix, OpenSMTPD and qmail call a delivery program */
static void test_callers_fields(void **state)
{
	(void)state;
	take_over("Return-Path: <a@b>\nX-Original-To: root\nDelivered-To: FRANK@example.org\nReceived: x\n\ty\nDelivered-To: bob\n\nbody\n", true,
	    "X-Original-To: root\nReceived: x\n\ty\nDelivered-To: bob\n\nbody\n");
	take_over("Return-Path: <a@b>\nDelivered-To: frank@example.org\nSubject: x\n\n", false, "Return-Path: <a@b>\nSubject: x\n\n");
	take_over("Delivered-To: carol\nDelivered-To:\n bob\n\nReturn-Path: x\n", true, "Delivered-To: carol\n\nReturn-Path: x\n");
	take_over("Subject: x\nReturn-Path: <a@b>\nDelivered-To: bob\n\n", true, "Subject: x\nReturn-Path: <a@b>\nDelivered-To: bob\n\n");
	take_over("Return-Path: <a@b>\n", true, "");
	take_over("Delivered-To: bob\nDelivered-To: Bob\nDelivered-To: frank@example.org\n\n", true, "Delivered-To: Bob\n\n");
	take_over("", true, "");
	take_over("no header\n", true, "no header\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_callers_fields),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_header_in_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
