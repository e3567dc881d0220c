/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "deferred_file.h"
#include "landing.h"
#include "place.h"
#include "send.h"
#include "takeoff.h"

#define LOOKS 200		/* files that are looked at in a turn */
#define TAKES 64		/* messages whose time has come, in a turn */
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

void
deferred_schedule(struct send *s, struct entry *e, uint64_t next)
{
	e->is.next = next;
	if (prioq_put(&s->deferred.heap, next, e) < 0) {
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
		if (fdatasync(fd) < 0)
			log_errno(s->log, "sync a file of deferred");
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

		if ((t->state != TARGET_NEW && t->state != TARGET_LATER) || t->flying)
			continue;
		if (due <= now) {
			c = channel_find(s, mail_text(m, t->drop));
			if (c != NULL && (m->entry->queued & c->bit) != 0)
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
	bool failed = mail_has_failed(m);
	struct entry *e = m->entry;
	int fd, result;

	if (m->pending.len > 0 || mail_is_final(m)) {
		if (deferred_file_append(s, m, &fd) < 0)
			return -1;
		if (m->jobs > 0 || !mail_is_final(m)) {
			sync_later(s, fd);
		} else {
			/* A notification of the failure would be written here; without one the message is kept in dead/. */
			if (failed)
				log_buried(s, m->id);
			result = deferred_file_settle(s, m->id, fd, failed);
			close(fd);
			if (result < 0)
				return -1;
			takeoff_end(s, m);
			table_drop(&s->table, e);
			s->table.deferred--;
			return 0;
		}
	}
	list_remove(&m->unwritten);
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

	if (next != UINT64_MAX && prioq_put(&s->deferred.heap, next, m->entry) == 0)
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

static void
stuck(struct send *s, struct entry *e, const char *why)
{
	struct id id = table_id(e);
	struct log_line line;

	e->flags |= ENTRY_STUCK;
	log_begin(&line, s->log, "error");
	log_id(&line, id);
	log_word(&line, "place", "deferred");
	log_text(&line, span_of(why));
	log_end(&line);
}

/* Opens what an entry stands for and takes it into memory.  file is to be closed by the caller where the result is not NULL. */
static struct mail *
load(struct send *s, struct entry *e, struct deferred_file *file)
{
	struct id id = table_id(e);
	char name[ID_TEXT_MAX];
	struct mail *m;

	if (deferred_file_open(s, id, file) < 0) {
		if (errno == EBADMSG || errno == ENOENT)
			stuck(s, e, errno == ENOENT ? "the file is gone" : "the file is damaged or of an unknown version; it is left alone");
		else
			log_errno(s->log, "read a file of deferred");
		return NULL;
	}
	id_text(id, name);
	if ((e->flags & ENTRY_FLYING) != 0)
		return e->is.mail;
	m = takeoff_begin(s, e, &file->source, file->lines, span_of(name));
	if (m == NULL)
		deferred_file_close(file);
	else
		m->torn = file->torn;
	return m;
}

/* Next tries that lie further ahead than any wait come from a clock that was wrong.  What is decided in place of them is written down, for the mark
 * must tell about it. */
static void
clamp(struct send *s, struct mail *m)
{
	uint64_t now = clock_wall(), most = now + retry_longest(&s->config.retry);
	struct outcome o;

	for (size_t i = 0; i < m->count; i++) {
		struct target *t = &m->targets[i];

		if (t->state != TARGET_LATER || t->next <= most)
			continue;
		t->next = most;
		t->cut_short = true;
		outcome_set(&o, OUTCOME_LATER, "4.0.0", "the next try was further ahead than the longest wait");
		outcomes_note(s, m, t, &o, NULL, false);
	}
}

static void
look(struct send *s, struct id id)
{
	struct deferred_file file;
	struct entry *e = table_new(&s->table);
	struct mail *m;

	if (e == NULL)
		return;
	e->place = ENTRY_DEFERRED;
	e->at.name = id.name;
	e->index = id.index;
	e->flags = ENTRY_OLD;
	s->table.deferred++;
	m = load(s, e, &file);
	if (m == NULL)
		return;
	deferred_file_close(&file);
	clamp(s, m);
	landing_mail(s, m);
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
	m = load(s, e, &file);
	if (m == NULL)
		return (e->flags & ENTRY_STUCK) != 0 ? 0 : -1;
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

bool
deferred_turn(struct send *s)
{
	struct deferred *d = &s->deferred;
	uint64_t now = clock_wall();
	struct entry *e;
	int n;

	for (n = 0; n < LOOKS && d->id_next < d->id_count && !d->blocked; n++)
		look(s, d->ids[d->id_next++]);
	if (d->id_next == d->id_count && d->ids != NULL) {
		free(d->ids);
		d->ids = NULL;
		d->id_next = d->id_count = 0;
	}
	if (s->draining || s->mark_failed || d->blocked)
		return false;
	for (n = 0; n < TAKES && send_has_room(s) && (e = next_due(s, now)) != NULL; n++)
		if (takeoff_entry(s, e, NULL) < 0 && (e->flags & ENTRY_FLYING) == 0 && e->queued == 0)
			deferred_schedule(s, e, now + CLOCK_SECOND);
	set_timer(s);
	return d->ids != NULL || (n == TAKES && send_has_room(s));
}

struct hurried {
	struct id id;
	struct entry *entry;
};

static void
match(void *arg, struct entry *e)
{
	struct hurried *h = arg;

	if (e->place == ENTRY_DEFERRED && e->index == h->id.index && id_equal(table_id(e), h->id))
		h->entry = e;
}

int
deferred_hurry(struct send *s, struct id id, bool all, uid_t uid)
{
	struct hurried h = { id, NULL };
	struct deferred_file file;
	struct outcome o;
	struct mail *m;
	int fd = -1, changed = 0;

	/* A look through the table costs 10 ms for a million of messages, and saves an index that would cost memory for each. */
	table_each(&s->table, match, &h);
	if (h.entry == NULL || (h.entry->flags & (ENTRY_STUCK | ENTRY_FLYING)) != 0)
		return 0;
	m = load(s, h.entry, &file);
	if (m == NULL)
		return -1;
	outcome_set(&o, OUTCOME_LATER, "4.0.0", "asked to be tried now");
	for (size_t i = 0; i < m->count && (all || file.source.record.uid == uid); i++)
		if (m->targets[i].state == TARGET_LATER && m->targets[i].next > clock_wall()) {
			m->targets[i].next = clock_wall();
			m->targets[i].cut_short = true;
			outcomes_note(s, m, &m->targets[i], &o, NULL, false);
			changed = 1;
		}
	deferred_file_close(&file);
	/* Durable before it is due: else a crash would leave a try that the mark does not know of. */
	if (changed != 0 && (deferred_file_append(s, m, &fd) < 0 || fdatasync(fd) < 0))
		changed = -1;
	if (fd >= 0)
		close(fd);
	landing_mail(s, m);
	return changed;
}

struct listing {
	struct id *ids;
	size_t count, cap;
};

static void
gather(void *arg, struct entry *e)
{
	struct listing *l = arg;

	if (e->place == ENTRY_DEFERRED && l->count < l->cap)
		l->ids[l->count++] = table_id(e);
}

struct id *
deferred_ids(struct send *s, size_t *count)
{
	struct listing l = { NULL, 0, s->table.deferred };

	*count = 0;
	l.ids = calloc(l.cap + 1, sizeof(*l.ids));
	if (l.ids == NULL)
		return NULL;
	table_each(&s->table, gather, &l);
	*count = l.count;
	return l.ids;
}

bool
deferred_is_idle(const struct send *s)
{
	struct prioq_entry least;

	return s->deferred.ids == NULL && list_empty(&s->deferred.unwritten)
	    && !(prioq_peek(&s->deferred.heap, &least) && least.due <= clock_wall());
}
