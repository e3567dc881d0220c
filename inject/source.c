/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RAW (32U * 1024)
#define WAIT_FIRST 1000000	/* nanoseconds between looks at a descriptor that does not block */
#define WAIT_MOST 50000000

int source_open(struct source *s, int fd, bool ignore_dots, bool dot)
{
	struct stat st;

	*s = (struct source){ .fd = fd };
	if (fstat(fd, &st) < 0)
		return -1;
	if (dot)
		s->dots = REPAIR_DOTS_SMTP;
	else if (ignore_dots)
		s->dots = REPAIR_DOTS_KEPT;
	else
		s->dots = S_ISCHR(st.st_mode) && isatty(fd) ? REPAIR_DOTS_END : REPAIR_DOTS_LAST;
	if (S_ISREG(st.st_mode)) {
		s->start = lseek(fd, 0, SEEK_CUR);
		s->seekable = s->start >= 0;
	}
	repair_init(&s->repair, s->dots);
	s->raw = malloc(RAW);
	s->out = malloc(RAW + REPAIR_EXTRA);
	if (s->raw && s->out)
		return 0;
	source_close(s);
	errno = ENOMEM;
	return -1;
}

void source_close(struct source *s)
{
	free(s->raw);
	free(s->out);
	s->raw = s->out = NULL;
}

/* A read that may have to wait although the caller made the descriptor a non-blocking one, which is its own business: it is shared with it. */
static ssize_t read_waiting(int fd, char *to, size_t size)
{
	struct timespec pause = { 0, WAIT_FIRST };
	ssize_t n;

	for (;;) {
		n = read(fd, to, size);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
			return n;
		if (errno == EINTR)
			continue;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < WAIT_MOST)
			pause.tv_nsec *= 2;
	}
}

int source_read(struct source *s, struct span *bytes)
{
	ssize_t n;

	*bytes = (struct span){ s->out, 0 };
	if (s->over || s->repair.ended)
		return 0;
	n = read_waiting(s->fd, s->raw, RAW);
	if (n < 0)
		return -1;
	if (n > 0) {
		bytes->len = repair_feed(&s->repair, s->raw, (size_t)n, s->out);
		return 1;
	}
	s->over = true;
	bytes->len = repair_finish(&s->repair, s->out);
	return bytes->len > 0 ? 1 : 0;
}

int source_rewind(struct source *s)
{
	if (!s->seekable || lseek(s->fd, s->start, SEEK_SET) != s->start)
		return -1;
	repair_init(&s->repair, s->dots);
	s->over = false;
	return 0;
}
