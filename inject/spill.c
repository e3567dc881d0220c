/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (32U * 1024)

void spill_init(struct spill *s, size_t memory_max)
{
	*s = (struct spill){ STR_INIT(memory_max), 0, -1 };
}

void spill_free(struct spill *s)
{
	str_free(&s->memory);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int nameless_in(const char *directory, char *template)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	fd = mkostemp(template, O_CLOEXEC);	/* a file system without O_TMPFILE */
	if (fd >= 0)
		unlink(template);
	return fd;
}

/* /var/tmp first: /tmp is memory on many hosts. */
static int nameless_file(void)
{
	char var[] = "/var/tmp/deaddrop-inject.XXXXXX", tmp[] = "/tmp/deaddrop-inject.XXXXXX";
	int fd = nameless_in("/var/tmp", var);

	return fd >= 0 ? fd : nameless_in("/tmp", tmp);
}

static int to_file(struct spill *s)
{
	size_t at = 0;
	ssize_t n = 1;
	int saved;

	if (s->fd < 0 && (s->fd = nameless_file()) < 0)
		return -1;
	while (at < s->memory.len && n > 0) {
		n = pwrite(s->fd, s->memory.data + at, s->memory.len - at, (off_t)s->in_file);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		at += n > 0 ? (size_t)n : 0;
		s->in_file += n > 0 ? (uint64_t)n : 0;
	}
	saved = errno;
	str_shift(&s->memory, at);	/* also where the file system is full: each byte stands in one place */
	errno = saved;
	return n > 0 ? 0 : -1;
}

int spill_take(struct spill *s, struct span *bytes)
{
	struct span piece;

	while (bytes->len > 0) {
		piece = (struct span){ bytes->data, bytes->len < PIECE ? bytes->len : PIECE };
		if (s->memory.len + piece.len > s->memory.max && to_file(s) < 0)
			return -1;
		if (str_add_span(&s->memory, piece) < 0)
			return -1;
		*bytes = span_skip(*bytes, piece.len);
	}
	return 0;
}

int spill_add(struct spill *s, struct span bytes)
{
	return spill_take(s, &bytes);
}

int spill_read(const struct spill *s, int (*each)(void *arg, struct span bytes), void *arg)
{
	char *buffer = s->in_file > 0 ? malloc(PIECE) : NULL;
	uint64_t at = 0;
	ssize_t n;
	int r = s->in_file > 0 && !buffer ? -1 : 0;

	while (r == 0 && at < s->in_file) {
		n = pread(s->fd, buffer, s->in_file - at < PIECE ? (size_t)(s->in_file - at) : PIECE, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		r = n <= 0 ? -1 : each(arg, (struct span){ buffer, (size_t)n });
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(buffer);
	return r == 0 && s->memory.len > 0 ? each(arg, str_span(&s->memory)) : r;
}
