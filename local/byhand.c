/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "byhand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "alone.h"
#include "clock.h"
#include "envelope.h"
#include "message.h"
#include "text.h"
#include "trace.h"

/* Reads until the header is whole, for it is looked at before anything is written; the rest is copied through.  1: the end was reached. */
static int read_head(struct deliver_job *job, int fd)
{
	const size_t piece = 16384;
	ssize_t got = 1;

	while (got && job->head.len < DELIVER_INLINE_MAX - piece) {
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

static int read_message(struct deliver_job *job, int fd, struct str *error)
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
	if (trace_take_over(job) < 0) {
		str_add(error, strerror(errno));
		return EX_TEMPFAIL;
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

static int set_envelope(struct deliver_job *job, const struct byhand *byhand, struct str *error)
{
	const char *rcpt = byhand->recipients.data, *end = rcpt + byhand->recipients.len;

	job->no_sender = !byhand->sender;
	if (byhand->sender && (!text_is_clean(span_of(byhand->sender), ENVELOPE_ADDRESS_MAX) || str_add(&job->sender, byhand->sender) < 0)) {
		str_add(error, "the sender is no address");
		return EX_DATAERR;
	}
	for (; rcpt < end; rcpt += strlen(rcpt) + 1) {
		if (!text_is_clean(span_of(rcpt), ENVELOPE_ADDRESS_MAX) || deliver_job_add_recipient(job, span_of(rcpt)) < 0) {
			str_add(error, "a recipient is no address, or there are too many");
			return EX_DATAERR;
		}
	}
	return 0;
}

static int set_key(struct deliver_job *job, struct str *error)
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

/* A user's own has its default at home: the Maildir that is there, else an mbox file. */
static int choose_default(struct str *path, const struct drop_kind **kind, struct str *error)
{
	const char *home = getenv("HOME");
	struct stat info;

	if (!home || *home != '/') {
		str_add(error, "HOME is not set: where to deliver is missing");
		return EX_USAGE;
	}
	*kind = drop_kind_named("maildir");
	str_printf(path, "%s/Maildir", home);
	if (!stat(path->data, &info) && S_ISDIR(info.st_mode))
		return 0;
	*kind = drop_kind_named("mbox");
	str_cut(path, 0);
	return str_printf(path, "%s/mbox", home) < 0 ? EX_TEMPFAIL : 0;
}

/* What is made before a delivery is made by the delivery. */
static int add_drop(struct drop_table *drops, const struct byhand *byhand, struct str *error)
{
	const struct drop_kind *kind = byhand->kind;
	struct str path = STR_INIT(65536);
	struct drop *drop = NULL;
	int status = 0;

	if (!kind)
		status = choose_default(&path, &kind, error);
	else if (str_add(&path, byhand->path) < 0)
		status = EX_TEMPFAIL;
	if (!status)
		drop = drop_add(drops, kind->name, kind, path.data, DROP_OWN_MODE, error);
	if (drop)
		drop->mboxo = byhand->mboxo;
	str_free(&path);
	return status ? status : drop ? 0 : EX_USAGE;
}

static int prepare(struct deliver_job *job, const struct byhand *byhand, struct str *error)
{
	int status = set_envelope(job, byhand, error);

	if (!status)
		status = set_key(job, error);
	return status ? status : read_message(job, byhand->fd, error);
}

int byhand_run(const struct byhand *byhand, const char *host, struct str *error)
{
	struct drop_table drops = { 0 };
	struct deliver_job *job = deliver_job_new();
	struct outcome outcome;
	int status;

	if (!job) {
		str_add(error, strerror(ENOMEM));
		return EX_TEMPFAIL;
	}
	status = add_drop(&drops, byhand, error);
	if (!status && str_add(&job->target, drops.first->name) < 0)
		status = EX_TEMPFAIL;
	if (!status)
		status = prepare(job, byhand, error);
	if (!status) {
		alone_run(&drops, job, host, byhand->sync_fs, &outcome);
		status = exit_code(&outcome);
		if (status)
			str_printf(error, "%s %s", outcome.status, outcome.text);
	} else {
		deliver_job_free(job);
	}
	drop_free(&drops);
	return status;
}
