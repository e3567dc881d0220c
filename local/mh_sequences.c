/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .mh_sequences: a line a sequence, "name: 1-3 7", numbers ascending.  It is only ever appended to or rewritten from one place on in
 * one write, so that whoever is
 * killed leaves a file that can be read. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mh.h"

#define LOCK_TRIES 50			/* nmh holds the lock for a rewrite of the file */
#define LOCK_PAUSE 2000000L		/* nanoseconds */

/* The line of that sequence; false: there is none. */
static bool find_line(const struct str *text, const char *sequence, struct span *line)
{
	struct span rest = str_span(text), name;

	while (span_word(&rest, '\n', line)) {
		struct span numbers = *line;

		if (span_word(&numbers, ':', &name) && name.len < line->len && span_is(name, sequence))
			return true;
	}
	return false;
}

/* A range that ends right before number grows; else the number stands for itself. */
static int add_number(struct str *line, struct span number)
{
	const char *end = line->data + line->len, *at = end;
	uint64_t value, last;

	while (at > line->data && at[-1] >= '0' && at[-1] <= '9')
		at--;
	if (span_decimal(number, UINT32_MAX, &value) < 0)
		return -1;
	if (at == end || at == line->data || span_decimal((struct span){ at, (size_t)(end - at) }, UINT32_MAX, &last) < 0 || last + 1 != value) {
		if (str_add_char(line, ' ') < 0)
			return -1;
		return str_add_span(line, number);
	}
	if (at[-1] == '-')
		str_cut(line, (size_t)(at - line->data));
	else if (str_add_char(line, '-') < 0)
		return -1;
	return str_add_span(line, number);
}

int mh_sequences_add(struct str *text, const char *sequence, struct span numbers, size_t *from)
{
	struct str line = STR_INIT(MH_SEQUENCES_MAX), rest = STR_INIT(MH_SEQUENCES_MAX);
	struct span old, number;
	int result = -1;

	*from = text->len;
	if (find_line(text, sequence, &old)) {
		size_t end = (size_t)(old.data - text->data) + old.len;

		*from = (size_t)(old.data - text->data);
		if (str_add_span(&line, span_trim(old)) < 0 || (end < text->len && str_add_span(&rest, span_skip(str_span(text), end + 1)) < 0))
			goto out;
	} else if ((text->len && text->data[text->len - 1] != '\n' && str_add_char(&line, '\n') < 0) || str_printf(&line, "%s:", sequence) < 0) {
		goto out;
	}
	while (span_word(&numbers, '\0', &number))
		if (number.len && add_number(&line, number) < 0)
			goto out;
	str_cut(text, *from);
	if (!str_add_span(text, str_span(&line)) && !str_add_char(text, '\n') && !str_add_span(text, str_span(&rest)))
		result = 0;
out:
	str_free(&line);
	str_free(&rest);
	return result;
}

/* The lock of fcntl, for nmh's default; for a moment only, as nothing of the delivery depends on it. */
static int lock(int fd)
{
	struct flock want = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct timespec pause = { 0, LOCK_PAUSE };

	for (unsigned i = 0; fcntl(fd, F_OFD_SETLK, &want) < 0; i++) {
		if ((errno != EAGAIN && errno != EACCES) || i == LOCK_TRIES)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int read_all(int fd, struct str *text)
{
	struct stat info;
	ssize_t got;

	if (fstat(fd, &info) < 0 || str_reserve(text, (size_t)info.st_size) < 0)
		return -1;
	got = pread(fd, text->data, (size_t)info.st_size, 0);
	if (got < 0)
		return -1;
	text->len = (size_t)got;
	text->data[text->len] = '\0';
	return 0;
}

/* What could not be written whole is put back: the bytes before the end have their room. */
static int write_from(int fd, const struct str *text, size_t from, const struct str *old)
{
	ssize_t done = pwrite(fd, text->data + from, text->len - from, (off_t)from);
	int error = done < 0 ? errno : ENOSPC;

	if (done == (ssize_t)(text->len - from))
		return fsync(fd);
	if (pwrite(fd, old->data + from, old->len - from, (off_t)from) == (ssize_t)(old->len - from) && ftruncate(fd, (off_t)old->len) < 0)
		error = errno;
	errno = error;
	return -1;
}

static int update(int fd, const char *sequence, struct span numbers, struct str *text, struct str *old)
{
	struct stat info;
	size_t from;

	if (fstat(fd, &info) < 0)
		return -1;
	if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || info.st_size > MH_SEQUENCES_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (lock(fd) < 0 || read_all(fd, text) < 0 || str_set(old, str_span(text)) < 0 || mh_sequences_add(text, sequence, numbers, &from) < 0)
		return -1;
	return write_from(fd, text, from, old);
}

int mh_sequences_update(int folder, const char *sequence, struct span numbers, mode_t mode)
{
	struct str text = STR_INIT(2 * MH_SEQUENCES_MAX), old = STR_INIT(2 * MH_SEQUENCES_MAX);
	int fd = openat(folder, ".mh_sequences", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
	int result = fd < 0 ? -1 : update(fd, sequence, numbers, &text, &old), error = errno;

	if (fd >= 0)
		close(fd);
	str_free(&text);
	str_free(&old);
	errno = error;
	return result;
}
