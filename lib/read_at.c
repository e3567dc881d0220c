/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "read_at.h"

#include <errno.h>
#include <unistd.h>

#define PIECE 65536

int read_at(struct str *out, int fd, uint64_t offset, size_t want)
{
	if (str_reserve(out, want) < 0)
		return -1;
	while (want > 0) {
		ssize_t n = pread(fd, out->data + out->len, want, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		offset += (uint64_t)n;
		want -= (size_t)n;
	}
	return 0;
}

int read_rest(struct str *out, int fd, uint64_t offset)
{
	size_t before;

	do {
		before = out->len;
		if (read_at(out, fd, offset, PIECE) < 0)
			return -1;
		offset += out->len - before;
	} while (out->len - before == PIECE);
	return 0;
}
