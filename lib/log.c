/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where lines go: the sinks, and the bounded buffer for lines that a sink does not take at once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log_internal.h"

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a line must reach a pipe whole or not at all");

/* RFC 3164: facility mail (2), severity error (3) and informational (6) */
#define PRIORITY_ERROR (2 * 8 + 3)
#define PRIORITY_INFO (2 * 8 + 6)

struct log {
	const char *stage;
	enum log_sink sink;
	int fd;
	bool own;			/* fd was opened here */
	bool is_socket;			/* standard error is a socket (a journal's): only sendmsg can be told not to block */
	bool batch;
	unsigned verbose;
	pid_t pid;
	uint64_t lost, reported;
	size_t len;			/* of what waits: whole lines, but for a part of the first that has been written */
	char waiting[LOG_WAITING_MAX];
};

static int
connect_syslog(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * The non-blocking flag belongs to the open file, which a pipe or terminal on standard error shares with the supervisor and everybody else: a second
 * open file of our own is needed to have it.  A regular file never makes a writer wait, and its offset must stay shared.
 */
static int
open_again(int fd)
{
	struct stat st;
	char path[40];
	if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd))))
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void
use_stream(struct log *log, int fd)
{
	struct stat st;
	int again = open_again(fd);
	log->own = again != -1;
	log->fd = log->own ? again : fd;
	log->is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

struct log *
log_new(const char *stage, enum log_sink sink, int fd)
{
	struct log *log = calloc(1, sizeof *log);
	if (log == NULL)
		return NULL;
	log->stage = stage;
	log->sink = sink;
	log->pid = getpid();
	if (sink != LOG_SYSLOG) {
		use_stream(log, fd);
	} else if ((log->fd = connect_syslog()) != -1) {
		log->own = true;
	} else {
		int why = errno;
		log->sink = LOG_STDERR;
		use_stream(log, STDERR_FILENO);
		errno = why;
		log_errno(log, "syslog: connect: /dev/log; standard error is used");
	}
	return log;
}

void
log_free(struct log *log)
{
	if (log == NULL)
		return;
	log_retry(log);
	if (log->own)
		close(log->fd);
	free(log);
}

void
log_set_verbose(struct log *log, unsigned level)
{
	if (log != NULL)
		log->verbose = level;
}

unsigned
log_verbose(const struct log *log)
{
	return log != NULL ? log->verbose : 0;
}

int
log_fd(const struct log *log)
{
	return log != NULL ? log->fd : -1;
}

bool
log_waiting(const struct log *log)
{
	return log != NULL && log->len > 0;
}

uint64_t
log_lost(const struct log *log)
{
	return log != NULL ? log->lost : 0;
}

void
log_batch(struct log *log, bool batch)
{
	if (log == NULL)
		return;
	log->batch = batch;
	if (!batch)
		log_retry(log);
}

size_t
log_prefix(const struct log *log, const char *event, char *text, size_t size)
{
	int len = 0;
	if (log->sink == LOG_SYSLOG) {
		int priority = strcmp(event, "error") == 0 ? PRIORITY_ERROR : PRIORITY_INFO;
		len = snprintf(text, size, "<%d>deaddrop-%s[%ld]: ", priority, log->stage, (long)log->pid);
	} else if (log->sink == LOG_FILE) {
		uint64_t now = clock_wall();
		time_t seconds = (time_t)(now / CLOCK_SECOND);
		struct tm tm;
		char date[32] = "";
		if (localtime_r(&seconds, &tm) != NULL)
			strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
		len = snprintf(text, size, "%s.%03u %s: ", date, (unsigned)(now % CLOCK_SECOND / 1000), log->stage);
	} else {
		len = snprintf(text, size, "%s: ", log->stage);
	}
	return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

/* Syslog is gone, and cannot be reached again from a chroot: the supervisor's log is better than none. */
static void
leave_syslog(struct log *log)
{
	close(log->fd);
	log->sink = LOG_STDERR;
	log->own = false;
	use_stream(log, STDERR_FILENO);
}

/* Writes as much of data (whole lines) as the sink takes now: bytes, or -1 if none. */
static ssize_t
emit(struct log *log, const char *data, size_t len)
{
	ssize_t n;
	do {
		if (log->sink == LOG_SYSLOG) {
			n = write(log->fd, data, len - 1);
			n += n >= 0;
		} else if (log->is_socket) {
			struct iovec bytes = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
			struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
			n = sendmsg(log->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		} else {
			n = write(log->fd, data, len);
		}
	} while (n == -1 && errno == EINTR);
	if (n == -1 && log->sink == LOG_SYSLOG && errno != EAGAIN && errno != ENOBUFS && errno != EMSGSIZE)
		leave_syslog(log);
	return n;
}

/* How much of what waits goes into one write: whole lines of at most PIPE_BUF bytes together; one line to syslog, a datagram each. */
static size_t
next_piece(const struct log *log, size_t from)
{
	size_t end = from;
	while (end < log->len) {
		const char *newline = memchr(log->waiting + end, '\n', log->len - end);
		size_t next = newline != NULL ? (size_t)(newline - log->waiting) + 1 : log->len;
		if (end > from && (next - from > PIPE_BUF || log->sink == LOG_SYSLOG))
			break;
		end = next;
	}
	return end - from;
}

static void
write_waiting(struct log *log)
{
	size_t done = 0;
	while (done < log->len) {
		size_t piece = next_piece(log, done);
		ssize_t n = emit(log, log->waiting + done, piece);
		if (n > 0)
			done += (size_t)n;
		if (n < (ssize_t)piece)
			break;
	}
	if (done > 0) {
		memmove(log->waiting, log->waiting + done, log->len - done);
		log->len -= done;
	}
}

/* Lines were lost: until half of the buffer is free again so are all others, that the count stands where they are missing and does not take a line each. */
static bool
take_lines(struct log *log)
{
	if (log->lost == log->reported)
		return true;
	if (log->len > LOG_WAITING_MAX / 2)
		return false;
	char *text = log->waiting + log->len;
	size_t len = log_prefix(log, "log", text, 256);
	len += (size_t)snprintf(text + len, 256, "log lost=%llu\n", (unsigned long long)(log->lost - log->reported));
	log->len += len;
	log->reported = log->lost;
	return true;
}

void
log_retry(struct log *log)
{
	if (log == NULL)
		return;
	write_waiting(log);
	if (log->lost != log->reported && take_lines(log))
		write_waiting(log);
}

void
log_put(struct log *log, const char *text, size_t len)
{
	int saved = errno;
	if (log->lost != log->reported || log->len + len > sizeof log->waiting)
		write_waiting(log);
	if (!take_lines(log) || log->len + len > sizeof log->waiting) {
		log->lost++;
	} else {
		memcpy(log->waiting + log->len, text, len);
		log->len += len;
		if (!log->batch || log->len >= PIPE_BUF)
			write_waiting(log);
	}
	errno = saved;
}
