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
	loop_timer_init(&d->again, again, s);
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
	free(s->deferred.ids);
	s->deferred.ids = NULL;
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
		schedule_entry(s, e, next);
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

	if (next != UINT64_MAX)
		schedule_flying(s, m->entry, next);
}

void
deferred_answered(struct send *s, struct mail *m)
{
	if (m->jobs > 1 && m->branched)
		watch(s, m);
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

bool
deferred_turn(struct send *s)
{
	struct deferred *d = &s->deferred;
	uint64_t now = clock_wall();
	struct entry *e;
	int n;

	schedule_turn(s);
	for (n = 0; n < LOOKS && d->id_next < d->id_count && !d->blocked; n++)
		deferred_look(s, d->ids[d->id_next++]);
	if (d->id_next == d->id_count && d->ids != NULL) {
		free(d->ids);
		d->ids = NULL;
		d->id_next = d->id_count = 0;
	}
	if (s->draining || s->mark_failed || d->blocked || s->earlier.passing)
		return d->ids != NULL && !d->blocked;
	for (n = 0; n < TAKES && send_has_room(s) && (e = schedule_due(s, now)) != NULL; n++)
		if (takeoff_entry(s, e, NULL) < 0 && (e->flags & ENTRY_FLYING) == 0 && e->queued == 0)
			schedule_entry(s, e, now + CLOCK_SECOND);
	schedule_timer(s);
	return d->ids != NULL || (n == TAKES && send_has_room(s));
}

bool
deferred_is_idle(const struct send *s)
{
	return s->deferred.ids == NULL && list_empty(&s->deferred.unwritten) && schedule_is_idle(s);
}
