/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deferred messages as operators ask about them: a list of all, and one that is to be tried now. */
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "deferred_file.h"
#include "landing.h"
#include "send.h"

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
	m = deferred_load(s, h.entry, &file);
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

void
deferred_enter(struct send *s, struct id id)
{
	struct entry *e = table_new(&s->table);

	if (e == NULL)
		return;			/* the next start finds it */
	e->place = ENTRY_DEFERRED;
	e->at.name = id.name;
	e->index = id.index;
	s->table.deferred++;
	schedule_entry(s, e, 0);
}
