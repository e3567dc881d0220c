/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clock.h"
#include "landing.h"
#include "send.h"
#include "takeoff.h"

static void
judge(struct send *s, struct entry *e, struct mail *m)
{
	if ((e->flags & ENTRY_OLD) != 0)
		mail_judge(m, s->mark.old, e->place == ENTRY_JOURNAL ? e->at.journal.file->name.usec : 0);
	if ((e->flags & ENTRY_UNCLEAR) != 0)
		mail_judge(m, UINT64_MAX, 1);
	e->flags = (uint16_t)(e->flags & ~ENTRY_OLD);
}

struct mail *
takeoff_begin(struct send *s, struct entry *e, const struct source *source, struct span lines, struct span file)
{
	struct mail *m = mail_new(e, &source->record);
	/* Who gets what was handed out before is said by the configuration of that time. */
	bool before = s->earlier.config != NULL && (e->flags & ENTRY_OLD) != 0
	    && (e->place == ENTRY_DEFERRED || e->at.journal.file->name.usec <= s->mark.old);
	int rerouted;

	if (m == NULL)
		return NULL;
	m->body = source->body;
	if (mail_plan(m, &source->record, lines, file, before ? &s->earlier.config->plan : &s->config.plan, &s->config.retry) < 0) {
		mail_free(m);
		return NULL;
	}
	judge(s, e, m);
	if (before)
		earlier_note(s, m);
	/* Routes are judged at each attempt; from the journal a message is tried but once. */
	rerouted = mail_replan(m, &source->record, &s->config.plan, e->place == ENTRY_DEFERRED);
	m->body = (struct span){ "", 0 };
	if (rerouted < 0) {
		mail_free(m);
		return NULL;
	}
	if (rerouted > 0)
		deferred_dirty(s, m);
	if ((e->flags & (ENTRY_LEAVES | ENTRY_BURY)) != 0) {
		e->at.journal.file->waiting--;
		e->flags = (uint16_t)(e->flags & ~(ENTRY_LEAVES | ENTRY_BURY));
	}
	e->flags |= ENTRY_FLYING;
	e->is.mail = m;
	m->bytes = source->record.header_len + source->body.len;
	s->flying++;
	s->flying_bytes += m->bytes;
	return m;
}

void
takeoff_end(struct send *s, struct mail *m)
{
	struct entry *e = m->entry;

	s->flying--;
	s->flying_bytes -= m->bytes;
	e->flags = (uint16_t)(e->flags & ~(ENTRY_FLYING | ENTRY_UNCLEAR));
	for (size_t i = 0; i < m->count; i++)
		if (!target_is_final(&m->targets[i]) && m->targets[i].unclear && !m->targets[i].unclear_noted)
			e->flags |= ENTRY_UNCLEAR;
	e->is.next = 0;
	mail_free(m);
}

int
takeoff_read(struct send *s, struct entry *e, struct source *source)
{
	struct file *f = e->at.journal.file;
	uint64_t offset = e->at.journal.offset;
	size_t need = RECORD_LINE, size;
	struct span view;
	int fd = file_open(&s->files, f);
	enum record_kind kind;

	if (fd < 0 || window_at(&s->window, f, fd, offset, need, f->usable, &view) < 0)
		return -1;
	while ((kind = record_read(view.data, view.len, &source->record, &need)) == RECORD_MORE && need > view.len)
		if (window_at(&s->window, f, fd, offset, need, f->usable, &view) < 0 || view.len < need)
			return -1;
	if (kind != RECORD_WHOLE || source->record.id.index != e->index) {
		errno = EBADMSG;
		return -1;
	}
	size = source->record.header_len + (size_t)(source->record.body_len < FLIGHT_INLINE ? source->record.body_len : FLIGHT_INLINE);
	if (view.len < size && (window_at(&s->window, f, fd, offset, size, f->usable, &view) < 0 || view.len < size
	    || record_read(view.data, view.len, &source->record, &need) != RECORD_WHOLE)) {
		errno = EBADMSG;
		return -1;
	}
	source->fd = fd;
	source->body_offset = offset + source->record.header_len;
	source->alone = offset == 0 && source->record.header_len + source->record.body_len + RECORD_END_LINE >= f->usable;
	source->body = (struct span){ view.data + source->record.header_len, size - source->record.header_len };
	return 0;
}

static int
take_journal(struct send *s, struct entry *e, struct channel *only)
{
	struct file *f = e->at.journal.file;
	struct str lines = STR_INIT(64U * 1024 * 1024);
	struct source source;
	struct mail *m = NULL;

	if (!outcomes_reserve(s, f) || !send_mark_covers(s, f->name.usec))
		return -1;
	if (takeoff_read(s, e, &source) < 0) {
		outcomes_trouble(s, f, "read again journal");
		f->foreign = errno == EBADMSG;
		return -1;
	}
	if ((e->flags & ENTRY_FLYING) != 0) {
		m = e->is.mail;
	} else if (((e->flags & ENTRY_LINES) == 0 && !f->old) || send_file_lines(s, f, e->index, &lines) == 0) {
		m = takeoff_begin(s, e, &source, str_span(&lines), file_name(f));
	}
	str_free(&lines);
	if (m == NULL)
		return -1;
	flight_dispatch(s, m, &source, only);
	if (m->jobs == 0)
		landing_mail(s, m);
	return 0;
}

int
takeoff_entry(struct send *s, struct entry *e, struct channel *only)
{
	if ((e->flags & (ENTRY_GONE | ENTRY_STUCK)) != 0)
		return 0;
	if ((e->flags & ENTRY_MOVING) != 0)
		return -1;
	if ((e->flags & ENTRY_FLYING) == 0 && !send_has_room(s))
		return -1;
	if (e->place == ENTRY_DEFERRED)
		return deferred_take(s, e, only);
	return e->at.journal.file->foreign ? 0 : take_journal(s, e, only);
}
