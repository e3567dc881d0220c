/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mark at the end of a run (deaddrop-spool(5), outcome/mark).  Whoever comes next takes for unclear what is dated up to it and has no outcome; after a clean
 * end that is only what was unclear before and has not been settled.
 */
#include <unistd.h>

#include "clock.h"
#include "send.h"

struct settling {
	uint64_t old;		/* the mark that this process found */
	uint64_t least;		/* what the mark must cover still */
	bool keep;		/* all of it */
};

static void
cover(struct settling *settling, uint64_t usec)
{
	if (usec > settling->least)
		settling->least = usec;
}

static void
look(void *arg, struct entry *e)
{
	struct settling *settling = arg;

	/* A deferred message is dated by its targets, which are not in memory. */
	if ((e->flags & (ENTRY_UNCLEAR | ENTRY_OLD)) == 0)
		return;
	if (e->place == ENTRY_DEFERRED)
		settling->keep = true;
	else if ((e->flags & ENTRY_UNCLEAR) != 0 || e->at.journal.file->name.usec <= settling->old)
		cover(settling, e->at.journal.file->name.usec);
}

/* Whether it may hold messages that were there when this process began, and were not read by it.  What is not written yet is NULs. */
static bool
has_unread(struct send *s, struct file *f)
{
	char next = '\0';
	int fd;

	if (f->read_done || (f->old_until > 0 && f->read >= f->old_until))
		return false;
	fd = file_open(&s->files, f);
	return fd < 0 || pread(fd, &next, 1, (off_t)f->read) < 0 || next != '\0';
}

static bool
all_is_noted(const struct send *s)
{
	return !s->unnoted && s->flying == 0 && list_empty(&s->deferred.unwritten) && list_empty(&s->outcomes.dirty) && list_empty(&s->outcomes.unsynced)
	    && s->deferred.unsynced_count == 0;
}

void
send_settle_mark(struct send *s)
{
	struct settling settling = { .old = s->mark.old };

	/* Those that were not looked at are judged by the mark that is there. */
	if (s->mark_failed || s->deferred.ids != NULL || !all_is_noted(s))
		return;
	table_each(&s->table, look, &settling);
	for (struct list *l = s->files.order.after; l != &s->files.order; l = l->after) {
		struct file *f = list_owner(l, struct file, order);

		if (f->old && f->name.usec <= settling.old && has_unread(s, f))
			cover(&settling, f->name.usec);
	}
	if (!settling.keep && mark_lower(&s->mark, settling.least) < 0)
		log_errno(s->log, "lower outcome/mark");
}
