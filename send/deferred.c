/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bounce.h"
#include "clock.h"
#include "deferred_file.h"
#include "landing.h"
#include "place.h"
#include "send.h"
#include "takeoff.h"

#define LOOKS 200		/* files that are looked at in a turn */
#define TAKES 64		/* messages whose time has come, in a turn */
#define HEAP_SLACK 1024U	/* entries beside those of messages before equal ones are looked for */
#define CHECK (60 * CLOCK_SECOND)	/* the wall clock may have been set: due times are looked at this often */

static void
nothing(void *arg)
{
	(void)arg;		/* the turn that the timer began does the work */
}

static void
again(void *arg)
{
	struct send *s = arg;

	s->deferred.blocked = false;
}

void
deferred_init(struct send *s)
{
	struct deferred *d = &s->deferred;

	list_init(&d->unwritten);
	loop_timer_init(&d->due, nothing, s);
	loop_timer_init(&d->again, again, s);
	d->heap = (struct prioq)PRIOQ_INIT;
}

int
deferred_start(struct send *s, struct str *error)
{
	struct deferred *d = &s->deferred;

	if (place_clean(s, SPOOL_DEFERRED) < 0 || place_clean(s, SPOOL_DEAD) < 0
	    || spool_names(&s->spool, SPOOL_DEFERRED, &d->ids, &d->id_count) < 0) {
		str_printf(error, "the spool's deferred messages cannot be listed");
		return -1;
	}
	return 0;
}

void
deferred_free(struct send *s)
{
	prioq_free(&s->deferred.heap);
	free(s->deferred.ids);
	s->deferred.ids = NULL;
}

static void
set_timer(struct send *s)
{
	struct prioq_entry least;
	uint64_t now = clock_wall(), wait = CHECK;

	if (!prioq_peek(&s->deferred.heap, &least)) {
		loop_timer_clear(s->loop, &s->deferred.due);
		return;
	}
	if (least.due <= now)
		wait = 0;
	else if (least.due - now < CHECK)
		wait = least.due - now;
	loop_timer_set(s->loop, &s->deferred.due, clock_boot() + wait);
}

/* Who only looks at a message puts it in again as it was: that must not fill the heap until its time comes. */
static int
put(struct send *s, struct entry *e, uint64_t next)
{
	struct deferred *d = &s->deferred;

	if (d->heap.len > HEAP_SLACK + 4 * s->table.deferred && d->heap.len / 2 > d->heap_unique) {
		prioq_unique(&d->heap);
		d->heap_unique = d->heap.len;
	}
	return prioq_put(&d->heap, next, e);
}

void
deferred_schedule(struct send *s, struct entry *e, uint64_t next)
{
	uint64_t now = clock_wall();

	/* Further ahead than any wait: the clock was wrong.  It is looked at now, and the time is set right in its file. */
	if (next > now + retry_longest(&s->config.retry) + CLOCK_SECOND)
		next = now;
	e->is.next = next;
	if (put(s, e, next) < 0) {
		log_errno(s->log, "schedule a deferred message");
		e->flags |= ENTRY_STUCK;
		return;
	}
	set_timer(s);
}

void
deferred_dirty(struct send *s, struct mail *m)
{
	list_want(&s->deferred.unwritten, &m->unwritten);
}

static void
sync_later(struct send *s, int fd)
{
	if (s->deferred.unsynced_count == DEFERRED_UNSYNCED_MAX)
		deferred_sync(s);
	s->deferred.unsynced[s->deferred.unsynced_count++] = fd;
	if (!loop_timer_is_set(&s->outcomes.sync))
		loop_timer_set(s->loop, &s->outcomes.sync, loop_now(s->loop) + CLOCK_SECOND * 9 / 10);
}

void
deferred_sync(struct send *s)
{
	while (s->deferred.unsynced_count > 0) {
		int fd = s->deferred.unsynced[--s->deferred.unsynced_count];

		/* What a failed sync loses is an outcome: the next process takes the attempt for unclear. */
		if (fdatasync(fd) < 0) {
			log_errno(s->log, "sync a file of deferred");
			s->unnoted = true;
		}
		close(fd);
	}
}

/* When the heap must bring the entry again: what stands in a channel's queue comes from there. */
static uint64_t
next_of(struct send *s, const struct mail *m)
{
	uint64_t now = clock_wall(), next = UINT64_MAX;

	for (size_t i = 0; i < m->count; i++) {
		const struct target *t = &m->targets[i];
		uint64_t due = t->state == TARGET_NEW ? 0 : t->next;
		const struct channel *c;
		const struct drop *d;

		if ((t->state != TARGET_NEW && t->state != TARGET_LATER) || t->flying)
			continue;
		if (due <= now) {
			c = channel_find(s, mail_text(m, t->drop));
			d = drop_find(s, mail_text(m, t->drop));
			if ((c != NULL && (m->entry->queued & c->bit) != 0) || (d != NULL && (m->entry->queued & d->bit) != 0))
				continue;
			due = now;
		}
		if (due < next)
			next = due;
	}
	return next;
}

/* Back to waiting. */
static void
rest(struct send *s, struct mail *m)
{
	struct entry *e = m->entry;
	uint64_t next = next_of(s, m);

	takeoff_end(s, m);
	if (next != UINT64_MAX)
		deferred_schedule(s, e, next);
}

static void
log_buried(struct send *s, struct id id)
{
	struct deferred_file file;
	char name[ID_TEXT_MAX];

	id_text(id, name);
	if (deferred_file_open(s, id, &file) < 0)
		return;
	place_log_dead(s, &file.source.record, file.lines, span_of(name));
	deferred_file_close(&file);
}

/* Writes a mail's lines, and what follows from them.  0, or -1 with errno: not now. */
static int
write_mail(struct send *s, struct mail *m)
{
	struct entry *e = m->entry;
	int fd, result;
	bool failed;

	/* The bounces' seam: who is told of what, before it is settled.  It may go on with another drop. */
	if (m->jobs == 0 && mail_is_final(m) && bounce_settle(s, m) < 0)
		return -1;
	if (m->pending.len > 0 || mail_is_final(m)) {
		if (deferred_file_append(s, m, &fd) < 0)
			return -1;
		if (m->jobs > 0 || !mail_is_final(m)) {
			sync_later(s, fd);
		} else {
			failed = mail_has_failed(m);
			if (failed)
				log_buried(s, m->id);
			result = deferred_file_settle(s, m->id, fd, failed);
			close(fd);
			if (result < 0)
				return -1;
			bounce_release(s, m);
			takeoff_end(s, m);
			table_drop(&s->table, e);
			s->table.deferred--;
			return 0;
		}
	}
	list_remove(&m->unwritten);
	if (m->late)
		bounce_late(s, m);
	m->late = false;
	if (m->jobs == 0)
		rest(s, m);
	return 0;
}

void
deferred_land(struct send *s, struct mail *m)
{
	if (m->pending.len > 0 || mail_is_final(m))
		deferred_dirty(s, m);
	else if (list_empty(&m->unwritten))
		rest(s, m);
}

void
deferred_write(struct send *s)
{
	struct deferred *d = &s->deferred;

	for (struct list *l = d->unwritten.after, *after; l != &d->unwritten && !d->blocked; l = after) {
		struct mail *m = list_owner(l, struct mail, unwritten);

		after = l->after;
		if (write_mail(s, m) < 0) {
			log_errno(s->log, "note an outcome in deferred");
			d->blocked = true;
			loop_timer_set(s->loop, &d->again, loop_now(s->loop) + CLOCK_SECOND);
		}
	}
}

/* While a mail flies to one drop, the time of another may come. */
static void
watch(struct send *s, struct mail *m)
{
	uint64_t next = next_of(s, m);

	if (next != UINT64_MAX && put(s, m->entry, next) == 0)
		set_timer(s);
}

void
deferred_answered(struct send *s, struct mail *m)
{
	if (m->jobs > 1 && m->branched)
		watch(s, m);
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

int
deferred_take(struct send *s, struct entry *e, struct channel *only)
{
	uint64_t now = clock_wall(), dated = 0;
	struct deferred_file file;
	struct mail *m;
	int result = 0;

	if (s->deferred.blocked)
		return -1;
	m = deferred_load(s, e, &file);
	if (m == NULL)
		return (e->flags & (ENTRY_STUCK | ENTRY_GONE)) != 0 ? 0 : -1;
	if (deferred_clamp(s, m) && m->jobs == 0) {
		deferred_file_close(&file);
		landing_mail(s, m);
		return 0;
	}
	for (size_t i = 0; i < m->count; i++)
		if (target_is_due(m, &m->targets[i], now) && m->targets[i].next > dated)
			dated = m->targets[i].next;
	if (send_mark_covers(s, dated))
		flight_dispatch(s, m, &file.source, only);
	else
		result = -1;
	deferred_file_close(&file);
	if (m->jobs == 0)
		landing_mail(s, m);
	else if (m->count > 1)
		watch(s, m);
	return result;
}

/* The entry whose time has come, or NULL.  What was scheduled anew since, or is gone, is passed over. */
static struct entry *
next_due(struct send *s, uint64_t now)
{
	struct prioq_entry least;

	while (prioq_peek(&s->deferred.heap, &least) && least.due <= now) {
		struct entry *e = least.item;

		prioq_take(&s->deferred.heap, &least);
		if ((e->flags & (ENTRY_GONE | ENTRY_STUCK)) != 0 || e->place != ENTRY_DEFERRED)
			continue;
		if ((e->flags & ENTRY_FLYING) != 0 ? flies_and_is_due(e, now) : e->is.next == least.due)
			return e;
	}
	return NULL;
}

static void
set_right(void *arg, struct entry *e)
{
	struct send *s = arg;

	if (e->place == ENTRY_DEFERRED && (e->flags & (ENTRY_FLYING | ENTRY_STUCK)) == 0)
		deferred_schedule(s, e, e->is.next);
}

/* Where the wall clock was set back, what was due soon by it would wait for as long. */
static void
watch_clock(struct send *s)
{
	struct deferred *d = &s->deferred;
	int64_t ahead = (int64_t)(clock_wall() - clock_boot());

	if (d->clock_known && ahead < d->clock_ahead - (int64_t)CLOCK_SECOND)
		table_each(&s->table, set_right, s);
	d->clock_known = true;
	d->clock_ahead = ahead;
}

bool
deferred_turn(struct send *s)
{
	struct deferred *d = &s->deferred;
	uint64_t now = clock_wall();
	struct entry *e;
	int n;

	watch_clock(s);
	for (n = 0; n < LOOKS && d->id_next < d->id_count && !d->blocked; n++)
		deferred_look(s, d->ids[d->id_next++]);
	if (d->id_next == d->id_count && d->ids != NULL) {
		free(d->ids);
		d->ids = NULL;
		d->id_next = d->id_count = 0;
	}
	if (s->draining || s->mark_failed || d->blocked || s->earlier.passing)
		return d->ids != NULL && !d->blocked;
	for (n = 0; n < TAKES && send_has_room(s) && (e = next_due(s, now)) != NULL; n++)
		if (takeoff_entry(s, e, NULL) < 0 && (e->flags & ENTRY_FLYING) == 0 && e->queued == 0)
			deferred_schedule(s, e, now + CLOCK_SECOND);
	set_timer(s);
	return d->ids != NULL || (n == TAKES && send_has_room(s));
}

bool
deferred_is_idle(const struct send *s)
{
	struct prioq_entry least;

	return s->deferred.ids == NULL && list_empty(&s->deferred.unwritten)
	    && !(prioq_peek(&s->deferred.heap, &least) && least.due <= clock_wall());
}
