/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper's process: its start, its socket, files and sockets.  Commands and names are in files of their own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "keeper_internal.h"

#define REQUESTS_A_TURN 16
#define PATIENCE (2 * CLOCK_SECOND)	/* between SIGTERM and SIGKILL when the stage has gone */

struct keeper_unsent {
	struct keeper_unsent *next;
	int fds[KEEPER_FDS_MAX];
	size_t fd_count, len;
	char message[];
};

/* Answers */

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static ssize_t send_message(int fd, const void *message, size_t len, const int *fds, size_t fd_count)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(KEEPER_FDS_MAX * sizeof (int))]; } control = { .bytes = { 0 } };
	struct iovec part = { (void *)(uintptr_t)message, len };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd_count > 0) {
		header.msg_control = &control;
		header.msg_controllen = (socklen_t)CMSG_SPACE(fd_count * sizeof (int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = (socklen_t)CMSG_LEN(fd_count * sizeof (int));
		memcpy(CMSG_DATA(&control.align), fds, fd_count * sizeof (int));
	}
	return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Too many descriptors on their way (ETOOMANYREFS): an error is answered in their place, for an answer that never comes is waited for. */
static void without_fds(struct keeper_unsent *unsent, int error)
{
	struct keeper_answer answer;

	memcpy(&answer, unsent->message, sizeof answer);
	answer = (struct keeper_answer){ .kind = KEEPER_DONE, .id = answer.id, .error = error };
	memcpy(unsent->message, &answer, sizeof answer);
	unsent->len = sizeof answer;
	close_all(unsent->fds, unsent->fd_count);
	unsent->fd_count = 0;
}

/* While an answer waits no request is read, so that what waits is bounded by the commands and names under way. */
static void flush(struct keeper_child *child)
{
	struct keeper_unsent *first;

	while ((first = child->unsent) != NULL) {
		if (send_message(child->fd, first->message, first->len, first->fds, first->fd_count) < 0) {
			if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
				break;
			if (first->fd_count > 0) {
				without_fds(first, errno);
				continue;
			}
		}
		close_all(first->fds, first->fd_count);
		child->unsent = first->next;
		if (child->unsent == NULL)
			child->unsent_end = &child->unsent;
		free(first);
	}
	if (!child->ending)
		(void)loop_change(child->watch, child->unsent != NULL ? LOOP_WRITE : LOOP_READ);
}

void keeper_child_answer(struct keeper_child *child, const struct keeper_answer *answer, const void *payload, size_t len, const int *fds, size_t fd_count)
{
	struct keeper_unsent *unsent = child->ending ? NULL : malloc(sizeof *unsent + sizeof *answer + len);

	if (unsent == NULL) {
		close_all(fds, fd_count);
		if (!child->ending)	/* an answer that cannot be given: better none at all, which the stage understands */
			loop_stop(child->loop);
		return;
	}
	*unsent = (struct keeper_unsent){ .fd_count = fd_count, .len = sizeof *answer + len };
	for (size_t i = 0; i < fd_count; i++)
		unsent->fds[i] = fds[i];
	memcpy(unsent->message, answer, sizeof *answer);
	if (len > 0)
		memcpy(unsent->message + sizeof *answer, payload, len);
	*child->unsent_end = unsent;
	child->unsent_end = &unsent->next;
	flush(child);
}

void keeper_child_fail(struct keeper_child *child, uint32_t id, int error)
{
	const struct keeper_answer answer = { .kind = KEEPER_DONE, .id = id, .error = error };

	keeper_child_answer(child, &answer, NULL, 0, NULL, 0);
}

static void answer_fd(struct keeper_child *child, uint32_t id, int fd)
{
	const struct keeper_answer answer = { .kind = KEEPER_DONE, .id = id };

	keeper_child_answer(child, &answer, NULL, 0, &fd, 1);
}

/* Files and sockets */

/* Only a regular file: nothing that could block or has effects when it is opened.  What is written to is not reached through a link that
 * the owner of its directory put there. */
static void verb_open(struct keeper_child *child, const struct keeper_request *request, char *payload)
{
	const struct keeper_item *item = &child->list->items[request->index];
	int no_link = item->flags == O_RDONLY ? 0 : O_NOFOLLOW, why;
	int fd = open(item->path, item->flags | no_link | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, item->mode);
	struct stat about;

	(void)payload;
	if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && fcntl(fd, F_SETFL, item->flags & O_APPEND) == 0) {
		answer_fd(child, request->id, fd);
		return;
	}
	why = fd < 0 ? errno : EINVAL;
	if (fd >= 0)
		close(fd);
	keeper_child_fail(child, request->id, why);
}

static void verb_connect(struct keeper_child *child, const struct keeper_request *request, char *payload)
{
	const char *path = child->list->items[request->index].path;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why;

	(void)payload;
	memcpy(address.sun_path, path, strlen(path));	/* fits: keeper_add_socket */
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
		answer_fd(child, request->id, fd);
		return;
	}
	why = errno;
	if (fd >= 0)
		close(fd);
	keeper_child_fail(child, request->id, why);
}

static void verb_kill(struct keeper_child *child, const struct keeper_request *request, char *payload)
{
	(void)payload;
	keeper_child_kill(child, request);
}

/* Requests */

static void end(struct keeper_child *child);

static bool take(struct keeper_child *child, size_t len)
{
	static const struct { void (*fn)(struct keeper_child *child, const struct keeper_request *request, char *payload); bool indexed; } verbs[] = {
		[KEEPER_OPEN] = { verb_open, true },
		[KEEPER_CONNECT] = { verb_connect, true },
		[KEEPER_RUN] = { keeper_child_run, true },
		[KEEPER_BECOME] = { keeper_child_run, true },
		[KEEPER_KILL] = { verb_kill, false },
		[KEEPER_RESOLVE] = { keeper_child_name, false },
		[KEEPER_HOST] = { keeper_child_name, false },
	};
	struct keeper_request request;

	_Static_assert(sizeof verbs / sizeof verbs[0] == KEEPER_VERBS, "a verb without a function");
	if (len < sizeof request)
		return false;
	memcpy(&request, child->request, sizeof request);
	if (request.verb >= KEEPER_VERBS || request.length != len - sizeof request)
		return false;
	if (verbs[request.verb].indexed &&
	    (request.index < 0 || (size_t)request.index >= child->list->count || child->list->items[request.index].verb != (enum keeper_verb)request.verb))
		return false;
	child->request[len] = '\0';
	verbs[request.verb].fn(child, &request, child->request + sizeof request);
	return true;
}

/* What breaks the protocol is no stage of ours any more, and ends the keeper as its end would. */
static void ready(void *arg, unsigned events)
{
	struct keeper_child *child = arg;

	(void)events;
	flush(child);
	for (unsigned i = 0; i < REQUESTS_A_TURN && child->unsent == NULL && !child->ending; i++) {
		ssize_t n = recv(child->fd, child->request, sizeof child->request - 1, MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || (size_t)n > sizeof child->request - 1 || !take(child, (size_t)n))
			end(child);
	}
	if ((events & LOOP_HANGUP) != 0 && child->unsent != NULL)
		end(child);
}

/* The end */

static void leave_when_alone(struct keeper_child *child)
{
	if (child->ending && child->process_count == 0)
		loop_stop(child->loop);
}

static void end(struct keeper_child *child)
{
	if (child->ending)
		return;
	child->ending = true;
	loop_unwatch(child->watch);
	child->watch = NULL;
	keeper_child_kill_all(child, SIGTERM);
	if (loop_timer_set(child->loop, &child->patience, clock_boot() + PATIENCE) < 0)
		loop_stop(child->loop);
	leave_when_alone(child);
}

static void patience_over(void *arg)
{
	struct keeper_child *child = arg;

	loop_stop(child->loop);		/* SIGKILL follows for those that are left */
}

static void reap(void *arg)
{
	struct keeper_child *child = arg;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		keeper_child_run_ended(child, pid, status);
		keeper_child_name_ended(child, pid);
	}
	leave_when_alone(child);
}

/* The start */

static int prepare(struct keeper_child *child, const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error)
{
	child->list = list;
	child->uid = uid;
	child->gid = gid;
	child->fd = KEEPER_SOCKET;
	child->unsent_end = &child->unsent;
	loop_timer_init(&child->patience, patience_over, child);
	if (keeper_child_confine(list, uid, gid, error) < 0)
		return -1;
	if (list->names && geteuid() == 0 && !keeper_child_can_be(uid, gid))
		child->uid = 0;		/* nobody else is there to ask for names as */
	child->loop = loop_new();
	if (child->loop != NULL && loop_watch(child->loop, child->fd, LOOP_READ, ready, child, &child->watch) == 0 && loop_signal(child->loop, SIGCHLD, reap, child) == 0)
		return keeper_child_sandbox(list, error);
	(void)str_printf(error, "keeper: %s", strerror(errno));
	return -1;
}

/* The first message is empty of errors, or one byte and the text of what failed: the stage waits for it.  A supervisor's signals to
 * the whole group are the stage's
 * affair: it needs its keeper until it has finished what it promised. */
static int keep(const struct keeper_list *list, int fd, uid_t uid, gid_t gid)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2 };
	struct str error = STR_INIT(1024);
	struct keeper_child *child = calloc(1, sizeof *child);

	if (list->forget != NULL)
		list->forget(list->forget_arg);
	if (child == NULL || keeper_child_close(fd) < 0)
		return 1;
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "deaddrop-keeper", 0L, 0L, 0L);
	if (prepare(child, list, uid, gid, &error) < 0) {
		(void)send(KEEPER_SOCKET, error.data, error.len, MSG_NOSIGNAL);
		return 1;
	}
	if (send(KEEPER_SOCKET, "", 1, MSG_NOSIGNAL) < 0)
		return 1;
	(void)loop_run(child->loop);
	keeper_child_kill_all(child, SIGKILL);
	return 0;
}

int keeper_child_fork(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		(void)str_printf(error, "keeper: %s", strerror(errno));
		return -1;
	}
	pid = fork();
	if (pid == 0)
		_exit(keep(list, ends[1], uid, gid));
	close(ends[1]);
	if (pid > 0)
		return ends[0];
	(void)str_printf(error, "keeper: fork: %s", strerror(errno));
	close(ends[0]);
	return -1;
}
