/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of loop share; nobody else includes it. */
#ifndef DEADDROP_LOOP_INTERNAL_H
#define DEADDROP_LOOP_INTERNAL_H

#include <signal.h>
#include <stddef.h>

#include "loop.h"

#define HOOKS_MAX 16
#define SIGNALS_MAX 64

struct loop_watch {
	struct loop *loop;
	int fd;
	unsigned events;	/* as asked for; 0: epoll does not know the descriptor */
	loop_fd_fn *fn;		/* NULL: unwatched, waits in the list of the dead for the turn's end */
	void *arg;
	struct loop_watch *next_dead;
};

struct hook {
	loop_turn_fn *fn;	/* NULL: removed */
	void *arg;
};

struct loop {
	int epoll_fd, signal_fd;
	bool stopped;
	uint64_t now;
	struct loop_timer **heap;	/* by due; a timer's place is its index plus 1, so that 0 means unset */
	size_t timers, heap_cap;
	struct loop_watch *dead;
	struct loop_watch *signal_watch;
	sigset_t signals;
	struct {
		loop_fn *fn;
		void *arg;
	} on_signal[SIGNALS_MAX + 1];
	struct hook hooks[HOOKS_MAX], last_hooks[HOOKS_MAX];
};

/* loop_timer.c */
void loop_timer_run(struct loop *loop);			/* those that are due */
int loop_timer_wait(const struct loop *loop);		/* milliseconds until the first, -1: none is set */

#endif
