/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "copy.h"

#define PIECE (128U * 1024)

int
copy_bytes(int to, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = write(to, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = ENOSPC;
			return -1;
		}
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
copy_by_hand(int from, uint64_t offset, int to, uint64_t len)
{
	char *piece = malloc(PIECE);
	int result = 0, saved;

	if (piece == NULL)
		return -1;
	while (len > 0 && result == 0) {
		ssize_t n = pread(from, piece, len < PIECE ? (size_t)len : PIECE, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0) {
			result = -1;
			break;
		}
		result = copy_bytes(to, piece, (size_t)n);
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	saved = errno;
	free(piece);
	errno = saved;
	return result;
}

int
copy_range(int from, uint64_t offset, int to, uint64_t len)
{
	while (len > PIECE) {
		off_t at = (off_t)offset;
		ssize_t n = copy_file_range(from, &at, to, NULL, (size_t)(len < (1U << 30) ? len : 1U << 30), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;		/* not between these file systems, or not on this kernel: by hand */
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return copy_by_hand(from, offset, to, len);
}
