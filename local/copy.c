/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "copy.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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

	/* Where it does not go (other file systems, old kernels, a file with nothing to share) the first call says so; what ends early is copied by hand as well. */
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

int copy_stream(int out, int in)
{
	return copy_pieces(out, in, NULL, INT64_MAX) < 0 ? -1 : 0;
}
