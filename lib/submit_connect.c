/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocking connections to control sockets, for programs without a loop. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "submit.h"

#define STEP_FIRST (CLOCK_SECOND / 20)
#define STEP_MOST CLOCK_SECOND

void submit_connect_nap(uint64_t *step)
{
	struct timespec t;

	if (*step == 0)
		*step = STEP_FIRST;
	t = (struct timespec){ (time_t)(*step / CLOCK_SECOND), (long)(*step % CLOCK_SECOND) * 1000 };
	nanosleep(&t, NULL);
	*step = *step * 2 > STEP_MOST ? STEP_MOST : *step * 2;
}

static struct timeval timeout_of(uint64_t microseconds)
{
	struct timeval t;

	if (microseconds > UINT64_C(1000000000) * CLOCK_SECOND)
		microseconds = UINT64_C(1000000000) * CLOCK_SECOND;
	if (microseconds == 0)
		microseconds = 1;	/* 0 would mean for ever */
	t.tv_sec = (time_t)(microseconds / CLOCK_SECOND);
	t.tv_usec = (suseconds_t)(microseconds % CLOCK_SECOND);
	return t;
}

int submit_connect_timeout(int fd, uint64_t microseconds)
{
	struct timeval t = timeout_of(microseconds);

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

/* A connected descriptor, or -1 with errno. */
static int connect_once(const struct sockaddr_un *name, uint64_t patience)
{
	struct timeval t = timeout_of(patience < CLOCK_SECOND ? CLOCK_SECOND : patience);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r, saved;

	if (fd < 0)
		return -1;
	/* The same limit holds for a connect against a full backlog and for a peer that does not read. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0) {
		do
			r = connect(fd, (const struct sockaddr *)name, sizeof *name);
		while (r < 0 && errno == EINTR);
		if (r == 0)
			return fd;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* What a failed connect means: 0 that the peer is away and may come back, else a sysexits code. */
static int connect_verdict(int error)
{
	switch (error) {
	case ENOENT: case ECONNREFUSED: case EAGAIN: case ECONNRESET: case ETIMEDOUT:
		return 0;
	case EACCES: case EPERM:
		return EX_NOPERM;
	case ENOTDIR: case EPROTOTYPE: case ELOOP: case ENAMETOOLONG:
		return EX_CONFIG;
	default:
		return EX_TEMPFAIL;	/* descriptors, memory */
	}
}

int submit_connect(const char *path, const char *owner, uint64_t wait, int *fd, struct str *error)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	uint64_t now = clock_boot(), step = 0;
	uint64_t until = wait > CLOCK_NEVER - now ? CLOCK_NEVER : now + wait;
	int code;

	if (strlen(path) >= sizeof name.sun_path) {
		str_printf(error, "socket path %s is too long: at most %zu bytes", path, sizeof name.sun_path - 1);
		return EX_CONFIG;
	}
	memcpy(name.sun_path, path, strlen(path));
	for (;;) {
		*fd = connect_once(&name, until - now);
		if (*fd >= 0)
			return 0;
		code = connect_verdict(errno);
		now = clock_boot();
		if (code != 0 || now >= until)
			break;
		submit_connect_nap(&step);
		now = clock_boot() < until ? clock_boot() : until;
	}
	if (code == 0)
		str_printf(error, "%s is away: %s: %s; is deaddrop-%s running?", owner, path, strerror(errno), owner);
	else
		str_printf(error, "cannot connect to %s: %s: %s%s", owner, path, strerror(errno),
		    code == EX_NOPERM ? "; your user may not use this socket" : "");
	return code == 0 ? EX_TEMPFAIL : code;
}
