/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names.  The resolver blocks, so that each question runs in a process of its own, a few at a time; its answer is one write of less
 * than PIPE_BUF, so that
 * it comes whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "keeper_internal.h"

#define RUNNING_MAX 16
#define WAITING_MAX 1024
#define TIME_LIMIT (30 * CLOCK_SECOND)
#define PORT_MAX 31
#define RESULT_FD 3

struct keeper_names {
	struct keeper_names *next;
	struct keeper_child *child;
	uint32_t id;
	enum keeper_verb verb;
	char name[KEEPER_NAME_MAX + 1], port[PORT_MAX + 1];
	struct sockaddr_storage address;	/* KEEPER_HOST */
	socklen_t address_len;
	pid_t pid;				/* 0: waiting; -1: reaped */
	int fd;
	struct loop_watch *watch;
	struct loop_timer limit;
};

struct result {
	int32_t error;
	uint32_t count;
	union {
		struct sockaddr_storage addresses[KEEPER_ADDRESSES_MAX];
		char name[KEEPER_NAME_MAX + 1];
	} is;
};
_Static_assert(sizeof (struct result) <= PIPE_BUF, "an answer must come in one piece");

/* In the process that asks */

static void resolve(const struct keeper_names *names, struct result *result)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;

	result->error = getaddrinfo(names->name, names->port[0] != '\0' ? names->port : NULL, &hints, &list);
	if (result->error != 0)
		return;
	for (const struct addrinfo *at = list; at != NULL && result->count < KEEPER_ADDRESSES_MAX; at = at->ai_next)
		if (at->ai_addrlen <= sizeof result->is.addresses[0])
			memcpy(&result->is.addresses[result->count++], at->ai_addr, at->ai_addrlen);
	freeaddrinfo(list);
}

static void find_host(const struct keeper_names *names, struct result *result)
{
	result->error = getnameinfo((const struct sockaddr *)&names->address, names->address_len, result->is.name, sizeof result->is.name, NULL, 0, NI_NAMEREQD);
	if (result->error == 0)
		result->count = (uint32_t)strlen(result->is.name);
}

/* The limit in here as well: a keeper that is killed leaves nobody behind. */
static int ask(const struct keeper_names *names, int fd)
{
	const struct keeper_child *child = names->child;
	struct result result = { .error = 0 };

	/* what resolves names reads what strangers sent: it has neither root's powers nor the commands' freedom */
	if (keeper_child_strip(fd) < 0 || (geteuid() == 0 && child->uid != 0 && keeper_child_be(child->uid, child->gid) < 0) ||
	    keeper_child_sandbox_names(child->list) < 0)
		return 1;
	(void)alarm(TIME_LIMIT / CLOCK_SECOND);
	if (names->verb == KEEPER_RESOLVE)
		resolve(names, &result);
	else
		find_host(names, &result);
	return write(RESULT_FD, &result, sizeof result) == (ssize_t)sizeof result ? 0 : 1;
}

/* In the keeper */

static void remove_names(struct keeper_names *names)
{
	struct keeper_child *child = names->child;
	struct keeper_names **at = &child->names;

	while (*at != names)
		at = &(*at)->next;
	*at = names->next;
	child->names_count--;
	loop_timer_clear(child->loop, &names->limit);
	loop_unwatch(names->watch);
	if (names->fd >= 0)
		close(names->fd);
	free(names);
}

static void run_waiting(struct keeper_child *child);

/* Modules and their servers have met no blanks and control characters in names. */
static bool is_clean(const char *name, size_t len, unsigned char last)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || (unsigned char)name[i] > last || name[i] == 0x7f)
			return false;
	return true;
}

/* The process that asked has read what strangers sent, and may not be itself any more. */
static bool is_sound(enum keeper_verb verb, const struct result *result)
{
	if (verb == KEEPER_RESOLVE)
		return result->count <= KEEPER_ADDRESSES_MAX;
	return result->count <= KEEPER_NAME_MAX && is_clean(result->is.name, result->count, '~');
}

static void answered(void *arg, unsigned events)
{
	struct keeper_names *names = arg;
	struct keeper_child *child = names->child;
	struct result result;
	struct keeper_answer answer = { .kind = KEEPER_DONE, .id = names->id, .error = EAI_AGAIN };
	size_t len = 0;
	ssize_t n = read(names->fd, &result, sizeof result);

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n == (ssize_t)sizeof result && is_sound(names->verb, &result)) {
		answer.error = result.error;
		answer.count = result.count;
		len = names->verb == KEEPER_RESOLVE ? result.count * sizeof result.is.addresses[0] : result.count;
	}
	if (names->pid > 0)
		(void)kill(names->pid, SIGKILL);	/* it has said what it had to say */
	child->names_running--;
	remove_names(names);
	keeper_child_answer(child, &answer, &result.is, len, NULL, 0);
	run_waiting(child);
}

/* Its death closes the pipe, which answers. */
static void too_long(void *arg)
{
	const struct keeper_names *names = arg;

	if (names->pid > 0)
		(void)kill(names->pid, SIGKILL);
}

static int start(struct keeper_child *child, struct keeper_names *names)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	names->fd = ends[0];
	if (loop_watch(child->loop, ends[0], LOOP_READ, answered, names, &names->watch) < 0 ||
	    loop_timer_set(child->loop, &names->limit, clock_boot() + TIME_LIMIT) < 0) {
		close(ends[1]);
		return -1;
	}
	names->pid = fork();
	if (names->pid == 0)
		_exit(ask(names, ends[1]));
	close(ends[1]);
	return names->pid < 0 ? -1 : 0;
}

static void run_waiting(struct keeper_child *child)
{
	struct keeper_names *names = child->names, *next;

	for (; names != NULL && child->names_running < RUNNING_MAX && !child->ending; names = next) {
		next = names->next;
		if (names->pid != 0)
			continue;
		if (start(child, names) == 0) {
			child->names_running++;
		} else {
			uint32_t id = names->id;

			remove_names(names);
			keeper_child_fail(child, id, EAI_AGAIN);
		}
	}
}

void keeper_child_name_ended(struct keeper_child *child, pid_t pid)
{
	for (struct keeper_names *names = child->names; names != NULL; names = names->next)
		if (names->pid == pid)
			names->pid = -1;
}

/* Payload: NAME NUL PORT NUL, or an address. */
static bool read_payload(struct keeper_names *names, const char *payload, size_t len)
{
	size_t name_len = strnlen(payload, len), port_len;

	if (names->verb == KEEPER_HOST) {
		if (len < sizeof (sa_family_t) || len > sizeof names->address)
			return false;
		memcpy(&names->address, payload, len);
		names->address_len = (socklen_t)len;
		return (names->address.ss_family == AF_INET && len >= sizeof (struct sockaddr_in)) ||
		    (names->address.ss_family == AF_INET6 && len >= sizeof (struct sockaddr_in6));
	}
	if (name_len == 0 || name_len > KEEPER_NAME_MAX || name_len + 2 > len)
		return false;
	port_len = strnlen(payload + name_len + 1, len - name_len - 1);
	if (port_len > PORT_MAX || name_len + port_len + 2 != len || !is_clean(payload, name_len, UCHAR_MAX) || !is_clean(payload + name_len + 1, port_len, UCHAR_MAX))
		return false;
	memcpy(names->name, payload, name_len);
	memcpy(names->port, payload + name_len + 1, port_len);
	return true;
}

void keeper_child_name(struct keeper_child *child, const struct keeper_request *request, char *payload)
{
	struct keeper_names *names, **at = &child->names;

	if (!child->list->names || child->names_count >= WAITING_MAX) {
		keeper_child_fail(child, request->id, child->list->names ? EAI_AGAIN : EAI_FAIL);
		return;
	}
	names = calloc(1, sizeof *names);
	if (names == NULL) {
		keeper_child_fail(child, request->id, EAI_MEMORY);
		return;
	}
	*names = (struct keeper_names){ .child = child, .id = request->id, .verb = (enum keeper_verb)request->verb, .fd = -1 };
	loop_timer_init(&names->limit, too_long, names);
	if (!read_payload(names, payload, request->length)) {
		free(names);
		keeper_child_fail(child, request->id, EAI_NONAME);
		return;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = names;
	child->names_count++;
	run_waiting(child);
}
