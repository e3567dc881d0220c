/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A record whose header is right: its message is checked, made durable, and handed out. */
#include <errno.h>
#include <unistd.h>

#include "crc32c.h"
#include "landing.h"
#include "place.h"
#include "reader_internal.h"
#include "send.h"
#include "takeoff.h"

#define PIECES 8		/* windows of a large message's check in a turn */

/* The CRC of a message that is too large for the window, some pieces a turn. */
static enum step
check_large(struct send *s, struct file *f, int fd, const struct record *record, uint64_t end)
{
	struct reader *r = &s->reader;
	struct span view;

	if (end <= f->announced || (r->checking == f && r->checked == end))
		return STEP_ON;
	if (r->checking != f || r->check_left == 0) {
		r->checking = f;
		r->checked = 0;
		r->check_at = f->read + record->header_len;
		r->check_left = record->body_len;
		r->check_crc = record_body_crc(record->mark);
	}
	for (int n = 0; n < PIECES && r->check_left > 0; n++) {
		uint32_t wanted = record->body_crc;

		if (window_at(&s->window, f, fd, r->check_at, 1, end, &view) < 0 || view.len == 0)
			return reader_judge(s, f, fd);
		if (view.len > r->check_left)
			view.len = (size_t)r->check_left;
		r->check_crc = crc32c(r->check_crc, view.data, view.len);
		r->check_at += view.len;
		r->check_left -= view.len;
		if (r->check_left == 0 && r->check_crc != wanted) {
			r->checking = NULL;
			return reader_judge(s, f, fd) == STEP_ON ? STEP_TURN : STEP_WAIT;
		}
	}
	if (r->check_left > 0)
		return STEP_TURN;
	r->checked = end;
	return STEP_ON;
}

/* Bytes that queue has not announced are acted on only when send has synced them after it read them. */
static int
make_durable(struct send *s, struct file *f, int fd, uint64_t end)
{
	struct window *w = &s->reader.window;

	if (end <= f->durable)
		return 0;
	if (fdatasync(fd) < 0)
		return -1;
	f->durable = w->owner == f && w->start + w->bytes.len > end ? w->start + w->bytes.len : end;
	return 0;
}

/* Whether a process before moved the message and did not live to note it. */
static bool
has_moved(struct send *s, struct file *f, struct id id)
{
	char name[ID_TEXT_MAX];
	bool dead;

	if (!f->old)
		return false;
	id_text(id, name);
	dead = place_has(s, SPOOL_DEAD, name);
	if (!dead && !place_has(s, SPOOL_DEFERRED, name))
		return false;
	/* The rename may not be durable yet; what the line says must be. */
	if (fsync(s->spool.dir[dead ? SPOOL_DEAD : SPOOL_DEFERRED]) == 0)
		outcomes_note_moved(s, f, id.index, dead);
	return true;
}

static void
deliver(struct send *s, struct file *f, const struct source *source, uint64_t offset)
{
	struct str lines = STR_INIT(64U * 1024 * 1024);
	struct entry *e = table_new(&s->table);
	struct mail *m = NULL;
	bool is_new = !(f->old && (f->old_until == 0 || offset < f->old_until));

	if (e != NULL && (s->reader.replay_file != f || replay_lines(&s->reader.replay, source->record.id.index, &lines) == 0)) {
		e->place = ENTRY_JOURNAL;
		e->at.journal.file = f;
		e->at.journal.offset = offset;
		e->index = source->record.id.index;
		e->flags = (uint16_t)((is_new ? 0 : ENTRY_OLD | ENTRY_BEFORE) | (lines.len > 0 ? ENTRY_LINES : 0));
		m = takeoff_begin(s, e, source, str_span(&lines), file_name(f));
	}
	str_free(&lines);
	if (m == NULL) {
		/* Without memory the message stays where it is; the file cannot go, and the next start reads it again. */
		if (e != NULL)
			table_drop(&s->table, e);
		f->open++;
		s->unnoted = true;
		log_errno(s->log, "take a message of journal/%s", f->text);
		return;
	}
	if (m->moved || has_moved(s, f, m->id) || (mail_is_final(m) && !mail_owes(m))) {
		takeoff_end(s, m);
		table_drop(&s->table, e);
		return;
	}
	f->open++;
	s->status.accepted += is_new;
	flight_dispatch(s, m, source, NULL);
	if (m->jobs == 0)
		landing_mail(s, m);
}

/* Whether a sound header may stand here, in this file. */
static bool
belongs(const struct file *f, const struct record *record)
{
	return (!f->marked || record->mark == f->mark) && id_compare_names(record->id.name, f->name) == 0
	    && record->id.index >= f->next_index && record->committed <= f->read && record->body_len <= UINT64_MAX / 4;
}

/* The first need bytes of the record into view, where they are not there yet; the record's spans follow.  False: they are not to be had. */
static bool
widen(struct send *s, struct file *f, int fd, size_t need, struct span *view, struct record *record)
{
	size_t more;

	if (view->len >= need)
		return true;
	return window_at(&s->reader.window, f, fd, f->read, need, f->usable, view) == 0 && view->len >= need
	    && record_read(view->data, view->len, record, &more) == RECORD_WHOLE;
}

/* STEP_ON: the message is what its CRC says, or f->read has moved on behind damage. */
static enum step
check_body(struct send *s, struct file *f, int fd, struct span *view, struct record *record, uint64_t end)
{
	uint64_t offset = f->read;
	bool large = record->body_len > WINDOW_BYTES / 2;
	enum step step;

	if (large) {
		step = check_large(s, f, fd, record, end);
		if (step != STEP_ON || f->read != offset)
			return step;
	}
	if (!widen(s, f, fd, record->header_len + (large ? FLIGHT_INLINE : (size_t)record->body_len), view, record))
		return reader_judge(s, f, fd);
	if (!large && crc32c(record_body_crc(record->mark), view->data + record->header_len, (size_t)record->body_len) != record->body_crc)
		return reader_judge(s, f, fd);
	return STEP_ON;
}

static void
pass(struct file *f, const struct record *record, uint64_t end)
{
	if (record->committed > f->committed)
		f->committed = record->committed;
	f->marked = true;
	f->mark = record->mark;
	f->next_index = record->id.index + 1;
	f->read = end;
}

enum step
reader_whole(struct send *s, struct file *f, int fd, struct span view, struct record *record)
{
	uint64_t end = f->read + record->header_len + record->body_len, offset = f->read;
	struct source source = { .fd = fd, .body_offset = offset + record->header_len };
	enum step step;

	if (!belongs(f, record))
		return reader_judge(s, f, fd);
	if (end > f->usable)
		return f->quiet || f->read < f->committed ? reader_judge(s, f, fd) : reader_stall(s, f);
	step = check_body(s, f, fd, &view, record, end);
	if (step != STEP_ON || f->read != offset)
		return step;
	if (make_durable(s, f, fd, end) < 0) {
		outcomes_trouble(s, f, "sync journal");
		return STEP_WAIT;
	}
	if (!outcomes_reserve(s, f) || !send_mark_covers(s, f->name.usec))
		return STEP_WAIT;
	pass(f, record, end);
	source.record = *record;
	source.body = span_skip(view, record->header_len);
	if (source.body.len > FLIGHT_INLINE)
		source.body.len = FLIGHT_INLINE;
	if (source.body.len > record->body_len)
		source.body.len = (size_t)record->body_len;
	source.alone = offset == 0 && end + RECORD_END_LINE >= f->usable;
	deliver(s, f, &source, offset);
	return STEP_ON;
}
