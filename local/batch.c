/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replies.h"
#include "trace.h"

#define KINDS_MAX 16

struct batch {
	struct log *log;
	struct drop_host host;
	batch_answer_fn *answer;
	void *arg;
	struct replies *replies;
	struct job *waiting, **waiting_end;
	struct job *working;		/* handed to a kind, not done yet */
	size_t pending;
	void *states[KINDS_MAX];	/* of the kinds, in drop_kinds' order; opened at their first job */
};

static void job_is_done(void *arg, struct job *job);

struct batch *batch_new(struct loop *loop, struct log *log, const char *host, batch_answer_fn *answer, void *arg)
{
	struct batch *batch = calloc(1, sizeof *batch);

	if (!batch)
		return NULL;
	batch->log = log;
	batch->host = (struct drop_host){ loop, host, job_is_done, batch };
	batch->answer = answer;
	batch->arg = arg;
	batch->waiting_end = &batch->waiting;
	batch->replies = replies_new();
	if (batch->replies)
		return batch;
	free(batch);
	return NULL;
}

static void free_list(struct job *job)
{
	for (struct job *next; job; job = next) {
		next = job->next;
		free_list(job->joined);		/* those that joined have none of their own */
		job_free(job);
	}
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; drop_kinds[i]; i++)
		if (batch->states[i])
			drop_kinds[i]->close(batch->states[i]);
	free_list(batch->waiting);
	free_list(batch->working);
	replies_free(batch->replies);
	free(batch);
}

size_t batch_pending(const struct batch *batch)
{
	return batch->pending;
}

static void forget_in(struct job *job, const struct peer *peer)
{
	for (; job; job = job->next) {
		if (job->peer == peer)
			job->peer = NULL;
		forget_in(job->joined, peer);
	}
}

void batch_forget_peer(struct batch *batch, const struct peer *peer)
{
	forget_in(batch->waiting, peer);
	forget_in(batch->working, peer);
}

static void log_outcome(const struct batch *batch, const struct job *job, const char *rcpt, const struct outcome *outcome)
{
	static const struct { enum outcome_verdict verdict; const char *event; } events[] = {
		{ OUTCOME_DONE, "done" }, { OUTCOME_LATER, "later" }, { OUTCOME_NEVER, "never" },
	};
	struct log_line line;

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		if (events[i].verdict == outcome->verdict)
			log_begin(&line, batch->log, events[i].event);
	log_id(&line, job->key.id);
	log_word(&line, "key", job->key_text);
	log_str(&line, "drop", str_span(&job->target));
	log_address(&line, "rcpt", span_of(rcpt));
	log_num(&line, "size", job_size(job));
	if (outcome->verdict != OUTCOME_DONE)
		log_word(&line, "status", outcome->status);
	log_text(&line, span_of(outcome->text));
	log_end(&line);
}

static void answer(struct batch *batch, struct job *job)
{
	const char *rcpt = NULL;

	for (size_t n = 0; batch->log && (rcpt = job_next_recipient(job, rcpt)); n++)
		log_outcome(batch, job, rcpt, job_outcome(job, n));
	batch->answer(batch->arg, job);
	batch->pending--;
	job_free(job);
}

static void submit(struct batch *batch, struct job *job)
{
	struct job *running;

	if (!job->drop) {		/* its result says so already */
		answer(batch, job);
		return;
	}
	/* Without memory for what is known: later. */
	if (replies_recall(batch->replies, job) < 0) {
		job_trouble(&job->result, ENOMEM, "known outcomes");
		answer(batch, job);
		return;
	}
	if (job_all_settled(job)) {
		answer(batch, job);
		return;
	}
	running = replies_running(batch->replies, job->key);
	if (running) {
		job->next = running->joined;
		running->joined = job;
		return;
	}
	replies_start(batch->replies, job);
	job->next = NULL;
	*batch->waiting_end = job;
	batch->waiting_end = &job->next;
}

void batch_add(struct batch *batch, struct job *job)
{
	batch->pending++;
	submit(batch, job);
}

/* Those that joined get what their recipients got; one with other recipients is a job of its own after all. */
static void finish(struct batch *batch, struct job *job)
{
	struct job *joined = job->joined;

	job->joined = NULL;
	replies_finish(batch->replies, job);
	for (struct job *next; joined; joined = next) {
		next = joined->next;
		if (replies_share(job, joined) < 0 || job_all_settled(joined))
			answer(batch, joined);
		else
			submit(batch, joined);
	}
	answer(batch, job);
}

static void job_is_done(void *arg, struct job *job)
{
	struct batch *batch = arg;
	struct job **at = &batch->working;

	while (*at && *at != job)
		at = &(*at)->next;
	if (*at)
		*at = job->next;
	finish(batch, job);
}

/* The kind's state, opened at its first job.  NULL: no memory. */
static void *kind_state(struct batch *batch, const struct drop_kind *kind)
{
	size_t i = 0;

	while (drop_kinds[i] != kind)
		i++;
	if (!batch->states[i])
		batch->states[i] = kind->open(&batch->host);
	return batch->states[i];
}

/* What can be told before anything is written.  True: the job is to be delivered. */
static bool look_before(struct batch *batch, struct job *job)
{
	void *state = kind_state(batch, job->drop->kind);

	if (!state) {
		job_trouble(&job->result, ENOMEM, job->drop->name);
		return false;
	}
	return !trace_check(job) && !job_all_settled(job);
}

/* Takes the head of what waits: jobs of one kind, up to the limits.  Those that need no delivery are finished on the way. */
static size_t gather(struct batch *batch, struct job *jobs[static BATCH_JOBS_MAX])
{
	uint64_t bytes = 0;
	size_t count = 0;

	while (batch->waiting && count < BATCH_JOBS_MAX) {
		struct job *job = batch->waiting;
		uint64_t size = job_size(job);

		if (count && (jobs[0]->drop->kind != job->drop->kind || size >= JOB_LARGE || bytes + size > BATCH_BYTES_MAX))
			break;
		batch->waiting = job->next;
		if (!batch->waiting)
			batch->waiting_end = &batch->waiting;
		job->next = NULL;
		if (!look_before(batch, job)) {
			finish(batch, job);
			continue;
		}
		jobs[count++] = job;
		bytes += size;
		if (size >= JOB_LARGE)
			break;
	}
	return count;
}

/* Finishes those of jobs that an earlier attempt delivered.  Returns how many are left. */
static size_t look_up(struct batch *batch, struct job **jobs, size_t count)
{
	const struct drop_kind *kind = count ? jobs[0]->drop->kind : NULL;
	struct job *unclear[BATCH_JOBS_MAX];
	signed char found[BATCH_JOBS_MAX] = { 0 };
	size_t unclear_count = 0, left = 0;

	for (size_t i = 0; i < count; i++)
		if (jobs[i]->unclear)
			unclear[unclear_count++] = jobs[i];
	if (!unclear_count || !kind->look_up)
		return count;
	kind->look_up(kind_state(batch, kind), unclear, unclear_count, found);
	for (size_t i = 0, u = 0; i < count; i++) {
		if (jobs[i]->unclear && found[u++])
			finish(batch, jobs[i]);
		else
			jobs[left++] = jobs[i];
	}
	return left;
}

void batch_run(struct batch *batch)
{
	struct job *jobs[BATCH_JOBS_MAX];
	size_t count;

	while (batch->waiting) {
		count = look_up(batch, jobs, gather(batch, jobs));
		if (!count)
			continue;
		/* From the last, so that the first done is the first of the list. */
		for (size_t i = count; i--;) {
			jobs[i]->next = batch->working;
			batch->working = jobs[i];
		}
		jobs[0]->drop->kind->deliver(kind_state(batch, jobs[0]->drop->kind), jobs, count);
	}
}
