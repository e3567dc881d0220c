/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The loop's deadlines: a heap of the timers themselves, which know their places, so that setting and clearing take O(log n). */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "loop_internal.h"

/* epoll's clock stands still while the machine sleeps, deadlines do not: no wait is longer than this while a timer is set */
#define LONGEST_WAIT (60 * CLOCK_SECOND)

static void place(struct loop *loop, size_t at, struct loop_timer *timer)
{
	loop->heap[at] = timer;
	timer->place = (uint32_t)(at + 1);
}

/* Puts timer where its due belongs, the hole being at `at` */
static void settle(struct loop *loop, size_t at, struct loop_timer *timer)
{
	size_t child;

	while (at > 0 && loop->heap[(at - 1) / 2]->due > timer->due) {
		place(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	while ((child = 2 * at + 1) < loop->timers) {
		if (child + 1 < loop->timers && loop->heap[child + 1]->due < loop->heap[child]->due)
			child++;
		if (loop->heap[child]->due >= timer->due)
			break;
		place(loop, at, loop->heap[child]);
		at = child;
	}
	place(loop, at, timer);
}

void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *arg)
{
	*timer = (struct loop_timer){ .fn = fn, .arg = arg };
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->place != 0;
}

static int grow_heap(struct loop *loop)
{
	size_t cap = loop->heap_cap > 0 ? loop->heap_cap * 2 : 16;
	struct loop_timer **heap;

	if (cap > UINT32_MAX / sizeof(struct loop_timer *)) {
		errno = ENOMEM;
		return -1;
	}
	heap = realloc(loop->heap, cap * sizeof(struct loop_timer *));
	if (heap == NULL)
		return -1;
	loop->heap = heap;
	loop->heap_cap = cap;
	return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due)
{
	size_t at;

	if (timer->place != 0) {
		at = timer->place - 1;
	} else {
		if (loop->timers == loop->heap_cap && grow_heap(loop) < 0)
			return -1;
		at = loop->timers++;
	}
	timer->due = due;
	settle(loop, at, timer);
	return 0;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	size_t at;

	if (timer->place == 0)
		return;
	at = timer->place - 1;
	timer->place = 0;
	if (at != --loop->timers)
		settle(loop, at, loop->heap[loop->timers]);
}

void loop_timer_run(struct loop *loop)
{
	/* a timer that sets itself to a time that is past comes again in the next turn at the latest, not for ever in this one */
	for (size_t n = loop->timers; n > 0 && loop->timers > 0 && loop->heap[0]->due <= loop->now; n--) {
		struct loop_timer *timer = loop->heap[0];

		loop_timer_clear(loop, timer);
		timer->fn(timer->arg);
	}
}

/* How long to wait, in milliseconds: rounded up, since a timer that is woken for too early would turn the loop until it is due */
int loop_timer_wait(const struct loop *loop)
{
	uint64_t now, left;

	if (loop->timers == 0)
		return -1;
	now = clock_boot();
	if (loop->heap[0]->due <= now)
		return 0;
	left = loop->heap[0]->due - now;
	if (left > LONGEST_WAIT)
		left = LONGEST_WAIT;
	return (int)((left + 999) / 1000);
}
