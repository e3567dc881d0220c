/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "open.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctrl.h"

#define BACKLOG 511
#define FIRST_INHERITED 3

_Static_assert(OPEN_MAX_DOORS < DESCRIPTORS_TOLD_MAX, "all doors can be kept");

void open_init(struct open_doors *doors)
{
	*doors = (struct open_doors){ .in = -1, .out = -1 };
}

void open_close(struct open_doors *doors)
{
	for (size_t i = 0; i < doors->count; i++) {
		close(doors->fds[i]);
		if (doors->locks[i] >= 0)
			close(doors->locks[i]);
	}
	if (doors->in >= 0)
		close(doors->in);
	if (doors->out >= 0 && doors->out != doors->in)
		close(doors->out);
	open_init(doors);
}

static int add(struct open_doors *doors, int fd, int lock)
{
	if (doors->count == OPEN_MAX_DOORS) {
		close(fd);
		return -1;
	}
	doors->fds[doors->count] = fd;
	doors->locks[doors->count++] = lock;
	return 0;
}

/* ---- our own sockets ---- */

static socklen_t address_of(const struct config_listen *listen, struct sockaddr_storage *out)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)listen->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)listen->port) };

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, listen->address, &in4.sin_addr) == 1) {
		memcpy(out, &in4, sizeof in4);
		return sizeof in4;
	}
	if (inet_pton(AF_INET6, listen->address, &in6.sin6_addr) != 1)
		return 0;
	memcpy(out, &in6, sizeof in6);
	return sizeof in6;
}

static int listen_at(const struct sockaddr_storage *address, socklen_t len)
{
	const int yes = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved;

	if (fd < 0)
		return -1;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)
	    && (address->ss_family != AF_INET6 || !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes))
	    && !bind(fd, (const struct sockaddr *)address, len) && !listen(fd, BACKLOG))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int open_one(struct open_doors *doors, const struct config_listen *listen, struct str *error)
{
	struct sockaddr_storage address;
	socklen_t len = listen->path ? 0 : address_of(listen, &address);
	int fd = -1, lock = -1;

	if (listen->path) {
		if (ctrl_bind(listen->path, listen->mode, geteuid(), listen->group, &fd, &lock)) {
			(void)str_printf(error, "listen %s: %s", listen->path, errno == EBUSY ? "another process listens there" : strerror(errno));
			return EX_CANTCREAT;
		}
	} else if (!len) {
		(void)str_printf(error, "listen %s: is no IP address", listen->address);
		return EX_CONFIG;
	} else if ((fd = listen_at(&address, len)) < 0) {
		(void)str_printf(error, "listen %s port %u: %s", listen->address, listen->port, strerror(errno));
		return EX_UNAVAILABLE;
	}
	return add(doors, fd, lock) ? EX_CONFIG : 0;
}

int open_configured(struct open_doors *doors, const struct config *config, struct str *error)
{
	int status = 0;

	for (size_t i = 0; i < config->listen_count && !status; i++)
		status = open_one(doors, &config->listen[i], error);
	return status;
}

/* ---- handed over ---- */

static int flag_of(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

static void ask_peer(struct open_doors *doors)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof address;

	(void)getpeername(doors->in, (struct sockaddr *)&address, &len);
	peer_set(&doors->peer, (struct sockaddr *)&address);
}

static uint64_t number_of(const char *name, uint64_t most)
{
	const char *text = getenv(name);
	uint64_t value;

	return text && !span_decimal(span_of(text), most, &value) ? value : 0;
}

/* Past the last one; they are ours where they are meant for this process. */
static int inherited_end(void)
{
	uint64_t count = number_of("LISTEN_FDS", OPEN_MAX_DOORS);

	return FIRST_INHERITED + (number_of("LISTEN_PID", UINT32_MAX) == (uint64_t)getpid() ? (int)count : 0);
}

void open_told(struct descriptors *fds)
{
	for (int fd = FIRST_INHERITED; fd < inherited_end(); fd++)
		(void)descriptors_add(fds, fd);
}

int open_inherited(struct open_doors *doors, struct str *error)
{
	for (int fd = FIRST_INHERITED; fd < inherited_end(); fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (flag_of(fd, SO_TYPE) != SOCK_STREAM || fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
			(void)str_printf(error, "LISTEN_FDS: descriptor %d is no stream socket", fd);
			return EX_USAGE;
		}
		if (flag_of(fd, SO_ACCEPTCONN) == 1) {
			(void)add(doors, fd, -1);
			continue;
		}
		if (doors->in >= 0) {
			(void)str_add(error, "LISTEN_FDS: more than one connected socket");
			return EX_USAGE;
		}
		doors->in = doors->out = fd;
		ask_peer(doors);
	}
	return 0;
}

static void ask_environment(struct open_doors *doors)
{
	const char *ip = getenv("TCPREMOTEIP");

	if (ip && doors->peer.local)
		(void)peer_set_text(&doors->peer, span_of(ip), (unsigned)number_of("TCPREMOTEPORT", 65535));
}

int open_standard(struct open_doors *doors, struct str *error)
{
	bool socket = flag_of(STDIN_FILENO, SO_TYPE) == SOCK_STREAM;

	if (socket && flag_of(STDIN_FILENO, SO_ACCEPTCONN) == 1) {
		/* inetd's wait: the socket that listens */
		int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_INHERITED);

		return fd >= 0 && !fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) && !add(doors, fd, -1) ? 0 : EX_OSERR;
	}
	doors->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_INHERITED);
	doors->out = socket ? doors->in : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_INHERITED);
	if (doors->in < 0 || doors->out < 0) {
		(void)str_printf(error, "standard input or output: %s", strerror(errno));
		return EX_OSERR;
	}
	ask_peer(doors);
	ask_environment(doors);
	return 0;
}
