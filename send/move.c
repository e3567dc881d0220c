/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "landing.h"
#include "place.h"
#include "send.h"
#include "takeoff.h"

#define BATCH 64
#define AHEAD_FROM (256U * 1024)	/* bytes of a message that is copied in pieces */

struct moving {			/* one of a batch */
	int fd;				/* of its .tmp, until that is durable */
	struct entry *entry;
	struct id id;
	bool dead;
	bool settled;			/* nothing of it is to be tried again */
	uint64_t next;
};

static void
tick(void *arg)
{
	struct send *s = arg;

	s->mover.due = true;
	if (!list_empty(&s->mover.leaving))
		loop_timer_set(s->loop, &s->mover.tick, loop_now(s->loop) + CLOCK_SECOND);
}

void
move_init(struct send *s)
{
	list_init(&s->mover.leaving);
	s->mover.ahead.fd = -1;
	loop_timer_init(&s->mover.tick, tick, s);
}

static bool
waited_long(const struct send *s, const struct file *f)
{
	return loop_now(s->loop) - f->seen >= s->journal_wait;
}

static bool
is_due(const struct send *s, const struct file *f)
{
	if (f->foreign || f->blocked || s->draining || loop_now(s->loop) < f->move_after)
		return false;
	return (f->waiting > 0 && ((f->read_done && f->open == f->waiting) || f->move_due <= clock_wall())) || waited_long(s, f);
}

void
move_want(struct send *s, struct file *f)
{
	if (f->entries == NULL)
		return;
	list_want(&s->mover.leaving, &f->leaving);
	if (f->waiting > 0 && f->read_done && f->open == f->waiting)
		s->mover.due = true;
	if (!loop_timer_is_set(&s->mover.tick))
		loop_timer_set(s->loop, &s->mover.tick, loop_now(s->loop) + CLOCK_SECOND);
}

/* When the message is next tried in deferred/, from its lines: at once where something of it was not tried yet and stands in no queue. */
static int
find_next(struct send *s, struct moving *mv, const struct source *source, struct span lines, struct span file)
{
	struct mail *m = mail_new(mv->entry, &source->record);

	if (m == NULL)
		return -1;
	m->body = source->body;
	if (mail_plan(m, &source->record, lines, file, &s->config.plan, &s->config.retry) < 0) {
		mail_free(m);
		return -1;
	}
	mv->next = mail_next(m);
	/* All is final: it moved to be notified of (bounce.h), at once. */
	mv->settled = mv->next == UINT64_MAX;
	if (mv->settled)
		mv->next = 1;
	/* What is new stands in queues, but for what was given another drop; what is tried later is due by its own time. */
	if (mv->next == 0 && mv->entry->queued != 0)
		for (size_t i = 0; i < m->count; i++) {
			const struct target *t = &m->targets[i];
			const struct channel *c = channel_find(s, mail_text(m, t->drop));
			const struct drop *d = drop_find(s, mail_text(m, t->drop));
			uint64_t due = t->state == TARGET_LATER ? t->next : 1;

			if (t->state == TARGET_NEW && ((c != NULL && (mv->entry->queued & c->bit) != 0) || (d != NULL && (mv->entry->queued & d->bit) != 0)))
				continue;
			if ((t->state == TARGET_LATER || t->state == TARGET_NEW) && (mv->next == 0 || due < mv->next))
				mv->next = due;
		}
	mail_free(m);
	return 0;
}

/* 0; 1: it is large, and more of it is copied in the next turn; -1 with errno. */
static int
write_one(struct send *s, struct file *f, struct entry *e, struct moving *mv)
{
	struct str lines = STR_INIT(64U * 1024 * 1024);
	struct place_ahead *ahead = NULL;
	enum spool_place place;
	struct source source;
	int result;

	*mv = (struct moving){ .entry = e, .id = table_id(e), .dead = (e->flags & ENTRY_BURY) != 0 };
	place = mv->dead ? SPOOL_DEAD : SPOOL_DEFERRED;
	if (takeoff_read(s, e, &source) < 0)
		return -1;
	if (source.record.body_len > AHEAD_FROM) {
		ahead = &s->mover.ahead;
		result = place_copy_ahead(s, ahead, place, &source);
		if (result != 1)
			return result == 0 ? 1 : -1;
	}
	result = -1;
	if (send_file_lines(s, f, e->index, &lines) == 0 && find_next(s, mv, &source, str_span(&lines), file_name(f)) == 0
	    && (mv->fd = place_write(s, place, &source, str_span(&lines), file_name(f), ahead)) >= 0)
		result = 0;
	if (result == 0 && mv->dead)
		place_log_dead(s, &source.record, str_span(&lines), file_name(f));
	str_free(&lines);
	return result;
}

static int
rename_one(struct send *s, const struct moving *mv)
{
	char name[ID_TEXT_MAX];

	id_text(mv->id, name);
	return place_rename(s, mv->dead ? SPOOL_DEAD : SPOOL_DEFERRED, name);
}

/* The move is durable.  What was a place in the journal becomes an entry of deferred/, with its places in channels' queues. */
static void
settle_one(struct send *s, struct file *f, struct moving *mv)
{
	struct entry *e = mv->entry;

	/* Without memory for the line, the next start finds deferred/ID and notes it then. */
	if (outcomes_note_moved(s, f, mv->id.index, mv->dead) < 0)
		log_errno(s->log, "note a move");
	if ((e->flags & (ENTRY_LEAVES | ENTRY_BURY)) != 0)
		f->waiting--;
	e->flags = (uint16_t)(e->flags & ~(ENTRY_LEAVES | ENTRY_BURY | ENTRY_LINES | ENTRY_MOVING));
	if (mv->dead) {
		table_drop(&s->table, e);
	} else {
		struct entry **place = &f->entries;

		while (*place != e)
			place = &(*place)->link;
		*place = e->link;
		e->link = NULL;
		e->flags = (uint16_t)(e->flags & ~ENTRY_LISTED);
		e->place = ENTRY_DEFERRED;
		e->at.name = f->name;
		s->table.deferred++;
		s->put_off |= !mv->settled;
		if (mv->next != 0 || e->queued == 0)
			schedule_entry(s, e, mv->next);
	}
	landing_close(s, f);
}

static bool
may_move(const struct send *s, const struct file *f, const struct entry *e)
{
	if ((e->flags & (ENTRY_GONE | ENTRY_FLYING)) != 0)
		return false;
	return (e->flags & (ENTRY_LEAVES | ENTRY_BURY)) != 0 || waited_long(s, f);
}

/* Makes what was written durable: the number of those at the head of the batch that are. */
static int
finish_batch(struct send *s, const struct moving batch[static BATCH], int written)
{
	int good = written;

	for (int i = 0; i < written; i++)
		if (place_finish(s, batch[i].dead ? SPOOL_DEAD : SPOOL_DEFERRED, batch[i].id, batch[i].fd) < 0 && i < good) {
			log_errno(s->log, "sync a message that moves");
			good = i;
		}
	return good;
}

/* Writes what is to be moved; the number written.  *result: of the last one, as write_one has it. */
static int
write_batch(struct send *s, struct file *f, struct moving batch[static BATCH], int *result)
{
	int written = 0;

	*result = 0;
	for (struct entry *e = f->entries; e != NULL && written < BATCH && *result == 0; e = e->link)
		if (may_move(s, f, e)) {
			*result = write_one(s, f, e, &batch[written]);
			written += *result == 0;
		}
	if (*result < 0)
		log_errno(s->log, "move a message out of journal/%s", f->text);
	return written;
}

/* Moves a batch.  0: all that may move has moved; 1: there may be more; -1: not now. */
static int
move_batch(struct send *s, struct file *f)
{
	struct moving batch[BATCH];
	int count = 0, written, good, result;
	bool dead = false, alive = false;

	if (outcomes_flush(s, f) < 0)
		return -1;
	file_sweep(f, &s->table);
	written = write_batch(s, f, batch, &result);
	good = finish_batch(s, batch, written);
	while (count < good && rename_one(s, &batch[count]) == 0) {
		dead |= batch[count].dead;
		alive |= !batch[count].dead;
		count++;
	}
	if ((alive && fsync(s->spool.dir[SPOOL_DEFERRED]) < 0) || (dead && fsync(s->spool.dir[SPOOL_DEAD]) < 0)) {
		/* They may or may not be there after a crash: nothing may happen to them until the move was done again. */
		log_errno(s->log, "sync a directory of the spool");
		for (int i = 0; i < count; i++)
			batch[i].entry->flags |= ENTRY_MOVING;
		return -1;
	}
	for (int i = 0; i < count; i++)
		settle_one(s, f, &batch[i]);
	return count < written ? -1 : written == BATCH ? 1 : result;
}

static bool
is_empty(struct send *s, struct file *f)
{
	file_sweep(f, &s->table);
	if (f->entries != NULL)
		return false;
	list_remove(&f->leaving);
	return true;
}

bool
move_turn(struct send *s)
{
	struct list *l, *after;

	if (!s->mover.due || s->draining)
		return false;
	for (l = s->mover.leaving.after; l != &s->mover.leaving; l = after) {
		struct file *f = list_owner(l, struct file, leaving);

		after = l->after;
		if (is_empty(s, f) || !is_due(s, f))
			continue;
		f->move_due = UINT64_MAX;
		switch (move_batch(s, f)) {
		case -1:
			f->move_due = 0;
			f->move_after = loop_now(s->loop) + CLOCK_SECOND;
			break;
		case 1:
			f->move_due = 0;	/* others get their turn first */
			break;
		}
		return true;
	}
	s->mover.due = false;
	return false;
}
