/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "landing.h"
#include "send.h"
#include "takeoff.h"

void
landing_close(struct send *s, struct file *f)
{
	f->open--;
	if (f->open == 0)
		file_sweep(f, &s->table);
	removal_want(s, f);
	move_want(s, f);
}

static void
land_journal(struct send *s, struct mail *m)
{
	struct entry *e = m->entry;
	struct file *f = e->at.journal.file;
	bool final = mail_is_final(m), failed = final && mail_has_failed(m);
	bool later = false;

	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].state == TARGET_LATER) {
			later = true;
			if (m->targets[i].next < f->move_due)
				f->move_due = m->targets[i].next;
		}
	takeoff_end(s, m);
	if (final && !failed) {
		table_drop(&s->table, e);
		landing_close(s, f);
		return;
	}
	/* A notification of the failure would be written here; without one the message is kept in dead/. */
	if (failed)
		e->flags |= ENTRY_BURY;
	else if (later)
		e->flags |= ENTRY_LEAVES;
	f->waiting += failed || later;
	file_list(f, e);
	move_want(s, f);
}

void
landing_mail(struct send *s, struct mail *m)
{
	if (m->entry->place == ENTRY_JOURNAL)
		land_journal(s, m);
	else
		deferred_land(s, m);
}
