/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX 1000

struct try {
	struct stream_connect *all;
	struct sockaddr_storage address;
	int fd;
	struct loop_watch *watch;
};

struct stream_connect {
	struct loop *loop;
	stream_connect_fn *fn;
	void *arg;
	struct loop_timer next;
	struct try tries[STREAM_ADDRESSES_MAX];
	size_t count, started, open;
	struct str text;		/* what failed, and why */
};

static bool is_known(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET || address->ss_family == AF_INET6 || address->ss_family == AF_UNIX;
}

static socklen_t length_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return sizeof(struct sockaddr_in);
	if (address->ss_family == AF_INET6)
		return sizeof(struct sockaddr_in6);
	return sizeof(struct sockaddr_un);
}

int stream_connect_text(struct str *out, const struct sockaddr_storage *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_un *path = (const struct sockaddr_un *)address;
	char text[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET && inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text)) != NULL)
		return str_printf(out, "%s:%u", text, (unsigned)ntohs(four->sin_port));
	if (address->ss_family == AF_INET6 && inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text)) != NULL)
		return str_printf(out, "[%s]:%u", text, (unsigned)ntohs(six->sin6_port));
	if (address->ss_family == AF_UNIX)
		return str_append(out, path->sun_path, strnlen(path->sun_path, sizeof(path->sun_path)));
	return str_add(out, "unknown address");
}

static void close_try(struct try *try, bool keep)
{
	if (try->fd < 0)
		return;
	loop_unwatch(try->watch);
	try->watch = NULL;
	if (!keep)
		close(try->fd);
	try->fd = -1;
	try->all->open--;
}

void stream_connect_cancel(struct stream_connect *attempt)
{
	if (attempt == NULL)
		return;
	for (size_t i = 0; i < attempt->started; i++)
		close_try(&attempt->tries[i], false);
	loop_timer_clear(attempt->loop, &attempt->next);
	str_free(&attempt->text);
	free(attempt);
}

static void note_failure(struct try *try, int error)
{
	struct str *text = &try->all->text;

	(void)str_add(text, text->len > 0 ? "; " : "");
	(void)stream_connect_text(text, &try->address);
	(void)str_printf(text, ": %s", strerror(error));
	close_try(try, false);
}

static void won(struct try *try)
{
	struct stream_connect *all = try->all;
	stream_connect_fn *fn = all->fn;
	void *arg = all->arg;
	struct sockaddr_storage address = try->address;
	const int fd = try->fd, on = 1;

	/* small commands wait for replies here: nothing is gained by holding one back */
	if (address.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close_try(try, true);
	stream_connect_cancel(all);
	fn(arg, fd, &address, "");
}

static void lost(struct stream_connect *all)
{
	stream_connect_fn *fn = all->fn;
	void *arg = all->arg;
	struct str text = all->text;

	all->text = (struct str)STR_INIT(TEXT_MAX);
	stream_connect_cancel(all);
	fn(arg, -1, NULL, text.data);
	str_free(&text);
}

static void proceed(void *arg);

static void on_event(void *arg, unsigned events)
{
	struct try *try = arg;
	struct stream_connect *all = try->all;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(try->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		won(try);
		return;
	}
	note_failure(try, error);
	proceed(all);		/* the next one need not wait for its turn any more */
}

/* 0: under way; 1: it stands already; -1: failed and noted. */
static int start(struct try *try)
{
	int result;

	try->fd = socket(try->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (try->fd >= 0)
		try->all->open++;
	result = try->fd < 0 ? -1 : connect(try->fd, (const struct sockaddr *)&try->address, length_of(&try->address));
	if (result == 0)
		return 1;
	if (try->fd >= 0 && (errno == EINPROGRESS || errno == EINTR) && loop_watch(try->all->loop, try->fd, LOOP_WRITE, on_event, try, &try->watch) == 0)
		return 0;
	note_failure(try, errno);
	return -1;
}

/* Starts the next that can be started; without any left and none open it is over. */
static void proceed(void *arg)
{
	struct stream_connect *all = arg;

	loop_timer_clear(all->loop, &all->next);
	while (all->started < all->count) {
		struct try *try = &all->tries[all->started++];
		int result = start(try);

		if (result > 0) {
			won(try);
			return;
		}
		/* without memory for the timer the others wait until this one fails */
		if (result == 0) {
			if (all->started < all->count)
				(void)loop_timer_set(all->loop, &all->next, loop_now(all->loop) + STREAM_STAGGER);
			return;
		}
	}
	if (all->open == 0)
		lost(all);
}

/* Families alternate, beginning with the first address's; within each the order stays. */
static size_t sort(struct stream_connect *all, const struct sockaddr_storage *addresses, size_t count)
{
	bool used[STREAM_ADDRESSES_MAX] = { false };
	size_t n = 0;

	for (size_t left = count; left > 0; left--) {
		size_t pick = count;

		for (size_t i = 0; i < count; i++) {
			if (used[i])
				continue;
			if (pick == count)
				pick = i;
			if (n > 0 && addresses[i].ss_family != all->tries[n - 1].address.ss_family) {
				pick = i;
				break;
			}
		}
		used[pick] = true;
		if (is_known(&addresses[pick]))
			all->tries[n++] = (struct try){ .all = all, .address = addresses[pick], .fd = -1 };
	}
	return n;
}

struct stream_connect *stream_connect_new(struct loop *loop, const struct sockaddr_storage *addresses, size_t count, stream_connect_fn *fn, void *arg)
{
	struct stream_connect *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->loop = loop;
	all->fn = fn;
	all->arg = arg;
	all->text = (struct str)STR_INIT(TEXT_MAX);
	loop_timer_init(&all->next, proceed, all);
	all->count = sort(all, addresses, count < STREAM_ADDRESSES_MAX ? count : STREAM_ADDRESSES_MAX);
	if (all->count > 0 && loop_timer_set(loop, &all->next, loop_now(loop)) == 0)
		return all;
	errno = all->count == 0 ? EINVAL : ENOMEM;
	free(all);
	return NULL;
}
