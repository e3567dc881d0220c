/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "large.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"

#define WRITE_FROM (64U * 1024)			/* bytes worth a write */
#define BATCH_BYTES (UINT64_C(16) * 1024 * 1024)	/* more than that is not made to wait for each other */

struct large {
	struct large *next;		/* in the set's lists */
	struct large_set *set;
	struct segment *segment;
	struct submission *submission;
	struct str header;
	uint64_t length;		/* of the body so far */
	uint32_t crc;
	int fd;
	int error;			/* why it could not be sealed */
};

static void discard(struct large *large)
{
	segment_discard(large->segment);
	str_free(&large->header);
	free(large);
}

/* ---- while it comes in ---- */

/* Writes all of the parts, which are consumed. */
static int write_at(int fd, struct iovec *iov, int count, uint64_t at)
{
	while (count) {
		ssize_t n = iov->iov_len ? pwritev(fd, iov, count, (off_t)at) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (!n && iov->iov_len)) {
			errno = n ? errno : ENOSPC;
			return -1;
		}
		at += (uint64_t)n;
		for (; count && (size_t)n >= iov->iov_len; iov++, count--)
			n -= (ssize_t)iov->iov_len;
		if (count) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* first may be empty; body is emptied. */
static int write_body(struct large *large, struct span first, struct str *body)
{
	struct iovec iov[] = { { (void *)(uintptr_t)first.data, first.len }, { body->data, body->len } };

	if (write_at(large->fd, iov, 2, large->header.len + large->length))
		return -1;
	large->crc = crc32c(crc32c(large->crc, first.data, first.len), body->data, body->len);
	large->length += first.len + body->len;
	str_cut(body, 0);
	return 0;
}

static int begin(struct large *large, struct submission *submission)
{
	struct str received = STR_INIT(RECEIVED_MAX);
	int result = -1;

	submission->id = (struct id){ large->segment->name, 0 };
	submission->arrival = clock_wall();
	large->crc = record_body_crc(large->segment->mark);
	/* the length of a header does not depend on what record_seal will put into it */
	if (!submission_header(submission, large->segment->mark, 0, 0, 0, &large->header)
	    && !submission_received(submission, large->set->host, &received))
		result = write_body(large, str_span(&received), &submission->body);
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
		free(large);
		errno = error;
		return -1;
	}
	large->fd = large->segment->fd;
	if (begin(large, submission)) {
		error = errno;
		discard(large);
		errno = error;
		return -1;
	}
	large->submission = submission;
	submission->large = large;
	return 0;
}

int large_write(struct submission *submission)
{
	return submission->body.len < WRITE_FROM ? 0 : write_body(submission->large, (struct span){ "", 0 }, &submission->body);
}

void large_drop(struct submission *submission)
{
	discard(submission->large);
	submission->large = NULL;
}

/* ---- in the thread ---- */

static int write_header(struct large *large)
{
	struct iovec iov = { large->header.data, large->header.len };

	if (write_at(large->fd, &iov, 1, 0))
		return errno;
	/* only a start, so that the waits below overlap; what fails here fails there */
	(void)sync_file_range(large->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

/* Its submitter will hear that nothing was stored: should its name outlive the lock, because it cannot be removed, there must be no message in it. */
static void make_useless(struct large *large)
{
	static const char zeros[RECORD_LINE];

	if (ftruncate(large->fd, 0) && pwrite(large->fd, zeros, sizeof zeros, 0) != (ssize_t)sizeof zeros)
		return;
	(void)fdatasync(large->fd);
}

/* First the directory, so that the files' names are durable before anything in them counts; then all headers, then a sync of each: the first one brings most of
 * the others along. */
static int seal_run(struct commit_job *job)
{
	struct large_set *set = (struct large_set *)(void *)((char *)job - offsetof(struct large_set, job));
	int error = fsync(set->segments->dir) ? errno : 0;

	for (struct large *large = set->sealing; large; large = large->next)
		large->error = error ? error : write_header(large);
	for (struct large *large = set->sealing; large; large = large->next)
		if (!large->error && fdatasync(large->fd))
			large->error = errno;
	for (struct large *large = set->sealing; large; large = large->next)
		if (large->error)
			make_useless(large);
	return 0;
}

/* ---- back in the loop ---- */

static void settle(struct large_set *set, struct large *large)
{
	struct submission *submission = large->submission;
	struct segment *segment = large->segment;

	submission->large = NULL;
	if (large->error) {
		set->ops->trouble(set->arg, "write a large message", large->error);
		set->ops->settled(set->arg, submission, NULL, strerror(large->error));
		discard(large);
		return;
	}
	segment->length = large->header.len + large->length;
	segment->records = 1;
	str_free(&large->header);
	free(large);
	segment_hold(segment);
	set->ops->settled(set->arg, submission, segment, NULL);
	set->ops->committed(set->arg, segment);
	segment_close(segment);
	segment_release(segment);
}

static void start(struct large_set *set);

static void seal_done(struct commit_job *job)
{
	struct large_set *set = (struct large_set *)(void *)((char *)job - offsetof(struct large_set, job));
	struct large *large;

	while ((large = set->sealing)) {
		set->sealing = large->next;
		settle(set, large);
	}
	start(set);
}

/* Gives the thread what is ready, the oldest first. */
static void start(struct large_set *set)
{
	struct large **end = &set->sealing;
	uint64_t bytes = 0;

	if (set->sealing || !set->ready)
		return;
	do {
		struct large **oldest = &set->ready;

		while ((*oldest)->next)
			oldest = &(*oldest)->next;
		bytes += (*oldest)->length;
		*end = *oldest;
		end = &(*end)->next;
		*oldest = NULL;
	} while (set->ready && bytes < BATCH_BYTES);
	set->job = (struct commit_job){ .run = seal_run, .done = seal_done };
	commit_start(set->syncer, &set->job);
}

void large_end(struct submission *submission)
{
	struct large *large = submission->large;
	struct large_set *set = large->set;

	if (write_body(large, (struct span){ "", 0 }, &submission->body)) {
		int error = errno;

		large_drop(submission);
		set->ops->settled(set->arg, submission, NULL, strerror(error));
		return;
	}
	record_seal(large->header.data, large->header.len, large->length, large->crc);
	large->next = set->ready;
	set->ready = large;
	start(set);
}

bool large_idle(const struct large_set *set)
{
	return !set->ready && !set->sealing;
}
