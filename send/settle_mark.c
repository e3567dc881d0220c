/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mark at the end of a run (deaddrop-spool(5), outcome/mark).  Whoever comes next takes for unclear what is dated up to it and has no outcome; after a clean
 * end that is only what was unclear before and has not been settled.
 */
#include "clock.h"
#include "send.h"

struct settling {
	uint64_t least;		/* what the mark must cover still */
	bool keep;		/* all of it */
};

static void
cover(struct settling *settling, uint64_t usec)
{
	if (usec > settling->least)
		settling->least = usec;
}

/* Whether something of it may have been delivered of which no line says so. */
static bool
is_unclear(const struct entry *e)
{
	const struct mail *m = e->is.mail;

	if ((e->flags & ENTRY_FLYING) == 0)
		return (e->flags & (ENTRY_UNCLEAR | ENTRY_OLD)) != 0;
	for (size_t i = 0; i < m->count; i++)
		if (!target_is_final(&m->targets[i]) && m->targets[i].unclear && !m->targets[i].unclear_noted)
			return true;
	return false;
}

static void
look(void *arg, struct entry *e)
{
	struct settling *settling = arg;

	/* A deferred message is dated by its targets, which are not in memory. */
	if (!is_unclear(e))
		return;
	if (e->place == ENTRY_DEFERRED)
		settling->keep = true;
	else
		cover(settling, e->at.journal.file->name.usec);
}

static bool
all_is_noted(const struct send *s)
{
	return !s->unnoted && list_empty(&s->deferred.unwritten) && list_empty(&s->outcomes.dirty) && list_empty(&s->outcomes.unsynced)
	    && s->deferred.unsynced_count == 0;
}

void
send_settle_mark(struct send *s)
{
	struct settling settling = { 0, false };

	/* Those that were not looked at are judged by the mark that is there. */
	if (s->mark_failed || s->earlier.passing || s->deferred.ids != NULL || !all_is_noted(s))
		return;
	table_each(&s->table, look, &settling);
	for (struct list *l = s->files.order.after; l != &s->files.order; l = l->after) {
		struct file *f = list_owner(l, struct file, order);

		if (f->old && f->name.usec <= s->mark.old && reader_has_unread(s, f))
			cover(&settling, f->name.usec);
	}
	if (!settling.keep && mark_lower(&s->mark, settling.least) < 0)
		log_errno(s->log, "lower outcome/mark");
}
