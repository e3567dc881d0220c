/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "large.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"

#define WRITE_FROM (64U * 1024)		/* bytes worth a write */

struct large {
	struct commit_job enter;	/* syncs the directory, so that the file's name is durable before anything in it counts */
	struct commit_job seal;
	struct large_set *set;
	struct segment *segment;
	struct submission *submission;	/* NULL: dropped while a job was under way */
	struct str header;
	uint64_t length;		/* of the body so far */
	uint32_t crc;
	int dir, fd;
	bool entering;
};

static void destroy(struct large *large)
{
	str_free(&large->header);
	free(large);
}

/* ---- in the thread ---- */

static int enter_run(struct commit_job *job)
{
	struct large *large = (struct large *)(void *)((char *)job - offsetof(struct large, enter));

	return fsync(large->dir) ? errno : 0;
}

static int write_at(int fd, const char *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : ENOSPC;
			return -1;
		}
		data += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* The jobs of a thread run in order: the directory was synced before, or enter.error says why not. */
static int seal_run(struct commit_job *job)
{
	struct large *large = (struct large *)(void *)((char *)job - offsetof(struct large, seal));

	if (large->enter.error)
		return large->enter.error;
	return write_at(large->fd, large->header.data, large->header.len, 0) || fdatasync(large->fd) ? errno : 0;
}

/* ---- in the loop ---- */

static void discard(struct large *large)
{
	segment_discard(large->segment);
	destroy(large);
}

static void enter_done(struct commit_job *job)
{
	struct large *large = (struct large *)(void *)((char *)job - offsetof(struct large, enter));

	large->entering = false;
	if (!large->submission)
		discard(large);
}

static void seal_done(struct commit_job *job)
{
	struct large *large = (struct large *)(void *)((char *)job - offsetof(struct large, seal));
	struct large_set *set = large->set;
	struct segment *segment = large->segment;
	struct submission *submission = large->submission;

	set->sealing--;
	submission->large = NULL;
	if (job->error) {
		set->ops->trouble(set->arg, "write a large message", job->error);
		discard(large);
		set->ops->settled(set->arg, submission, NULL, strerror(job->error));
		set->ops->committed(set->arg, NULL);
		return;
	}
	segment->length = large->header.len + large->length;
	segment->records = 1;
	destroy(large);
	segment_hold(segment);
	set->ops->settled(set->arg, submission, segment, NULL);
	set->ops->committed(set->arg, segment);
	segment_close(segment);
	segment_release(segment);
}

static int write_body(struct large *large, struct str *body)
{
	if (write_at(large->fd, body->data, body->len, large->header.len + large->length))
		return -1;
	large->crc = crc32c(large->crc, body->data, body->len);
	large->length += body->len;
	str_cut(body, 0);
	return 0;
}

static int begin(struct large *large, struct large_set *set, struct submission *submission)
{
	struct str received = STR_INIT(RECEIVED_MAX);
	int result = -1;

	submission->id = (struct id){ large->segment->name, 0 };
	submission->arrival = clock_wall();
	large->crc = record_body_crc(large->segment->mark);
	/* the length of a header does not depend on what record_seal will put into it */
	if (!submission_header(submission, large->segment->mark, 0, 0, 0, &large->header)
	    && !submission_received(submission, set->host, &received) && !write_body(large, &received)
	    && !write_body(large, &submission->body))
		result = 0;
	str_free(&received);
	return result;
}

int large_begin(struct large_set *set, struct submission *submission)
{
	struct large *large = calloc(1, sizeof *large);
	int error;

	if (!large)
		return -1;
	large->set = set;
	large->header = (struct str)STR_INIT(RECORD_HEADER_MAX);
	large->segment = segment_open(set->segments);
	if (!large->segment) {
		error = errno;
		destroy(large);
		errno = error;
		return -1;
	}
	large->fd = large->segment->fd;
	large->dir = set->segments->dir;
	if (begin(large, set, submission)) {
		error = errno;
		discard(large);
		errno = error;
		return -1;
	}
	large->submission = submission;
	submission->large = large;
	large->entering = true;
	large->enter = (struct commit_job){ .run = enter_run, .done = enter_done };
	commit_start(set->syncer, &large->enter);
	return 0;
}

int large_write(struct submission *submission)
{
	return submission->body.len < WRITE_FROM ? 0 : write_body(submission->large, &submission->body);
}

void large_end(struct submission *submission)
{
	struct large *large = submission->large;
	struct large_set *set = large->set;

	if (write_body(large, &submission->body)) {
		int error = errno;

		large_drop(submission);
		set->ops->settled(set->arg, submission, NULL, strerror(error));
		set->ops->committed(set->arg, NULL);
		return;
	}
	record_seal(large->header.data, large->header.len, large->length, large->crc);
	set->sealing++;
	large->seal = (struct commit_job){ .run = seal_run, .done = seal_done };
	commit_start(set->syncer, &large->seal);
}

void large_drop(struct submission *submission)
{
	struct large *large = submission->large;

	submission->large = NULL;
	large->submission = NULL;
	if (!large->entering)
		discard(large);
}
