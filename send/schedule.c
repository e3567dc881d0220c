/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "schedule.h"

#include "clock.h"
#include "send.h"

#define HORIZON (3600 * CLOCK_SECOND)
#define CHECK (60 * CLOCK_SECOND)	/* the wall clock may have been set: due times are looked at this often */
#define HEAP_SLACK 1024U	/* entries beside those of messages before equal ones are looked for */

static void
nothing(void *arg)
{
	(void)arg;		/* the turn that the timer began does the work */
}

void
schedule_init(struct send *s)
{
	loop_timer_init(&s->schedule.timer, nothing, s);
	s->schedule.heap = (struct prioq)PRIOQ_INIT;
}

void
schedule_free(struct send *s)
{
	prioq_free(&s->schedule.heap);
}

void
schedule_timer(struct send *s)
{
	struct prioq_entry least;
	uint64_t now = clock_wall(), wait = CHECK;

	if (s->table.deferred == 0 && !prioq_peek(&s->schedule.heap, &least)) {
		loop_timer_clear(s->loop, &s->schedule.timer);
		return;
	}
	if (prioq_peek(&s->schedule.heap, &least) && least.due < now + CHECK)
		wait = least.due > now ? least.due - now : 0;
	loop_timer_set(s->loop, &s->schedule.timer, clock_boot() + wait);
}

/* Who only looks at a message puts it in again as it was: that must not fill the heap until its time comes. */
static int
put(struct send *s, struct entry *e, uint64_t next)
{
	struct schedule *c = &s->schedule;

	if (c->heap.len > HEAP_SLACK + 4 * s->table.deferred && c->heap.len / 2 > c->unique) {
		prioq_unique(&c->heap);
		c->unique = c->heap.len;
	}
	return prioq_put(&c->heap, next, e);
}

/* Its time is within the horizon. */
static void
put_waiting(struct send *s, struct entry *e)
{
	if (put(s, e, e->is.next) < 0) {
		log_errno(s->log, "schedule a deferred message");
		e->flags |= ENTRY_STUCK;
	}
}

void
schedule_entry(struct send *s, struct entry *e, uint64_t next)
{
	uint64_t now = clock_wall();

	/* Further ahead than any wait: the clock was wrong.  It is looked at now, and the time is set right in its file. */
	if (next > now + retry_longest(&s->config.retry) + CLOCK_SECOND)
		next = now;
	e->is.next = next;
	if (next <= s->schedule.horizon)
		put_waiting(s, e);
	schedule_timer(s);
}

void
schedule_flying(struct send *s, struct entry *e, uint64_t next)
{
	if (put(s, e, next) == 0)
		schedule_timer(s);
}

static bool
is_waiting(const struct entry *e)
{
	return e->place == ENTRY_DEFERRED && (e->flags & (ENTRY_FLYING | ENTRY_STUCK)) == 0;
}

static void
set_right(void *arg, struct entry *e)
{
	if (is_waiting(e))
		schedule_entry(arg, e, e->is.next);
}

struct coming { struct send *s; uint64_t after, until; };

static void
take_in(void *arg, struct entry *e)
{
	const struct coming *coming = arg;

	if (is_waiting(e) && e->is.next > coming->after && e->is.next <= coming->until)
		put_waiting(coming->s, e);
}

/* The timer comes at least twice before the first of those beyond it. */
static void
move_horizon(struct send *s, uint64_t now)
{
	struct coming coming = { s, s->schedule.horizon, now + HORIZON };

	if (now + 2 * CHECK < s->schedule.horizon)
		return;
	s->schedule.horizon = coming.until;
	table_each(&s->table, take_in, &coming);
}

/* Where the wall clock was set back, what was due soon by it would wait for as long. */
void
schedule_turn(struct send *s)
{
	struct schedule *c = &s->schedule;
	uint64_t now = clock_wall();
	int64_t ahead = (int64_t)(now - clock_boot());

	if (c->clock_known && ahead < c->clock_ahead - (int64_t)CLOCK_SECOND) {
		c->horizon = now + HORIZON;
		table_each(&s->table, set_right, s);
	}
	c->clock_known = true;
	c->clock_ahead = ahead;
	move_horizon(s, now);
}

static bool
flies_and_is_due(const struct entry *e, uint64_t now)
{
	const struct mail *m = e->is.mail;

	for (size_t i = 0; i < m->count; i++)
		if (target_is_due(m, &m->targets[i], now))
			return true;
	return false;
}

struct entry *
schedule_due(struct send *s, uint64_t now)
{
	struct prioq_entry least;

	while (prioq_peek(&s->schedule.heap, &least) && least.due <= now) {
		struct entry *e = least.item;

		prioq_take(&s->schedule.heap, &least);
		if ((e->flags & (ENTRY_GONE | ENTRY_STUCK)) != 0 || e->place != ENTRY_DEFERRED)
			continue;
		if ((e->flags & ENTRY_FLYING) != 0 ? flies_and_is_due(e, now) : e->is.next == least.due)
			return e;
	}
	return NULL;
}

bool
schedule_is_idle(const struct send *s)
{
	struct prioq_entry least;

	return !(prioq_peek(&s->schedule.heap, &least) && least.due <= clock_wall());
}
