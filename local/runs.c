/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "copy.h"
#include "pipe.h"

struct run_job {
	struct run_job *next;
	struct deliver_job *job;
	size_t recipient;		/* the next to be started for */
	size_t running;
};

struct run {
	struct run *next;
	struct runs *runs;
	struct run_job *job;
	size_t recipient;
	struct process *process;
};

int runs_local(struct str *out, const struct deliver_job *job, size_t n)
{
	const char *rcpt = NULL;
	struct span local, domain;

	for (size_t i = 0; i <= n; i++)
		rcpt = deliver_job_next_recipient(job, rcpt);
	address_split(span_of(rcpt ? rcpt : ""), &local, &domain);
	return str_add_span(out, local);
}

static size_t running_of(const struct runs *runs, const struct drop *drop)
{
	size_t count = 0;

	for (const struct run *run = runs->running; run; run = run->next)
		count += drop_of(run->job->job) == drop;
	return count;
}

/* One without recipients, by hand, is run once. */
static size_t recipients_of(const struct deliver_job *job)
{
	return job->count ? job->count : 1;
}

/* Without memory to say it, its recipients share the job's result, which is later. */
static void settle(struct deliver_job *job, size_t n, const struct outcome *outcome)
{
	if (job->count)
		deliver_job_settle(job, n, outcome);
	else
		job->result = *outcome;
}

/* Each process has a time after which it is ended, so that all of them have one, those too whose turn has not come. */
static void say_alive(void *arg)
{
	struct runs *runs = arg;

	for (const struct run_job *job = runs->first; job; job = job->next)
		deliver_alive(job->job);
	if (runs->first)
		(void)loop_timer_set(runs->host->loop, &runs->alive, loop_now(runs->host->loop) + RUNS_ALIVE);
}

static void start_more(struct runs *runs);

static void finish_job(struct runs *runs, struct run_job *done)
{
	struct run_job **at = &runs->first;
	struct deliver_job *job = done->job;

	while (*at != done)
		at = &(*at)->next;
	*at = done->next;
	if (!*at)
		runs->last = at;
	free(done);
	runs->host->done(runs->host->arg, job);
}

static void cannot_start(const struct drop *drop, int error, struct outcome *outcome)
{
	const char *directory = drop->kind == &pipe_kind ? pipe_directory(drop) : NULL;
	struct str what = STR_INIT(1024);

	if (error == ESRCH)
		outcome_set(outcome, OUTCOME_NEVER, "5.1.1", "no such user");
	else if (error == EPERM && drop->as_recipient)
		outcome_set(outcome, OUTCOME_LATER, "4.3.5", "drop %s: nothing is delivered as this user; a route elsewhere is wanted", drop->name);
	else if (directory && str_printf(&what, "%s, started in %s", drop->path, directory) == 0)
		deliver_job_trouble(outcome, error, what.data);
	else
		deliver_job_trouble(outcome, error, drop->path);
	str_free(&what);
}

static void ended(void *arg, const struct process_end *end)
{
	struct run *run = arg, **at;
	struct runs *runs = run->runs;
	struct run_job *job = run->job;
	struct outcome outcome;

	if (end->error)
		cannot_start(drop_of(job->job), end->error, &outcome);
	else if (end->too_long)
		outcome_set(&outcome, OUTCOME_LATER, "4.3.0", "it took too long and was ended");
	else if (end->too_much)
		outcome_set(&outcome, OUTCOME_LATER, "4.3.0", "it said too much and was ended");
	else
		runs->ops->end(end, &outcome);
	settle(job->job, run->recipient, &outcome);
	for (at = &runs->running; *at != run; at = &(*at)->next)
		;
	*at = run->next;
	free(run);
	runs->count--;
	job->running--;
	if (!job->running && job->recipient >= recipients_of(job->job))
		finish_job(runs, job);
	if (!runs->closing)
		start_more(runs);
}

static void start_one(struct runs *runs, struct run_job *job)
{
	struct run *run = calloc(1, sizeof *run);
	size_t n = job->recipient++;
	struct outcome outcome;

	if (run) {
		*run = (struct run){ runs->running, runs, job, n, NULL };
		run->process = runs->ops->start(runs, job->job, n, ended, run);
	}
	if (run && run->process) {
		runs->running = run;
		runs->count++;
		job->running++;
		return;
	}
	cannot_start(drop_of(job->job), run ? errno : ENOMEM, &outcome);
	free(run);
	settle(job->job, n, &outcome);
}

/* What there is room for, of the first job first.  True: the job has been taken out. */
static bool start_for(struct runs *runs, struct run_job *job)
{
	const struct drop *drop = drop_of(job->job);
	size_t most = runs->ops->at_once(drop);

	while (job->recipient < recipients_of(job->job)) {
		if (deliver_job_is_settled(job->job, job->recipient)) {
			job->recipient++;
			continue;
		}
		if (runs->count >= RUNS_MAX || running_of(runs, drop) >= most)
			return false;
		start_one(runs, job);
	}
	if (job->running)
		return false;
	finish_job(runs, job);
	return true;
}

static void start_more(struct runs *runs)
{
	for (struct run_job *next, *job = runs->first; job && runs->count < RUNS_MAX; job = next) {
		next = job->next;
		start_for(runs, job);
	}
}

void runs_deliver(void *state, struct deliver_job **jobs, size_t count)
{
	struct runs *runs = state;

	for (size_t i = 0; i < count; i++) {
		struct run_job *job = calloc(1, sizeof *job);

		if (!job || copy_spool(jobs[i], NULL) < 0) {
			deliver_job_trouble(&jobs[i]->result, job ? errno : ENOMEM, drop_of(jobs[i])->path);
			free(job);
			runs->host->done(runs->host->arg, jobs[i]);
			continue;
		}
		job->job = jobs[i];
		*runs->last = job;
		runs->last = &job->next;
	}
	start_more(runs);
	if (!loop_timer_is_set(&runs->alive))
		say_alive(runs);
}

/* The keeper was stopped before, so that no callback comes from here on. */
void runs_close(void *state)
{
	struct runs *runs = state;

	runs->closing = true;
	loop_timer_clear(runs->host->loop, &runs->alive);
	for (struct run *next, *run = runs->running; run; run = next) {
		next = run->next;
		process_free(run->process);
		free(run);
	}
	for (struct run_job *next, *job = runs->first; job; job = next) {
		next = job->next;
		free(job);
	}
	free(runs);
}

void *runs_open(const struct drop_host *host, const struct runs_ops *ops)
{
	struct runs *runs = calloc(1, sizeof *runs);

	if (runs) {
		*runs = (struct runs){ .host = host, .ops = ops };
		runs->last = &runs->first;
		loop_timer_init(&runs->alive, say_alive, runs);
	}
	return runs;
}
