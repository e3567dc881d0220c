/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "byhand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "envelope.h"
#include "text.h"

#define PIECE 65536U
#define HEAD_MAX (DELIVER_INLINE_MAX - PIECE)

/* ---- the message ---- */

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* It is sent more than once where a server fails, and its size is told beforehand: what does not fit in memory goes to a file without a name. */
static int keep_rest(struct deliver_job *job, const char *data, size_t len)
{
	if (job->fd < 0) {
		FILE *file = tmpfile();

		if (!file)
			return -1;
		job->fd = dup(fileno(file));
		(void)fclose(file);
		if (job->fd < 0)
			return -1;
	}
	job->length += len;
	return write_all(job->fd, data, len);
}

static int read_through(struct deliver_job *job, int fd, char *piece)
{
	for (;;) {
		ssize_t got = read(fd, piece, PIECE);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		if ((job->head.len < HEAD_MAX ? str_append(&job->head, piece, (size_t)got) : keep_rest(job, piece, (size_t)got)) < 0)
			return -1;
	}
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
	char *piece = malloc(PIECE);
	int result = piece ? read_through(job, fd, piece) : -1;

	free(piece);
	if (result < 0) {
		(void)str_printf(error, "reading the message: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	drop_from_line(&job->head);
	if (job->head.len)
		return 0;
	(void)str_add(error, "no message on standard input");
	return EX_NOINPUT;
}

static int set_envelope(struct deliver_job *job, const struct byhand *byhand, struct str *error)
{
	const char *rcpt = byhand->recipients.data, *end = rcpt + byhand->recipients.len;

	if (byhand->sender && (!text_is_clean(span_of(byhand->sender), ENVELOPE_ADDRESS_MAX) || str_add(&job->sender, byhand->sender) < 0)) {
		(void)str_add(error, "the sender is no address");
		return EX_DATAERR;
	}
	for (; rcpt < end; rcpt += strlen(rcpt) + 1) {
		if (!*rcpt || !text_is_clean(span_of(rcpt), ENVELOPE_ADDRESS_MAX) || deliver_job_add_recipient(job, span_of(rcpt)) < 0) {
			(void)str_add(error, "a recipient is no address, or there are too many");
			return EX_DATAERR;
		}
	}
	if (job->count)
		return 0;
	(void)str_add(error, "a recipient is missing: --recipient ADDRESS, or RECIPIENT in the environment");
	return EX_USAGE;
}

static int set_key(struct deliver_job *job, const struct route *route, struct str *error)
{
	if (id_new_name(0, &job->key.id.name) < 0 || str_add(&job->target, route->name) < 0) {
		(void)str_printf(error, "random numbers: %s", strerror(errno));
		return EX_TEMPFAIL;
	}
	job->key.hash = id_hash(str_span(&job->target));
	id_key_text(job->key, job->key_text);
	job->arrival = clock_wall();
	return 0;
}

/* ---- the outcome ---- */

/* The gravest that any recipient got: later, for it keeps the mail where it is; then never. */
static const struct outcome *gravest(const struct deliver_job *job)
{
	const struct outcome *worst = deliver_job_outcome(job, 0);

	for (size_t n = 1; n < job->count; n++) {
		const struct outcome *other = deliver_job_outcome(job, n);

		if (worst->verdict != OUTCOME_LATER && (other->verdict == OUTCOME_LATER || (other->verdict == OUTCOME_NEVER && worst->verdict == OUTCOME_DONE)))
			worst = other;
	}
	return worst;
}

static int exit_code(const struct outcome *outcome)
{
	static const struct { const char *status; int code; } codes[] = {
		{ "5.1.1", EX_NOUSER }, { "5.1.2", EX_NOHOST }, { "5.1.", EX_NOUSER }, { "5.6.", EX_DATAERR }, { "5.7.", EX_NOPERM },
	};

	if (outcome->verdict != OUTCOME_NEVER)
		return outcome->verdict == OUTCOME_DONE ? EX_OK : EX_TEMPFAIL;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (span_starts(span_of(outcome->status), codes[i].status))
			return codes[i].code;
	return EX_UNAVAILABLE;
}

struct run {
	const struct link_world *world;
	struct dispatch *dispatch;
	bool over;
};

static void on_done(void *arg, struct deliver_job *job)
{
	struct run *run = arg;

	(void)job;
	run->over = true;
}

/* The server is told before the connection is closed. */
static bool look_at_end(void *arg)
{
	struct run *run = arg;

	if (!run->over)
		return false;
	dispatch_drain(run->dispatch);
	if (!dispatch_connections(run->dispatch))
		loop_stop(run->world->loop);
	return false;
}

static int deliver(struct deliver_job *job, const struct route *route, const struct link_world *world, struct str *error)
{
	struct run run = { .world = world };
	struct dispatch *dispatch = dispatch_new(world, route, on_done, &run);
	const struct outcome *outcome;

	if (!dispatch) {
		(void)str_add(error, strerror(ENOMEM));
		return EX_TEMPFAIL;
	}
	run.dispatch = dispatch;
	if (!loop_turn(world->loop, look_at_end, &run)) {
		dispatch_add(dispatch, job);
		(void)loop_run(world->loop);
		loop_turn_remove(world->loop, look_at_end, &run);
	}
	dispatch_free(dispatch);
	if (log_verbose(world->log) > 0 || job->count > 1)
		deliver_log_outcomes(world->log, job);
	outcome = gravest(job);
	if (outcome->verdict != OUTCOME_DONE)
		(void)str_printf(error, "%s %s", outcome->status, outcome->text);
	return exit_code(outcome);
}

int byhand_run(const struct byhand *byhand, const struct route *route, const struct link_world *world, struct str *error)
{
	struct deliver_job *job = deliver_job_new();
	int status;

	if (!job) {
		(void)str_add(error, strerror(ENOMEM));
		return EX_TEMPFAIL;
	}
	status = set_envelope(job, byhand, error);
	if (!status)
		status = set_key(job, route, error);
	if (!status)
		status = read_message(job, byhand->fd, error);
	if (!status)
		status = deliver(job, route, world, error);
	deliver_job_free(job);
	return status;
}

/* ---- --check ---- */

struct trial {
	const struct link_world *world;
	struct link *link;
	bool over, good;
	struct str *error;
};

static void trial_ready(void *arg)
{
	struct trial *trial = arg;
	struct str text = STR_INIT(16384);

	trial->good = true;
	if (!link_describe(trial->link, &text))
		(void)fputs(text.data, stdout);
	str_free(&text);
	trial->over = true;
	loop_stop(trial->world->loop);
}

static void trial_sent(void *arg, struct mail *mail)
{
	(void)arg;
	(void)mail;
}

static void trial_over(void *arg, enum session_end why, const char *text)
{
	struct trial *trial = arg;

	(void)why;
	if (!trial->good)
		(void)str_set(trial->error, span_of(text));
	trial->over = true;
	loop_stop(trial->world->loop);
}

/* Politely: QUIT, and its answer. */
static void leave(struct trial *trial)
{
	if (!trial->good || !link_is_ready(trial->link))
		return;
	trial->over = false;
	link_quit(trial->link);
	while (!trial->over && !loop_run(trial->world->loop))
		;
}

int byhand_check(const struct route *route, const struct link_world *world, struct str *error)
{
	static const struct link_ops ops = { .ready = trial_ready, .sent = trial_sent, .over = trial_over };
	int status = 0;

	for (size_t i = 0; i < route->relay_count; i++) {
		struct str why = STR_INIT(1000);
		struct trial trial = { .world = world, .error = &why };

		trial.link = link_new(world, route, i, &ops, &trial);
		while (trial.link && !trial.over && !loop_run(world->loop))
			;
		leave(&trial);
		link_free(trial.link);
		if (!trial.good) {
			str_cut(error, 0);
			(void)str_printf(error, "%s: %s", route->relays[i].text, why.len ? why.data : "no memory");
			(void)fprintf(stdout, "%s\n", error->data);
			status = EX_UNAVAILABLE;
		}
		str_free(&why);
	}
	return status;
}
