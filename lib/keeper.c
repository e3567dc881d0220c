/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stage's side.  A call waits in `calls` from its request to its answer; a started command waits in `commands` for its end.
 * Either is taken out of its list
 * before its callback runs, so that a callback may do anything, keeper_stop included.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper_internal.h"

#define CALLS_MAX 1024
#define ANSWERS_A_TURN 64
#define ENV_MAX 64

struct call {
	struct call *next;
	struct keeper_request request;
	char *payload;			/* until it is sent */
	bool sent;
	keeper_fd_fn *fd;		/* that one is set which the verb has */
	keeper_run_fn *started;
	keeper_end_fn *ended;
	keeper_names_fn *names;
	keeper_host_fn *host;
	void *arg;
};

struct keeper {
	int fd;				/* -1: gone */
	struct loop *loop;
	struct loop_watch *watch;
	struct call *calls, *commands;
	size_t call_count;
	uint32_t last_id;
	unsigned busy;			/* within a callback: not to be freed */
	bool stopped;
};

struct keeper *keeper_start(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);
	char first[1024];
	ssize_t n;

	if (keeper == NULL) {
		(void)str_add(error, strerror(ENOMEM));
		return NULL;
	}
	keeper->fd = keeper_child_fork(list, uid, gid, error);
	if (keeper->fd >= 0) {
		do
			n = recv(keeper->fd, first, sizeof first, 0);
		while (n < 0 && errno == EINTR);
		if (n == 1 && first[0] == '\0')
			return keeper;
		(void)str_add_span(error, n > 0 ? (struct span){ first, (size_t)n } : span_of("keeper: it ended at its start"));
		close(keeper->fd);
	}
	free(keeper);
	return NULL;
}

/* Calls */

static void free_call(struct call *call)
{
	free(call->payload);
	free(call);
}

static struct call *take_call(struct call **list, uint32_t id)
{
	struct call *call;

	while ((call = *list) != NULL && call->request.id != id)
		list = &call->next;
	if (call != NULL)
		*list = call->next;
	return call;
}

static void append(struct call **list, struct call *call)
{
	while (*list != NULL)
		list = &(*list)->next;
	call->next = NULL;
	*list = call;
}

/* Names are asked for again later. */
static void fail(struct call *call, int error, int name_error)
{
	if (call->fd != NULL)
		call->fd(call->arg, -1, error);
	else if (call->started != NULL)
		call->started(call->arg, NULL, error);
	else if (call->names != NULL)
		call->names(call->arg, NULL, 0, name_error);
	else if (call->host != NULL)
		call->host(call->arg, NULL, name_error);
	free_call(call);
}

static void fail_all(struct keeper *keeper)
{
	struct call *call;

	keeper->busy++;
	if (keeper->fd >= 0) {
		loop_unwatch(keeper->watch);
		close(keeper->fd);
		keeper->watch = NULL;
		keeper->fd = -1;
	}
	while ((call = keeper->calls) != NULL) {
		keeper->calls = call->next;
		keeper->call_count--;
		fail(call, EPIPE, EAI_AGAIN);
	}
	while ((call = keeper->commands) != NULL) {
		keeper->commands = call->next;
		call->ended(call->arg, call->request.id, KEEPER_STATUS_UNKNOWN);
		free_call(call);
	}
	keeper->busy--;
}

void keeper_stop(struct keeper *keeper)
{
	if (keeper == NULL || keeper->stopped)
		return;
	keeper->stopped = true;
	fail_all(keeper);
	if (keeper->busy == 0)
		free(keeper);
}

/* Requests */

static int send_call(struct keeper *keeper, struct call *call)
{
	struct iovec parts[2] = { { &call->request, sizeof call->request }, { call->payload, call->request.length } };
	struct msghdr header = { .msg_iov = parts, .msg_iovlen = 2 };

	if (sendmsg(keeper->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -1;
	free(call->payload);
	call->payload = NULL;
	call->sent = true;
	return 0;
}

/* What is unsent leaves in its order.  A keeper that is gone shows at the next reading. */
static void send_calls(struct keeper *keeper)
{
	struct call **at = &keeper->calls;
	bool full = false;

	while (*at != NULL && !full) {
		struct call *call = *at;

		full = !call->sent && send_call(keeper, call) < 0;
		if (call->request.verb == KEEPER_KILL && !full) {
			*at = call->next;
			keeper->call_count--;
			free_call(call);
		} else {
			at = &call->next;
		}
	}
	if (keeper->watch != NULL)
		(void)loop_change(keeper->watch, full ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static bool id_in_use(const struct keeper *keeper, uint32_t id)
{
	const struct call *call = keeper->calls;

	while (call != NULL && call->request.id != id)
		call = call->next;
	if (call == NULL)
		for (call = keeper->commands; call != NULL && call->request.id != id; )
			call = call->next;
	return id == 0 || call != NULL;
}

static int request(struct keeper *keeper, const struct call *want, const void *payload, size_t len)
{
	struct call *call;

	if (keeper->fd < 0 || keeper->call_count >= CALLS_MAX || len > KEEPER_PAYLOAD_MAX) {
		errno = keeper->fd < 0 ? EPIPE : len > KEEPER_PAYLOAD_MAX ? E2BIG : EAGAIN;
		return -1;
	}
	call = malloc(sizeof *call);
	if (call == NULL)
		return -1;
	*call = *want;
	call->request.length = (uint32_t)len;
	call->payload = malloc(len + 1);
	if (call->payload == NULL) {
		free(call);
		return -1;
	}
	if (len > 0)
		memcpy(call->payload, payload, len);
	if (call->request.id == 0) {
		do
			keeper->last_id++;
		while (id_in_use(keeper, keeper->last_id));
		call->request.id = keeper->last_id;
	}
	append(&keeper->calls, call);
	keeper->call_count++;
	send_calls(keeper);
	return 0;
}

int keeper_open(struct keeper *keeper, int index, keeper_fd_fn *fn, void *arg)
{
	return request(keeper, &(struct call){ .request = { .verb = KEEPER_OPEN, .index = index }, .fd = fn, .arg = arg }, NULL, 0);
}

int keeper_connect(struct keeper *keeper, int index, keeper_fd_fn *fn, void *arg)
{
	return request(keeper, &(struct call){ .request = { .verb = KEEPER_CONNECT, .index = index }, .fd = fn, .arg = arg }, NULL, 0);
}

/* Whether the names are allowed the keeper alone knows. */
static int run(struct keeper *keeper, const struct call *want, const char *user, char *const *env)
{
	struct str strings = STR_INIT(KEEPER_PAYLOAD_MAX);
	int result = 0, why;

	if (user != NULL)
		result = str_append(&strings, user, strlen(user) + 1);
	for (size_t i = 0; env != NULL && env[i] != NULL && result == 0; i++) {
		if (i < ENV_MAX)
			result = str_append(&strings, env[i], strlen(env[i]) + 1);
		else
			result = -1, errno = E2BIG;
	}
	if (result == 0)
		result = request(keeper, want, strings.data, strings.len);
	why = errno;
	str_free(&strings);
	errno = why;
	return result;
}

int keeper_run(struct keeper *keeper, int index, char *const *env, keeper_run_fn *started, keeper_end_fn *ended, void *arg)
{
	return run(keeper, &(struct call){ .request = { .verb = KEEPER_RUN, .index = index }, .started = started, .ended = ended, .arg = arg }, NULL, env);
}

int keeper_become(struct keeper *keeper, int index, const char *user, char *const *env, keeper_run_fn *started, keeper_end_fn *ended, void *arg)
{
	const struct call want = { .request = { .verb = KEEPER_BECOME, .index = index }, .started = started, .ended = ended, .arg = arg };

	return run(keeper, &want, user, env);
}

int keeper_kill(struct keeper *keeper, uint32_t handle, int signal)
{
	const struct call want = { .request = { .verb = KEEPER_KILL, .id = handle, .number = signal } };
	const struct call *command = keeper->commands;

	while (command != NULL && command->request.id != handle)
		command = command->next;
	if (command == NULL) {
		errno = ESRCH;
		return -1;
	}
	return request(keeper, &want, NULL, 0);
}

int keeper_resolve(struct keeper *keeper, const char *name, const char *port, keeper_names_fn *fn, void *arg)
{
	const struct call want = { .request = { .verb = KEEPER_RESOLVE }, .names = fn, .arg = arg };
	struct str question = STR_INIT(KEEPER_NAME_MAX + 64);
	int result = -1;

	if (strlen(name) > KEEPER_NAME_MAX)
		errno = ENAMETOOLONG;
	else if (str_append(&question, name, strlen(name) + 1) == 0 && str_append(&question, port != NULL ? port : "", port != NULL ? strlen(port) + 1 : 1) == 0)
		result = request(keeper, &want, question.data, question.len);
	str_free(&question);
	return result;
}

int keeper_host(struct keeper *keeper, const struct sockaddr *address, socklen_t len, keeper_host_fn *fn, void *arg)
{
	return request(keeper, &(struct call){ .request = { .verb = KEEPER_HOST }, .host = fn, .arg = arg }, address, len);
}

/* Answers */

static int take_fd(struct keeper_received *received, size_t n)
{
	int fd = received->fds[n];

	received->fds[n] = -1;
	return fd;
}

/* Descriptors can get lost on the way where the stage has too many open: the command runs, but to nobody's use. */
static void answer_started(struct keeper *keeper, struct call *call, struct keeper_received *received)
{
	struct keeper_process process = { call->request.id, take_fd(received, 0), take_fd(received, 1) };
	keeper_run_fn *started = call->started;
	void *arg = call->arg;

	append(&keeper->commands, call);
	if (process.input >= 0 && process.output >= 0) {
		started(arg, &process, 0);
		return;
	}
	if (process.input >= 0)
		close(process.input);
	(void)keeper_kill(keeper, process.handle, SIGKILL);
	(void)take_call(&keeper->commands, process.handle);
	fail(call, EMFILE, EAI_SYSTEM);
}

static void answer_done(struct call *call, struct keeper_received *received)
{
	int error = received->answer.error;

	if (error != 0 || call->started != NULL) {
		fail(call, error != 0 ? error : EIO, error);
		return;
	}
	if (call->fd != NULL) {
		int fd = take_fd(received, 0);

		call->fd(call->arg, fd, fd >= 0 ? 0 : EMFILE);
	} else if (call->names != NULL && received->answer.count > KEEPER_ADDRESSES_MAX) {
		call->names(call->arg, NULL, 0, EAI_FAIL);
	} else if (call->names != NULL) {
		call->names(call->arg, received->is.addresses, received->answer.count, 0);
	} else if (call->host != NULL) {
		received->is.name[received->answer.count] = '\0';
		call->host(call->arg, received->is.name, 0);
	}
	free_call(call);
}

static void take_answer(struct keeper *keeper, struct keeper_received *received)
{
	const struct keeper_answer *answer = &received->answer;
	struct call *call;

	if (answer->kind == KEEPER_ENDED) {
		call = take_call(&keeper->commands, answer->id);
		if (call == NULL)
			return;
		call->ended(call->arg, answer->id, answer->status);
		free_call(call);
		return;
	}
	call = take_call(&keeper->calls, answer->id);
	if (call == NULL)
		return;
	keeper->call_count--;
	if (answer->kind == KEEPER_STARTED && call->started != NULL)
		answer_started(keeper, call, received);
	else
		answer_done(call, received);
}

static void ready(void *arg, unsigned events)
{
	struct keeper *keeper = arg;
	struct keeper_received received;
	int result = 1;

	if ((events & LOOP_WRITE) != 0)
		send_calls(keeper);
	keeper->busy++;
	for (unsigned i = 0; i < ANSWERS_A_TURN && keeper->fd >= 0 && result > 0; i++) {
		result = keeper_receive(keeper->fd, &received);
		if (result > 0)
			take_answer(keeper, &received);
		for (size_t k = 0; k < KEEPER_FDS_MAX; k++)
			if (received.fds[k] >= 0)
				close(received.fds[k]);
	}
	if (result < 0)
		fail_all(keeper);
	keeper->busy--;
	if (keeper->stopped && keeper->busy == 0)
		free(keeper);
}

int keeper_attach(struct keeper *keeper, struct loop *loop)
{
	if (keeper->fd < 0) {
		errno = EPIPE;
		return -1;
	}
	keeper->loop = loop;
	if (loop_watch(loop, keeper->fd, LOOP_READ, ready, keeper, &keeper->watch) < 0)
		return -1;
	send_calls(keeper);
	return 0;
}
