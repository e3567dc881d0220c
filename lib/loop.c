/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "loop_internal.h"

#define BATCH 128

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->signal_fd = -1;
	sigemptyset(&loop->signals);
	loop->now = clock_boot();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int saved = errno;

		free(loop);
		errno = saved;
		return NULL;
	}
	return loop;
}

static void bury_dead(struct loop *loop)
{
	while (loop->dead != NULL) {
		struct loop_watch *watch = loop->dead;

		loop->dead = watch->next_dead;
		free(watch);
	}
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	loop_unwatch(loop->signal_watch);
	bury_dead(loop);
	for (size_t i = 0; i < loop->timers; i++)
		loop->heap[i]->place = 0;
	free(loop->heap);
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	close(loop->epoll_fd);
	free(loop);
}

/* Descriptors */

static int control(struct loop_watch *watch, int operation, unsigned events)
{
	struct epoll_event event = { .events = 0, .data.ptr = watch };

	if (events & LOOP_READ)
		event.events |= EPOLLIN;
	if (events & LOOP_WRITE)
		event.events |= EPOLLOUT;
	return epoll_ctl(watch->loop->epoll_fd, operation, watch->fd, &event);
}

int loop_watch(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *arg, struct loop_watch **watch)
{
	struct loop_watch *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return -1;
	*new = (struct loop_watch){ .loop = loop, .fd = fd, .fn = fn, .arg = arg };
	if (loop_change(new, events) < 0) {
		int saved = errno;

		free(new);
		errno = saved;
		return -1;
	}
	*watch = new;
	return 0;
}

int loop_change(struct loop_watch *watch, unsigned events)
{
	int operation = EPOLL_CTL_MOD;

	if (events == watch->events)
		return 0;
	/* a hangup cannot be masked: what waits for nothing leaves the set, or it would keep the loop turning */
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else if (watch->events == 0)
		operation = EPOLL_CTL_ADD;
	if (control(watch, operation, events) < 0)
		return -1;
	watch->events = events;
	return 0;
}

void loop_unwatch(struct loop_watch *watch)
{
	if (watch == NULL)
		return;
	/* fails only where the descriptor was closed before, which took it out of the set as well */
	if (watch->events != 0)
		(void)control(watch, EPOLL_CTL_DEL, 0);
	/* an event for it may stand further down in the batch: the memory stays until the turn's end */
	watch->events = 0;
	watch->fn = NULL;
	watch->next_dead = watch->loop->dead;
	watch->loop->dead = watch;
}

static void deliver(struct loop_watch *watch, uint32_t happened)
{
	unsigned events = 0;

	if (watch->fn == NULL)
		return;
	if (happened & EPOLLIN)
		events |= LOOP_READ;
	if (happened & EPOLLOUT)
		events |= LOOP_WRITE;
	if (happened & (EPOLLHUP | EPOLLERR))
		events |= LOOP_HANGUP;
	/* what an earlier callback of this turn asked for no longer is not delivered either */
	events &= watch->events | LOOP_HANGUP;
	if (events != 0 && watch->events != 0)
		watch->fn(watch->arg, events);
}

/* Signals */

static void read_signals(void *arg, unsigned events)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo <= SIGNALS_MAX && loop->on_signal[info.ssi_signo].fn != NULL)
			loop->on_signal[info.ssi_signo].fn(loop->on_signal[info.ssi_signo].arg);
}

int loop_signal(struct loop *loop, int signal, loop_fn *fn, void *arg)
{
	sigset_t one;
	int fd;

	if (signal < 1 || signal > SIGNALS_MAX || sigaddset(&loop->signals, signal) < 0) {
		errno = EINVAL;
		return -1;
	}
	sigemptyset(&one);
	sigaddset(&one, signal);
	if (sigprocmask(SIG_BLOCK, &one, NULL) < 0)
		return -1;
	fd = signalfd(loop->signal_fd, &loop->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -1;
	loop->signal_fd = fd;
	if (loop->signal_watch == NULL && loop_watch(loop, fd, LOOP_READ, read_signals, loop, &loop->signal_watch) < 0)
		return -1;
	loop->on_signal[signal].fn = fn;
	loop->on_signal[signal].arg = arg;
	return 0;
}

/* Turns */

static int add_hook(struct hook *hooks, loop_turn_fn *fn, void *arg)
{
	for (size_t i = 0; i < HOOKS_MAX; i++)
		if (hooks[i].fn == NULL) {
			hooks[i] = (struct hook){ fn, arg };
			return 0;
		}
	errno = ENOSPC;
	return -1;
}

int loop_turn(struct loop *loop, loop_turn_fn *fn, void *arg)
{
	return add_hook(loop->hooks, fn, arg);
}

int loop_turn_last(struct loop *loop, loop_turn_fn *fn, void *arg)
{
	return add_hook(loop->last_hooks, fn, arg);
}

/* Moves the later ones up, so that the order stays that of the adding */
static void remove_hook(struct hook *hooks, loop_turn_fn *fn, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < HOOKS_MAX; i++) {
		struct hook hook = hooks[i];

		hooks[i].fn = NULL;
		if (hook.fn != NULL && (hook.fn != fn || hook.arg != arg))
			hooks[kept++] = hook;
	}
}

void loop_turn_remove(struct loop *loop, loop_turn_fn *fn, void *arg)
{
	remove_hook(loop->hooks, fn, arg);
	remove_hook(loop->last_hooks, fn, arg);
}

static bool run_hooks(const struct hook *hooks)
{
	bool more = false;

	for (size_t i = 0; i < HOOKS_MAX && hooks[i].fn != NULL; i++)
		if (hooks[i].fn(hooks[i].arg))
			more = true;
	return more;
}

uint64_t loop_now(struct loop *loop)
{
	return loop->now;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

static void take_turn(struct loop *loop, const struct epoll_event *events, int count, bool *more)
{
	loop->now = clock_boot();
	for (int i = 0; i < count; i++)
		deliver(events[i].data.ptr, events[i].events);
	loop_timer_run(loop);
	*more = run_hooks(loop->hooks);
	if (run_hooks(loop->last_hooks))
		*more = true;
	bury_dead(loop);
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[BATCH];
	bool more = true;

	/* a stop that came before the run holds: the first turn is the last */
	do {
		int count = epoll_wait(loop->epoll_fd, events, BATCH, more || loop->stopped ? 0 : loop_timer_wait(loop));

		if (count < 0 && errno != EINTR)
			return -1;
		take_turn(loop, events, count, &more);
	} while (!loop->stopped);
	loop->stopped = false;
	return 0;
}
