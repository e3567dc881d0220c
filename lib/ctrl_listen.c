/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "ctrl_internal.h"

#define ACCEPTS_A_TURN 64
#define REST (CLOCK_SECOND / 10)	/* after an accept that failed, mostly for want of descriptors */

struct ctrl_listener {			/* lives until it is closed and its last connection is gone */
	struct ctrl_hub *hub;
	struct ctrl_listener *next, **link;
	struct loop_watch *watch;	/* NULL: closed */
	struct loop_timer rest;
	int fd;
	unsigned open, max;
	const struct ctrl_ops *ops;
	ctrl_accept_fn *accepted;
	void *arg;
};

static void set_interest(struct ctrl_listener *l)
{
	unsigned events = l->open < l->max && !loop_timer_is_set(&l->rest) ? LOOP_READ : 0;

	if (l->watch == NULL)
		return;
	/* epoll had no memory to take it in again: later */
	if (loop_change(l->watch, events) < 0)
		(void)loop_timer_set(l->hub->loop, &l->rest, loop_now(l->hub->loop) + REST);
}

static void rest_is_over(void *arg)
{
	set_interest(arg);
}

/* What waits in the backlog is reported again at once: without a rest the loop would spin */
static void take_rest(struct ctrl_listener *l)
{
	if (loop_timer_set(l->hub->loop, &l->rest, loop_now(l->hub->loop) + REST) == 0)
		set_interest(l);
}

static void welcome(struct ctrl_listener *l, int fd)
{
	struct ctrl *c = ctrl_open(l->hub, fd, l->ops, NULL);
	void *arg;

	if (c == NULL) {
		close(fd);
		return;
	}
	c->listener = l;
	l->open++;
	arg = ctrl_share_join(c) == 0 ? l->accepted(l->arg, c->peer, c) : NULL;
	if (arg == NULL) {
		/* what accepted() said to it is flushed */
		c->silent = true;
		ctrl_close(c);
		return;
	}
	c->arg = arg;
}

static void accept_some(void *arg, unsigned events)
{
	struct ctrl_listener *l = arg;

	(void)events;
	/* accepted() may close the listener; the connections that are open by then keep it alive */
	for (unsigned i = 0; i < ACCEPTS_A_TURN && l->watch != NULL && l->open < l->max; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(l, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			take_rest(l);
		break;
	}
	set_interest(l);
}

struct ctrl_listener *ctrl_listen(struct ctrl_hub *hub, int fd, unsigned max_connections, const struct ctrl_ops *ops,
    ctrl_accept_fn *accepted, void *arg)
{
	struct ctrl_listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct ctrl_listener){
		.hub = hub, .fd = fd, .max = max_connections, .ops = ops, .accepted = accepted, .arg = arg,
	};
	loop_timer_init(&l->rest, rest_is_over, l);
	if (loop_watch(hub->loop, fd, LOOP_READ, accept_some, l, &l->watch) < 0) {
		int saved = errno;

		free(l);
		errno = saved;
		return NULL;
	}
	l->next = hub->listeners;
	l->link = &hub->listeners;
	if (l->next != NULL)
		l->next->link = &l->next;
	hub->listeners = l;
	return l;
}

void ctrl_listen_free(struct ctrl_listener *l)
{
	*l->link = l->next;
	if (l->next != NULL)
		l->next->link = l->link;
	loop_timer_clear(l->hub->loop, &l->rest);
	loop_unwatch(l->watch);
	free(l);
}

void ctrl_listener_close(struct ctrl_listener *l)
{
	if (l == NULL)
		return;
	loop_timer_clear(l->hub->loop, &l->rest);
	loop_unwatch(l->watch);
	l->watch = NULL;
	if (l->open == 0)
		ctrl_listen_free(l);
}

void ctrl_listen_gone(struct ctrl_listener *l)
{
	l->open--;
	if (l->watch == NULL && l->open == 0)
		ctrl_listen_free(l);
	else
		set_interest(l);
}
