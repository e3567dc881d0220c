/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "work.h"

#include <stdlib.h>

#include "clock.h"

struct works {
	struct loop *loop;
	struct loop_timer timer;
	struct work *first, **end;
};

/* The due work is run by the turn hook that follows the timers. */
static void wake(void *arg)
{
	(void)arg;
}

struct works *works_new(struct loop *loop)
{
	struct works *works = calloc(1, sizeof *works);

	if (!works)
		return NULL;
	works->loop = loop;
	works->end = &works->first;
	loop_timer_init(&works->timer, wake, works);
	return works;
}

void works_free(struct works *works)
{
	if (works)
		loop_timer_clear(works->loop, &works->timer);
	free(works);
}

static void append(struct works *works, struct work *work)
{
	work->next = NULL;
	*works->end = work;
	works->end = &work->next;
}

void works_add(struct works *works, struct work *work)
{
	work->due = 0;
	append(works, work);
}

/* A timer that cannot be set for want of memory: turn on without rest, which is slow and not wrong. */
static bool wait_until(struct works *works, uint64_t due)
{
	if (due == CLOCK_NEVER) {
		loop_timer_clear(works->loop, &works->timer);
		return false;
	}
	return loop_timer_set(works->loop, &works->timer, due) < 0;
}

/* What a step adds stands behind the list that is gone through now, and has its turn in the next. */
bool works_run(struct works *works)
{
	struct work *work = works->first;
	uint64_t now = clock_boot(), earliest = CLOCK_NEVER;
	bool more = false;

	works->first = NULL;
	works->end = &works->first;
	for (struct work *next; work; work = next) {
		enum work_next result = WORK_WAIT;

		next = work->next;
		if (work->due <= now)
			result = work->step(work);
		if (result == WORK_OVER)
			continue;
		if (result == WORK_AGAIN)
			work->due = 0;
		append(works, work);
	}
	for (work = works->first; work; work = work->next) {
		more |= work->due <= now;
		if (work->due < earliest)
			earliest = work->due;
	}
	return more || wait_until(works, earliest);
}
