/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define KINDS_MAX 16

struct batch {
	struct drop_host host;
	const struct drop_table *drops;
	struct deliver *deliver;
	struct deliver_job *waiting, **waiting_end;
	void *states[KINDS_MAX];	/* of the kinds, in drop_kinds' order; opened at their first job */
};

/* One that was not there, and that the attempt has left no more than a temporary file of, is clear again. */
static void finish(struct batch *batch, struct deliver_job *job)
{
	if (job->missing && job->result.verdict == OUTCOME_LATER && job->result.clarity == OUTCOME_UNSAID)
		job->result.clarity = OUTCOME_CLEAR;
	deliver_done(batch->deliver, job);
}

static void job_is_done(void *arg, struct deliver_job *job)
{
	finish(arg, job);
}

struct batch *batch_new(const struct drop_host *host, const struct drop_table *drops)
{
	struct batch *batch = calloc(1, sizeof *batch);

	if (!batch)
		return NULL;
	batch->host = *host;
	batch->host.done = job_is_done;
	batch->host.arg = batch;
	batch->drops = drops;
	batch->waiting_end = &batch->waiting;
	return batch;
}

void batch_set_deliver(struct batch *batch, struct deliver *deliver)
{
	batch->deliver = deliver;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; drop_kinds[i]; i++)
		if (batch->states[i])
			drop_kinds[i]->close(batch->states[i]);
	free(batch);
}

void batch_take(struct batch *batch, struct deliver_job *job)
{
	job->data = (void *)(uintptr_t)drop_find(batch->drops, str_span(&job->target));
	if (!job->data) {
		outcome_set(&job->result, OUTCOME_LATER, "4.3.5", "no drop named %.*s in %s", (int)strcspn(job->target.data, "/"), job->target.data,
		    batch->drops->source);
		finish(batch, job);
		return;
	}
	job->next = NULL;
	*batch->waiting_end = job;
	batch->waiting_end = &job->next;
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
static bool look_before(struct batch *batch, struct deliver_job *job)
{
	void *state = kind_state(batch, drop_runner(drop_of(job)));

	if (!state) {
		deliver_job_trouble(&job->result, ENOMEM, drop_of(job)->name);
		return false;
	}
	return !trace_check(job) && !deliver_job_all_settled(job);
}

/* Takes the head of what waits: jobs of one kind, up to the limits.  Those that need no delivery are finished on the way. */
static size_t gather(struct batch *batch, struct deliver_job *jobs[static BATCH_JOBS_MAX])
{
	uint64_t bytes = 0;
	size_t count = 0;

	while (batch->waiting && count < BATCH_JOBS_MAX) {
		struct deliver_job *job = batch->waiting;
		uint64_t size = deliver_job_size(job);

		if (count && (drop_runner(drop_of(jobs[0])) != drop_runner(drop_of(job)) || size >= BATCH_LARGE || bytes + size > BATCH_BYTES_MAX))
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
		if (size >= BATCH_LARGE)
			break;
	}
	return count;
}

/* Finishes those of jobs that an earlier attempt delivered.  Returns how many are left. */
static size_t look_up(struct batch *batch, struct deliver_job **jobs, size_t count)
{
	const struct drop_kind *kind = count ? drop_runner(drop_of(jobs[0])) : NULL;
	struct deliver_job *unclear[BATCH_JOBS_MAX];
	signed char found[BATCH_JOBS_MAX] = { 0 };
	size_t unclear_count = 0, left = 0;

	for (size_t i = 0; i < count; i++)
		if (jobs[i]->unclear)
			unclear[unclear_count++] = jobs[i];
	if (!unclear_count || !kind->look_up)
		return count;
	kind->look_up(kind_state(batch, kind), unclear, unclear_count, found);
	for (size_t i = 0, u = 0; i < count; i++) {
		if (jobs[i]->unclear && found[u++]) {
			finish(batch, jobs[i]);
			continue;
		}
		jobs[i]->missing = jobs[i]->unclear;
		jobs[left++] = jobs[i];
	}
	return left;
}

void batch_run(struct batch *batch)
{
	struct deliver_job *jobs[BATCH_JOBS_MAX];
	const struct drop_kind *kind;
	size_t count;

	while (batch->waiting) {
		count = look_up(batch, jobs, gather(batch, jobs));
		if (!count)
			continue;
		kind = drop_runner(drop_of(jobs[0]));
		kind->deliver(kind_state(batch, kind), jobs, count);
	}
}

bool batch_waits(const struct batch *batch)
{
	return batch->waiting != NULL;
}
