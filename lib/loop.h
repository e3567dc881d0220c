/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The event loop: descriptors, absolute deadlines (clock_boot microseconds) and signals.  One turn: take what is ready (each
 * descriptor once), run the due timers, run the turn hooks, wait.  Level-triggered.  The only user of epoll.
 * Callbacks may unwatch and free anything, themselves included; an event that was fetched for a watch that is gone is not delivered.
 * Not for threads: a helper thread wakes it through a descriptor.  A child that it forks inherits the blocked signals.
 */
#ifndef DEADDROP_LOOP_H
#define DEADDROP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch;

#define LOOP_READ 1U
#define LOOP_WRITE 2U
#define LOOP_HANGUP 4U		/* need not be asked for beside others; asked for alone, only this is delivered */

typedef void loop_fd_fn(void *arg, unsigned events);
typedef void loop_fn(void *arg);
typedef bool loop_turn_fn(void *arg);	/* true: there is more to do, do not wait */

struct loop_timer {		/* embedded in its owner; loop_timer_init before use; not to be moved or freed while set */
	uint64_t due;
	uint32_t place;		/* the loop's own */
	loop_fn *fn;
	void *arg;
};

struct loop *loop_new(void);                                    /* NULL with errno */
void loop_free(struct loop *loop);                              /* closes its own descriptors, none of those watched */

int loop_watch(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *arg, struct loop_watch **watch);
/* No system call where nothing changes.  0: deliver nothing, no hangup either. */
int loop_change(struct loop_watch *watch, unsigned events);
void loop_unwatch(struct loop_watch *watch);                    /* NULL is allowed; does not close the descriptor */

void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *arg);
int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due);   /* sets or moves; 0 or -1 ENOMEM */
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

int loop_signal(struct loop *loop, int signal, loop_fn *fn, void *arg);          /* blocks it and reads it from a signalfd */
/* Hooks run in the order they were added, 16 at most; those of loop_turn_last after all the others: what sends what they left. */
int loop_turn(struct loop *loop, loop_turn_fn *fn, void *arg);
int loop_turn_last(struct loop *loop, loop_turn_fn *fn, void *arg);
void loop_turn_remove(struct loop *loop, loop_turn_fn *fn, void *arg);   /* not from within a hook */

uint64_t loop_now(struct loop *loop);                           /* boot time at the turn's begin */
int loop_run(struct loop *loop);        /* until the end of the turn that called loop_stop; 0, or -1 with errno */
void loop_stop(struct loop *loop);

#endif
