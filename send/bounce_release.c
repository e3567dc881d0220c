/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notifications that wait for their message to tell of them, and are released when it does. */
#include <errno.h>
#include <stdlib.h>

#include "bounce_file.h"
#include "clock.h"
#include "send.h"

struct id
bounce_id(struct id about)
{
	about.index |= ID_BOUNCE;
	return about;
}

struct search {
	struct id id;
	struct entry *entry;
};

static void
match(void *arg, struct entry *e)
{
	struct search *search = arg;

	if (e->place == ENTRY_DEFERRED && e->index == search->id.index && id_equal(table_id(e), search->id))
		search->entry = e;
}

/* Whether the look at what was there at the start has yet to come to it.  One written since then is not among that. */
static bool
will_be_found(const struct send *s, struct id id)
{
	const struct deferred *d = &s->deferred;

	for (size_t i = d->id_next; d->ids != NULL && i < d->id_count; i++)
		if (id_equal(d->ids[i], id))
			return true;
	return false;
}

/* It waits for nothing any more.  It may have been there at the start, and may be in the table or not. */
static int
release(struct send *s, struct id id)
{
	struct search search = { id, NULL };

	if (bounce_file_release(s, id) < 0)
		return -1;
	table_each(&s->table, match, &search);
	if (search.entry == NULL && !will_be_found(s, id))
		deferred_enter(s, id);
	else if (search.entry != NULL && (search.entry->flags & ENTRY_FLYING) == 0)
		schedule_entry(s, search.entry, 0);
	return 0;
}

static void
again(void *arg)
{
	struct send *s = arg;
	struct bounces *b = &s->bounces;
	size_t left = 0;

	for (size_t i = 0; i < b->unreleased_count; i++)
		if (release(s, b->unreleased[i]) < 0 && errno != ENOENT)
			b->unreleased[left++] = b->unreleased[i];
	b->unreleased_count = left;
	if (left > 0)
		loop_timer_set(s->loop, &b->again, loop_now(s->loop) + CLOCK_SECOND);
}

void
bounces_init(struct send *s)
{
	loop_timer_init(&s->bounces.again, again, s);
}

void
bounces_free(struct send *s)
{
	if (loop_timer_is_set(&s->bounces.again))
		loop_timer_clear(s->loop, &s->bounces.again);
	free(s->bounces.unreleased);
}

void
bounce_release(struct send *s, struct mail *m)
{
	struct bounces *b = &s->bounces;
	struct id id = bounce_id(m->id), *all;

	if (m->told == MAIL_UNTOLD || release(s, id) == 0)
		return;
	log_errno(s->log, "release a notification");
	all = realloc(b->unreleased, (b->unreleased_count + 1) * sizeof(*all));
	if (all == NULL)
		return;		/* the next start finds it */
	b->unreleased = all;
	all[b->unreleased_count++] = id;
	loop_timer_set(s->loop, &b->again, loop_now(s->loop) + CLOCK_SECOND);
}
