/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deferred messages: from the file to the mail in memory, and what is done about files that tell nonsense. */
#include <errno.h>
#include <unistd.h>

#include "bounce.h"
#include "clock.h"
#include "deferred_file.h"
#include "landing.h"
#include "place.h"
#include "send.h"
#include "takeoff.h"

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

/* A file that is no sound record of its message goes to dead/, for a person. */
static void
bury(struct send *s, struct entry *e)
{
	struct id id = table_id(e);
	char name[ID_TEXT_MAX];
	struct log_line line;

	if ((e->flags & ENTRY_FLYING) != 0) {
		stuck(s, e, "the file is damaged");
		return;
	}
	id_text(id, name);
	if (place_bury_deferred(s, id) < 0 || unlinkat(s->spool.dir[SPOOL_DEFERRED], name, 0) < 0) {
		log_errno(s->log, "keep in dead the damaged deferred/%s", name);
		return;
	}
	log_begin(&line, s->log, "damage");
	log_id(&line, id);
	log_word(&line, "place", "deferred");
	log_text(&line, span_of("no sound record; kept in dead"));
	log_end(&line);
	table_drop(&s->table, e);
	s->table.deferred--;
}

static void
cannot_open(struct send *s, struct entry *e)
{
	switch (errno) {
	case EBADMSG:
		bury(s, e);
		break;
	case ENOENT:
		stuck(s, e, "the file is gone");
		break;
	case ENOTSUP:
		stuck(s, e, "the file is of a version that is not known here; it is left as it is");
		break;
	default:
		log_errno(s->log, "read a file of deferred");
	}
}

struct mail *
deferred_load(struct send *s, struct entry *e, struct deferred_file *file)
{
	struct id id = table_id(e);
	char name[ID_TEXT_MAX];
	struct mail *m;

	if (deferred_file_open(s, id, file) < 0) {
		cannot_open(s, e);
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
bool
deferred_clamp(struct send *s, struct mail *m)
{
	bool clamped = false;
	uint64_t now = clock_wall(), most = now + retry_longest(&s->config.retry);
	struct outcome o;

	for (size_t i = 0; i < m->count; i++) {
		struct target *t = &m->targets[i];

		if (t->state != TARGET_LATER || t->flying || t->next <= most)
			continue;
		clamped = true;
		t->next = most;
		t->cut_short = true;
		outcome_set(&o, OUTCOME_LATER, "4.0.0", "the next try was further ahead than the longest wait");
		outcomes_note(s, m, t, &o, NULL, false);
	}
	return clamped;
}

/* A release that was interrupted: what is dead was written anew here, and must not be there for another release once this one is settled.  What is final here is on its way to
 * dead/ instead. */
static void
end_release(struct send *s, const struct mail *m)
{
	char name[ID_TEXT_MAX];

	id_text(m->id, name);
	if (mail_is_final(m) || !place_has(s, SPOOL_DEAD, name))
		return;
	if (fsync(s->spool.dir[SPOOL_DEFERRED]) < 0 || unlinkat(s->spool.dir[SPOOL_DEAD], name, 0) < 0 || fsync(s->spool.dir[SPOOL_DEAD]) < 0)
		log_errno(s->log, "remove dead/%s, which was released; the next start does it", name);
}

void
deferred_look(struct send *s, struct id id)
{
	struct deferred_file file;
	struct entry *e = table_new(&s->table);
	struct mail *m;
	bool held;

	if (e == NULL)
		return;
	e->place = ENTRY_DEFERRED;
	e->at.name = id.name;
	e->index = id.index;
	e->flags = ENTRY_OLD | ENTRY_BEFORE;
	s->table.deferred++;
	m = deferred_load(s, e, &file);
	if (m == NULL) {
		if ((e->flags & (ENTRY_STUCK | ENTRY_GONE)) == 0)
			schedule_entry(s, e, clock_wall() + CLOCK_SECOND);
		return;
	}
	held = bounce_is_held(m, file.lines);
	deferred_file_close(&file);
	end_release(s, m);
	if (held)
		bounce_recover(s, m);
	deferred_clamp(s, m);
	landing_mail(s, m);
}
