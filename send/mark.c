/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "mark.h"

#define LINE_MAX_BYTES 64
#define AHEAD (60 * CLOCK_SECOND)

int
mark_put(struct str *out, uint64_t value)
{
	struct str digits = STR_INIT(LINE_MAX_BYTES);
	int result = -1;

	if (str_add_decimal(&digits, value, 1) == 0 && str_add(out, "%m ") == 0
	    && str_add_hex(out, crc32c(0, digits.data, digits.len), 8) == 0
	    && str_printf(out, " %s\n", digits.data) == 0)
		result = 0;
	str_free(&digits);
	return result;
}

int
mark_parse(struct span text, uint64_t *value)
{
	struct span word;
	uint64_t crc;

	if (text.len == 0 || text.data[text.len - 1] != '\n')
		return -1;
	text.len--;
	if (!span_word(&text, ' ', &word) || !span_is(word, "%m") || !span_word(&text, ' ', &word) || word.len != 8
	    || span_hex(word, UINT32_MAX, &crc) < 0 || span_decimal(text, UINT64_MAX, value) < 0)
		return -1;
	return crc32c(0, text.data, text.len) == crc ? 0 : -1;
}

int
mark_open(struct mark *mark, int dir)
{
	char line[LINE_MAX_BYTES];
	ssize_t n;
	int fd;

	*mark = (struct mark){ .dir = dir };
	fd = openat(dir, "mark", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = pread(fd, line, sizeof(line), 0);
	close(fd);
	if (n < 0)
		return -1;
	if (mark_parse((struct span){ line, (size_t)n }, &mark->old) < 0)
		mark->old = UINT64_MAX;
	else
		mark->value = mark->old;
	return 0;
}

static int
write_whole(int fd, const struct str *line)
{
	ssize_t n = write(fd, line->data, line->len);

	if (n >= 0 && (size_t)n < line->len) {
		errno = ENOSPC;
		return -1;
	}
	return n < 0 ? -1 : fdatasync(fd);
}

static int
replace(struct mark *mark, uint64_t value)
{
	struct str line = STR_INIT(LINE_MAX_BYTES);
	int fd, result = -1, saved;

	fd = openat(mark->dir, "mark.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd >= 0 && mark_put(&line, value) == 0 && write_whole(fd, &line) == 0
	    && renameat(mark->dir, "mark.tmp", mark->dir, "mark") == 0 && fsync(mark->dir) == 0) {
		mark->value = value;
		result = 0;
	}
	saved = errno;
	if (fd >= 0)
		close(fd);
	if (result < 0)
		unlinkat(mark->dir, "mark.tmp", 0);
	str_free(&line);
	errno = saved;
	return result;
}

int
mark_cover(struct mark *mark, uint64_t usec, uint64_t now)
{
	uint64_t value = usec > now ? usec : now;

	if (usec <= mark->value)
		return 0;
	return replace(mark, value > UINT64_MAX - AHEAD ? UINT64_MAX : value + AHEAD);
}

int
mark_lower(struct mark *mark, uint64_t usec)
{
	return usec < mark->value ? replace(mark, usec) : 0;
}
