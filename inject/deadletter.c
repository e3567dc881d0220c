/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "deadletter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define BUFFER (64U * 1024)
#define LOCK_TRIES 100		/* a tenth of a second apart */

static const char from[] = "From ";

static int take_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct timespec pause = { 0, 100000000 };
	int i;

	for (i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(fd, F_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -1;
		nanosleep(&pause, NULL);
	}
	errno = EAGAIN;
	return -1;
}

/* Root may be asked to write where an ordinary user can put things: what is there already must be our own, under this name alone. */
static int check(int fd, off_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = st.st_size;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1) {
		errno = EPERM;
		return -1;
	}
	return st.st_size == 0 ? fchmod(fd, 0600) : 0;		/* a new one, whatever the umask is */
}

static void flush(struct deadletter *d)
{
	size_t at = 0;
	ssize_t n;

	while (d->error == 0 && at < d->out.len) {
		n = write(d->fd, d->out.data + at, d->out.len - at);
		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			d->error = n == 0 ? ENOSPC : errno;
	}
	str_cut(&d->out, 0);
}

static void put(struct deadletter *d, const char *bytes, size_t len)
{
	if (d->out.len + len > BUFFER)
		flush(d);
	if (d->error == 0 && str_append(&d->out, bytes, len) < 0)
		d->error = errno;
}

static void put_postmark(struct deadletter *d, const char *login)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof date, " %a %b %e %H:%M:%S %Y\n", &tm);	/* no locale was set */
	put(d, from, strlen(from));
	put(d, login, strlen(login));
	put(d, date, strlen(date));
}

int deadletter_open(struct deadletter *d, const char *home, const char *login)
{
	*d = (struct deadletter){ .path = STR_INIT(PATH_BYTES), .out = STR_INIT(BUFFER), .fd = -1 };
	if (home[0] != '/') {
		errno = ENOENT;
		return -1;
	}
	if (str_printf(&d->path, "%s/dead.letter", home) < 0)
		return -1;
	d->fd = open(d->path.data, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (d->fd < 0 || check(d->fd, &d->before) < 0 || take_lock(d->fd) < 0 || check(d->fd, &d->before) < 0)
		return -1;
	put_postmark(d, login);
	return 0;
}

/* A line of ">"s and "From " gets one more ">", and so can be told from the next message's postmark. */
static void put_char(struct deadletter *d, char c)
{
	if (!d->in_line && c == from[d->matched]) {
		if (from[++d->matched] != '\0')
			return;
		put(d, ">From ", 6);
		d->matched = 0;
		d->in_line = true;
		return;
	}
	put(d, from, d->matched);
	d->in_line = c != '\n' && (d->in_line || d->matched > 0 || c != '>');
	d->matched = 0;
	put(d, &c, 1);
}

void deadletter_add(struct deadletter *d, struct span bytes)
{
	size_t i;

	for (i = 0; i < bytes.len && d->error == 0; i++)
		put_char(d, bytes.data[i]);
	if (bytes.len > 0)
		d->newline = bytes.data[bytes.len - 1] == '\n';
}

int deadletter_end(struct deadletter *d)
{
	put(d, from, d->matched);
	put(d, "\n\n", d->newline ? 1 : 2);
	flush(d);
	if (d->error == 0 && fsync(d->fd) < 0)
		d->error = errno;
	if (d->error == 0)
		return 0;
	if (ftruncate(d->fd, d->before) < 0)
		str_add(&d->path, " (which has a part of it now)");
	errno = d->error;
	return -1;
}

void deadletter_close(struct deadletter *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	str_free(&d->path);
	str_free(&d->out);
}
