/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "byhand.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "batch.h"
#include "clock.h"
#include "envelope.h"
#include "message.h"
#include "text.h"

#define BYHAND_MODE 0600		/* it is the user's own Maildir */

/* Reads until the header is whole, for it is looked at before anything is written; the rest is copied through.  1: the end was reached. */
static int read_head(struct job *job, int fd)
{
	const size_t piece = 16384;
	ssize_t got = 1;

	while (got && job->head.len < JOB_INLINE_MAX - piece) {
		if (str_reserve(&job->head, piece) < 0)
			return -1;
		got = read(fd, job->head.data + job->head.len, piece);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		job->head.len += (size_t)got;
		job->head.data[job->head.len] = '\0';
		if (message_header_length(str_span(&job->head)) < job->head.len)
			break;
	}
	return got == 0;
}

/* The line that mail systems put before a message on its way to an mbox file is no part of it. */
static void drop_from_line(struct str *head)
{
	const char *end = span_starts(str_span(head), "From ") ? memchr(head->data, '\n', head->len) : NULL;

	if (end)
		str_shift(head, (size_t)(end - head->data) + 1);
}

static int read_message(struct job *job, int fd, struct str *error)
{
	int ended = read_head(job, fd);

	if (ended < 0) {
		str_printf(error, "reading the message: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	drop_from_line(&job->head);
	if (!job->head.len && ended) {
		str_add(error, "no message on standard input");
		return EX_NOINPUT;
	}
	if (!ended) {
		job->fd = dup(fd);
		job->stream = true;
	}
	if (job->fd < 0 && !ended) {
		str_printf(error, "standard input: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	return 0;
}

static int set_envelope(struct job *job, const struct byhand *byhand, struct str *error)
{
	const char *rcpt = byhand->recipients.data, *end = rcpt + byhand->recipients.len;

	job->no_sender = !byhand->sender;
	if (byhand->sender && (!text_is_clean(span_of(byhand->sender), ENVELOPE_ADDRESS_MAX) || str_add(&job->sender, byhand->sender) < 0)) {
		str_add(error, "the sender is no address");
		return EX_DATAERR;
	}
	for (; rcpt < end; rcpt += strlen(rcpt) + 1) {
		if (!text_is_clean(span_of(rcpt), ENVELOPE_ADDRESS_MAX) || job_add_recipient(job, span_of(rcpt)) < 0) {
			str_add(error, "a recipient is no address, or there are too many");
			return EX_DATAERR;
		}
	}
	return 0;
}

static int set_key(struct job *job, struct str *error)
{
	if (id_new_name(0, &job->key.id.name) < 0) {
		str_printf(error, "random numbers: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	job->key.hash = id_hash(str_span(&job->target));
	id_key_text(job->key, job->key_text);
	job->arrival = clock_wall();
	return 0;
}

/* The gravest that any recipient got: later, for it keeps the mail where it is; then never. */
static void keep_outcome(void *arg, const struct job *job)
{
	struct outcome *outcome = arg;

	*outcome = *job_outcome(job, 0);
	for (size_t n = 1; n < job->count; n++) {
		const struct outcome *other = job_outcome(job, n);

		if (other->verdict == OUTCOME_LATER || (other->verdict == OUTCOME_NEVER && outcome->verdict == OUTCOME_DONE))
			*outcome = *other;
	}
}

static int exit_code(const struct outcome *outcome)
{
	static const struct { const char *status; int code; } codes[] = {
		{ "5.1.", EX_NOUSER }, { "5.4.", EX_DATAERR }, { "5.6.", EX_DATAERR }, { "5.7.", EX_NOPERM },
	};

	if (outcome->verdict != OUTCOME_NEVER)
		return outcome->verdict == OUTCOME_DONE ? EX_OK : EX_TEMPFAIL;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (span_starts(span_of(outcome->status), codes[i].status))
			return codes[i].code;
	return EX_UNAVAILABLE;
}

static int deliver(struct job *job, const char *host, struct str *error)
{
	struct outcome outcome;
	struct batch *batch = batch_new(NULL, NULL, host, keep_outcome, &outcome);

	outcome_set(&outcome, OUTCOME_LATER, "4.3.0", "not delivered");
	if (!batch) {
		job_free(job);
		str_add(error, strerror(ENOMEM));
		return EX_TEMPFAIL;
	}
	batch_add(batch, job);
	batch_run(batch);
	batch_free(batch);
	if (outcome.verdict != OUTCOME_DONE)
		str_printf(error, "%s %s", outcome.status, outcome.text);
	return exit_code(&outcome);
}

int byhand_run(const struct byhand *byhand, const char *host, struct str *error)
{
	struct drop_table drops = { 0 };
	struct job *job = job_new();
	int status = EX_TEMPFAIL;

	if (!job) {
		str_add(error, strerror(ENOMEM));
		return status;
	}
	if (!drop_add_maildir(&drops, "maildir", byhand->maildir, BYHAND_MODE, error) && !str_add(&job->target, drops.first->name))
		status = 0;
	job->drop = drops.first;
	if (!status)
		status = set_envelope(job, byhand, error);
	if (!status)
		status = set_key(job, error);
	if (!status)
		status = read_message(job, byhand->fd, error);
	if (!status)
		status = deliver(job, host, error);
	else
		job_free(job);
	drop_free(&drops);
	return status;
}
