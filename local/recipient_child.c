/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The process that has become the recipient.  It trusts the stage with the message, and with nothing else: where it is written her own
 * rights decide. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alone.h"
#include "frame.h"
#include "recipient.h"
#include "sandbox.h"

#define HEAD_MAX (64U * 1024)		/* bytes of frames before the message */

struct reading {
	int fd;
	struct str buffer;
	struct deliver_job *job;
	uint64_t length;
	bool complete;
};

static int take_number(struct span value, uint64_t *number)
{
	return span_decimal(value, INT64_MAX, number);
}

static int take(struct reading *r, struct frame frame)
{
	struct deliver_job *job = r->job;

	switch (frame.type) {
	case 'J':
		if (id_parse_key(frame.value, &job->key) < 0)
			return -1;
		id_key_text(job->key, job->key_text);
		return 0;
	case 'D':
		return str_set(&job->target, frame.value);
	case 'S':
		job->no_sender = false;
		return str_set(&job->sender, frame.value);
	case 'A':
		return take_number(frame.value, &job->arrival);
	case 'U':
		job->unclear = true;
		return 0;
	case 'R':
		return deliver_job_add_recipient(job, frame.value);
	case 'L':
		r->complete = true;
		return take_number(frame.value, &r->length);
	default:
		return -1;
	}
}

/* 1: some came. */
static ssize_t read_some(int fd, struct str *to, size_t most)
{
	ssize_t got;

	if (str_reserve(to, most) < 0)
		return -1;
	do
		got = read(fd, to->data + to->len, most);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		to->len += (size_t)got;
	to->data[to->len] = '\0';
	return got;
}

static int read_frames(struct reading *r)
{
	struct frame frame;
	size_t used;

	while (!r->complete) {
		enum frame_result result = frame_take(r->buffer.data, r->buffer.len, &frame, &used);

		if (result == FRAME_BAD || (result == FRAME_MORE && read_some(r->fd, &r->buffer, 4096) <= 0))
			return -1;
		if (result != FRAME_WHOLE)
			continue;
		if (take(r, frame) < 0)
			return -1;
		str_shift(&r->buffer, used);
	}
	return r->job->target.len && *r->job->key_text ? 0 : -1;
}

/* A small message is read whole, a large one comes as a stream of a known length: one that ends before has lost its writer. */
static int read_message(struct reading *r)
{
	struct deliver_job *job = r->job;
	uint64_t inline_bytes = r->length < DELIVER_INLINE_MAX / 2 ? r->length : DELIVER_INLINE_MAX / 2;

	if (r->buffer.len > r->length || str_add_span(&job->head, str_span(&r->buffer)) < 0)
		return -1;
	while (job->head.len < inline_bytes)
		if (read_some(r->fd, &job->head, (size_t)(inline_bytes - job->head.len)) <= 0)
			return -1;
	job->length = r->length - job->head.len;
	if (!job->length)
		return 0;
	job->fd = dup(r->fd);
	job->stream = true;
	return job->fd < 0 ? -1 : 0;
}

struct deliver_job *recipient_read(int fd, struct str *error)
{
	struct reading r = { .fd = fd, .buffer = STR_INIT(HEAD_MAX + 4096), .job = deliver_job_new() };
	bool good = r.job != NULL;

	if (good)
		r.job->no_sender = true;
	good = good && !read_frames(&r) && !read_message(&r);
	str_free(&r.buffer);
	if (good)
		return r.job;
	deliver_job_free(r.job);
	str_add(error, "the job did not come whole");
	return NULL;
}

/* Beyond her rights it keeps to the drop's directory. */
static int confine(const struct drop *drop, struct str *error)
{
	struct sandbox box = { .mode = SANDBOX_ON, .needs = SANDBOX_FILES };

	if (sandbox_allow(&box, drop->inside, SANDBOX_READ | SANDBOX_WRITE) < 0)
		return -1;
	return sandbox_enter(&box, NULL, error);
}

static void deliver(const struct recipient_context *context, struct deliver_job *job, struct outcome *outcome, struct str *error)
{
	static const struct drop_owner herself = { (uid_t)-1, (gid_t)-1 };
	const struct drop *drop = drop_find(context->drops, str_span(&job->target));
	const char *home = getenv("HOME");
	struct drop_table own = { 0 };

	if (drop && home)
		drop = drop_at_home(&own, drop, home, error);
	if (drop && home && !drop->kind->prepare(drop, &herself, error) && !confine(drop, error))
		alone_run(&own, job, context->host, context->sync_fs, outcome);
	else
		deliver_job_free(job);
	if (error->len)
		outcome_set(outcome, OUTCOME_LATER, "4.3.5", "%s", error->data);
	drop_free(&own);
}

int recipient_run(void *arg)
{
	const struct recipient_context *context = arg;
	struct str error = STR_INIT(4096);
	struct outcome outcome;
	struct deliver_job *job = recipient_read(STDIN_FILENO, &error);

	outcome_set(&outcome, OUTCOME_LATER, "4.3.0", "%s", job ? "not delivered" : error.data);
	if (job)
		deliver(context, job, &outcome, &error);
	str_free(&error);
	return dprintf(STDOUT_FILENO, "%c%s %s %s\n", (char)outcome.verdict, recipient_marks[outcome.clarity], outcome.status, outcome.text) < 0;
}
