/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "byhand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "deliver.h"
#include "pool.h"

#define PIECE 65536

struct byhand {
	const struct session_host *host;
	struct pool *pool;
	struct outcome outcome;
};

/* What goes beyond the head is kept in a file without a name: its length must be known before the first byte is sent. */
static int spill(struct deliver_job *job, const char *data, size_t len)
{
	char name[] = "/tmp/deaddrop-imap.XXXXXX";
	ssize_t put;

	if (job->fd < 0) {
		job->fd = mkostemp(name, O_CLOEXEC);
		if (job->fd < 0 || unlink(name) < 0)
			return -1;
	}
	for (; len; data += put, len -= (size_t)put) {
		put = write(job->fd, data, len);
		if (put < 0 && errno != EINTR)
			return -1;
		put = put < 0 ? 0 : put;
		job->length += (uint64_t)put;
	}
	return 0;
}

static int read_message(struct deliver_job *job, int fd)
{
	char data[PIECE];
	ssize_t got;

	while ((got = read(fd, data, sizeof data)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (job->fd < 0 && job->head.len + (size_t)got <= DELIVER_INLINE_MAX / 2) {
			if (str_append(&job->head, data, (size_t)got) < 0)
				return -1;
		} else if (spill(job, data, (size_t)got) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The line that mail systems put before a message on its way to an mbox file is no part of it. */
static void drop_from_line(struct str *head)
{
	const char *end = span_starts(str_span(head), "From ") ? memchr(head->data, '\n', head->len) : NULL;

	if (end)
		str_shift(head, (size_t)(end - head->data) + 1);
}

static struct deliver_job *make_job(const char *target, int fd, int *status, struct str *error)
{
	struct deliver_job *job = deliver_job_new();

	*status = EX_TEMPFAIL;
	if (!job || id_new_name(0, &job->key.id.name) < 0 || str_add(&job->target, target) < 0 || deliver_job_add_recipient(job, span_of(target)) < 0) {
		str_add(error, strerror(errno));
	} else if (read_message(job, fd) < 0) {
		str_printf(error, "reading the message: %s", strerror(errno));
	} else {
		drop_from_line(&job->head);
		job->no_sender = true;
		job->arrival = clock_wall();
		job->key.hash = id_hash(str_span(&job->target));
		id_key_text(job->key, job->key_text);
		if (job->head.len)
			return job;
		str_add(error, "no message on standard input");
		*status = EX_NOINPUT;
	}
	deliver_job_free(job);
	return NULL;
}

static void on_answered(void *arg, const struct deliver_job *job)
{
	struct byhand *byhand = arg;

	byhand->outcome = *deliver_job_outcome(job, 0);
	pool_leave(byhand->pool);
}

static void on_deliver(void *arg, struct deliver_job *job)
{
	pool_deliver(((struct byhand *)arg)->pool, job);
}

static bool turn(void *arg)
{
	struct byhand *byhand = arg;

	pool_turn(byhand->pool);
	if (pool_is_over(byhand->pool))
		loop_stop(byhand->host->loop);
	return false;
}

static int exit_code(const struct outcome *outcome)
{
	if (outcome->verdict == OUTCOME_DONE)
		return EX_OK;
	if (outcome->verdict == OUTCOME_LATER)
		return EX_TEMPFAIL;
	return span_starts(span_of(outcome->status), "5.6.") || span_starts(span_of(outcome->status), "5.3.") ? EX_DATAERR : EX_UNAVAILABLE;
}

int byhand_run(const struct session_host *host, const struct account_table *accounts, const char *target, int fd, struct str *where, struct str *error)
{
	static const struct deliver_ops ops = { .deliver = on_deliver, .answered = on_answered };
	struct byhand byhand = { .host = host };
	struct deliver *deliver;
	int status;
	struct deliver_job *job = make_job(target, fd, &status, error);

	if (!job)
		return status;
	outcome_set(&byhand.outcome, OUTCOME_LATER, "4.3.0", "not delivered");
	byhand.pool = pool_new(host, accounts, true);
	deliver = deliver_new(NULL, DELIVER_INLINE_MAX * 8, &ops, &byhand);
	if (byhand.pool && deliver && !loop_turn(host->loop, turn, &byhand)) {
		pool_set_deliver(byhand.pool, deliver);
		deliver_add(deliver, job);
		loop_run(host->loop);
		loop_turn_remove(host->loop, turn, &byhand);
	} else {
		deliver_job_free(job);
	}
	pool_free(byhand.pool);
	deliver_free(deliver);
	if (byhand.outcome.verdict == OUTCOME_DONE)
		str_add(where, byhand.outcome.text);
	else
		str_printf(error, "%s %s", byhand.outcome.status, byhand.outcome.text);
	return exit_code(&byhand.outcome);
}
