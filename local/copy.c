/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trace.h"

#define PIECE (64U * 1024)
#define RANGE_MAX (1024U * 1024 * 1024)

int copy_parts(int out, struct iovec *parts, int count)
{
	while (count) {
		ssize_t done = writev(out, parts, count);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		for (; count && (size_t)done >= parts->iov_len; parts++, count--)
			done -= (ssize_t)parts->iov_len;
		if (count) {
			parts->iov_base = (char *)parts->iov_base + done;
			parts->iov_len -= (size_t)done;
		}
	}
	return 0;
}

/* offset NULL: from where in stands. */
static ssize_t read_piece(int in, off_t *offset, char *buffer, size_t want)
{
	ssize_t got;

	do
		got = offset ? pread(in, buffer, want, *offset) : read(in, buffer, want);
	while (got < 0 && errno == EINTR);
	if (got > 0 && offset)
		*offset += got;
	return got;
}

/* Returns how much is left because in ended, or -1. */
static int64_t copy_pieces(int out, int in, off_t *offset, uint64_t length)
{
	char *buffer = malloc(PIECE);
	ssize_t got = 0;
	int error;

	while (buffer && length && (got = read_piece(in, offset, buffer, length < PIECE ? (size_t)length : PIECE)) > 0) {
		struct iovec part = { buffer, (size_t)got };

		if (copy_parts(out, &part, 1) < 0)
			got = -1;
		if (got < 0)
			break;
		length -= (uint64_t)got;
	}
	if (!buffer)
		got = -1;
	error = errno;
	free(buffer);
	errno = error;
	return got < 0 ? -1 : (int64_t)length;
}

int copy_range(int out, int in, off_t offset, uint64_t length)
{
	int64_t left;

	/* Where it does not go (other file systems, old kernels, a file with nothing to share) the first call says so; what ends early
	 * is copied by hand as well. */
	while (length) {
		ssize_t done = copy_file_range(in, &offset, out, NULL, length < RANGE_MAX ? (size_t)length : RANGE_MAX, 0);

		if (done < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
			return -1;
		if (done <= 0)
			break;
		length -= (uint64_t)done;
	}
	left = length ? copy_pieces(out, in, &offset, length) : 0;
	if (left > 0)
		errno = EIO;
	return left ? -1 : 0;
}

int64_t copy_stream(int out, int in, uint64_t most)
{
	int64_t left = copy_pieces(out, in, NULL, most);

	return left < 0 ? -1 : (int64_t)most - left;
}

/* ---- a job's message ---- */

int copy_begin(struct copy *copy, const struct deliver_job *job, int out, struct str *trace)
{
	struct iovec parts[2];

	*copy = (struct copy){ .job = job, .out = out };
	str_cut(trace, 0);
	if (trace_put(trace, job) < 0)
		return -1;
	parts[0] = (struct iovec){ trace->data, trace->len };
	parts[1] = (struct iovec){ job->head.data, job->head.len };
	return copy_parts(out, parts, 2);
}

/* A stream whose length was said ends there and not before: its writer may have died. */
static int stream_more(struct copy *copy)
{
	const struct deliver_job *job = copy->job;
	uint64_t most = job->length && job->length - copy->done < COPY_STEP ? job->length - copy->done : COPY_STEP;
	int64_t got = copy_stream(copy->out, job->fd, most);

	if (got < 0)
		return -1;
	copy->done += (uint64_t)got;
	if (job->length ? copy->done == job->length : (uint64_t)got < most)
		return 0;
	if ((uint64_t)got == most)
		return 1;
	errno = EPIPE;
	return -1;
}

int copy_more(struct copy *copy)
{
	const struct deliver_job *job = copy->job;
	uint64_t most = COPY_STEP;

	if (job->fd < 0)
		return 0;
	if (job->stream)
		return stream_more(copy);
	if (most > job->length - copy->done)
		most = job->length - copy->done;
	if (most && copy_range(copy->out, job->fd, job->offset + (off_t)copy->done, most) < 0)
		return -1;
	copy->done += most;
	return copy->done < job->length;
}

/* ---- from a stream into a file ---- */

static int open_unnamed(const char *directory)
{
	const char *named = getenv("TMPDIR");
	const char *const places[] = { directory, named && *named == '/' ? named : "/tmp", "/tmp" };
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof places / sizeof places[0]; i++)
		if (places[i])
			fd = open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* Where no file system has them, memory will do. */
	return fd < 0 && errno != ENOSPC && errno != EDQUOT ? memfd_create("message", MFD_CLOEXEC) : fd;
}

int copy_spool(struct deliver_job *job, const char *directory)
{
	struct copy copy = { .job = job, .out = -1 };
	int more = 1, error;

	if (!job->stream)
		return 0;
	copy.out = open_unnamed(directory);
	while (copy.out >= 0 && more > 0)
		more = copy_more(&copy);
	if (copy.out < 0 || more < 0) {
		error = errno;
		if (copy.out >= 0)
			close(copy.out);
		errno = error;
		return -1;
	}
	close(job->fd);
	job->fd = copy.out;
	job->stream = false;
	job->offset = 0;
	job->length = copy.done;
	return 0;
}
