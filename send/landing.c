/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "landing.h"
#include "send.h"
#include "takeoff.h"

void
landing_close(struct send *s, struct file *f)
{
	f->open--;
	if (f->open == 0) {
		file_sweep(f, &s->table);
		send_forget_lines(s, f);
	}
	removal_want(s, f);
	move_want(s, f);
}

static void
land_journal(struct send *s, struct mail *m)
{
	struct entry *e = m->entry;
	struct file *f = e->at.journal.file;
	bool final = mail_is_final(m), owes = final && mail_owes(m);
	bool later = false;

	for (size_t i = 0; i < m->count; i++) {
		/* A fallback's first attempt is made from deferred/. */
		if (m->targets[i].parked) {
			later = true;
			f->move_due = 0;
		}
		if (m->targets[i].state == TARGET_LATER) {
			later = true;
			if (m->targets[i].next < f->move_due)
				f->move_due = m->targets[i].next;
		}
	}
	takeoff_end(s, m);
	if (final && !owes) {
		table_drop(&s->table, e);
		landing_close(s, f);
		return;
	}
	if (owes)
		f->move_due = 0;
	/* The bounces' seam: notifications are made in deferred/, and what cannot be notified goes from there to dead/. */
	if (owes || later)
		e->flags |= ENTRY_LEAVES;
	f->waiting += owes || later;
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
