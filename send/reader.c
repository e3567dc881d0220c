/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "damage.h"
#include "landing.h"
#include "place.h"
#include "send.h"
#include "takeoff.h"

#define RECORDS 256		/* of a turn */
#define PIECES 8		/* windows of a large message's check in a turn */

enum step { STEP_ON, STEP_WAIT, STEP_TURN };	/* go on; another file; the turn is over */

void
reader_init(struct reader *r)
{
	*r = (struct reader){ .checking = NULL };
	window_init(&r->window);
	replay_init(&r->replay);
}

void
reader_free(struct reader *r)
{
	window_free(&r->window);
	replay_free(&r->replay);
}

void
reader_forget(struct send *s, const struct file *f)
{
	struct reader *r = &s->reader;

	window_forget(&r->window, f);
	if (r->checking == f)
		r->checking = NULL;
	if (r->replay_file == f) {
		replay_free(&r->replay);
		r->replay_file = NULL;
	}
}

void
reader_announced(struct send *s, struct file *f, uint64_t length, bool ended)
{
	if (length > f->announced)
		f->announced = length;
	if (length > f->committed)
		f->committed = length;
	if (f->announced > f->usable)
		f->usable = f->announced;
	if (f->announced > f->durable)
		f->durable = f->announced;
	f->ended |= ended;
	if (f->foreign)
		return;
	/* It seemed to be done, as an empty file does before queue has locked it. */
	if (f->read_done && f->read < length && !f->damaged)
		f->read_done = false;
	files_ready(&s->files, f);
	removal_want(s, f);
}

void
reader_look(struct send *s, struct file *f)
{
	if (f->read_done || f->foreign)
		return;
	f->look = true;
	files_ready(&s->files, f);
}

static void
finish(struct send *s, struct file *f)
{
	f->read_done = true;
	list_remove(&f->ready);
	reader_forget(s, f);
	window_forget(&s->window, f);
	removal_want(s, f);
	move_want(s, f);
}

/* Nothing more to read for now.  What lies beyond was blank or half written and may change: no window may remember it. */
static enum step
stall(struct send *s, struct file *f)
{
	f->usable = f->announced > f->read ? f->announced : f->read;
	window_forget(&s->reader.window, f);
	window_forget(&s->window, f);
	list_remove(&f->ready);
	return STEP_WAIT;
}

static void
leave_alone(struct send *s, struct file *f, const char *why)
{
	struct log_line line;

	f->foreign = true;
	list_remove(&f->ready);
	reader_forget(s, f);
	log_begin(&line, s->log, "error");
	log_word(&line, "file", f->text);
	log_num(&line, "offset", f->read);
	log_text(&line, span_of(why));
	log_end(&line);
}

/* The unread bytes end here. */
static enum step
at_end(struct send *s, struct file *f)
{
	if (f->quiet || (f->ended && f->read >= f->announced)) {
		finish(s, f);
		return STEP_WAIT;
	}
	return stall(s, f);
}

static void
log_place(struct send *s, const struct file *f, const char *event, uint64_t end)
{
	struct log_line line;

	log_begin(&line, s->log, event);
	log_word(&line, "file", f->text);
	log_num(&line, "offset", f->read);
	log_num(&line, "next", end);
	log_end(&line);
}

/* What stands at f->read is no record.  Below what is known to be committed it is damage; above, it is not written whole yet, or never will be. */
static enum step
judge(struct send *s, struct file *f, int fd)
{
	struct damage d = { .fd = fd, .size = f->usable, .name = f->name, .mark = f->mark, .marked = f->marked };
	struct stat st;
	uint64_t told, next;

	if (!d.marked && damage_find_mark(&d)) {
		f->marked = true;
		f->mark = d.mark;
	}
	if (f->read >= f->committed && (told = damage_committed(&d, f->read + 1)) > f->committed)
		f->committed = told;
	if (f->read >= f->committed) {
		if (f->quiet)
			log_place(s, f, "torn", f->usable);
		return at_end(s, f);
	}
	if (!f->damaged && (fstat(fd, &st) < 0 || place_keep_damaged(s, f->text, fd, (uint64_t)st.st_size) < 0)) {
		log_errno(s->log, "keep the damaged journal/%s in dead", f->text);
		outcomes_block(s, f);
		return STEP_WAIT;
	}
	f->damaged = true;
	next = damage_next(&d, f->read + 1);
	log_place(s, f, "damage", next);
	f->read = next;
	return STEP_ON;
}

/* The outcomes that an earlier process noted for the file. */
static int
load_replay(struct send *s, struct file *f)
{
	struct reader *r = &s->reader;
	int fd;

	if (!f->old || r->replay_file == f)
		return 0;
	replay_free(&r->replay);
	r->replay_file = NULL;
	fd = file_open_outcomes(&s->files, f, false);
	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && replay_load(&r->replay, fd, file_name(f)) < 0))
		return -1;
	r->replay_file = f;
	return 0;
}

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
			return judge(s, f, fd);
		if (view.len > r->check_left)
			view.len = (size_t)r->check_left;
		r->check_crc = crc32c(r->check_crc, view.data, view.len);
		r->check_at += view.len;
		r->check_left -= view.len;
		if (r->check_left == 0 && r->check_crc != wanted) {
			r->checking = NULL;
			return judge(s, f, fd) == STEP_ON ? STEP_TURN : STEP_WAIT;
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
	if (fdatasync(fd) < 0) {
		log_errno(s->log, "sync journal/%s", f->text);
		return -1;
	}
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

	if (e != NULL && (s->reader.replay_file != f || replay_lines(&s->reader.replay, source->record.id.index, &lines) == 0)) {
		e->place = ENTRY_JOURNAL;
		e->at.journal.file = f;
		e->at.journal.offset = offset;
		e->index = source->record.id.index;
		e->flags = (uint16_t)((f->old ? ENTRY_OLD : 0) | (lines.len > 0 ? ENTRY_LINES : 0));
		m = takeoff_begin(s, e, source, str_span(&lines), file_name(f));
	}
	str_free(&lines);
	if (m == NULL) {
		/* Without memory the message stays where it is; the file cannot go, and the next start reads it again. */
		if (e != NULL)
			table_drop(&s->table, e);
		f->open++;
		log_errno(s->log, "take a message of journal/%s", f->text);
		return;
	}
	if (m->moved || has_moved(s, f, m->id) || (mail_is_final(m) && !mail_has_failed(m))) {
		takeoff_end(s, m);
		table_drop(&s->table, e);
		return;
	}
	f->open++;
	flight_dispatch(s, m, source, NULL);
	if (m->jobs == 0)
		landing_mail(s, m);
}

static enum step
whole(struct send *s, struct file *f, int fd, struct span view, struct record *record)
{
	uint64_t end = f->read + record->header_len + record->body_len, offset = f->read;
	struct source source = { .fd = fd, .body_offset = offset + record->header_len };
	size_t need;
	enum step step;

	if ((f->marked && record->mark != f->mark) || id_compare_names(record->id.name, f->name) != 0
	    || record->id.index < f->next_index || record->committed > offset || record->body_len > UINT64_MAX / 4)
		return judge(s, f, fd);
	if (end > f->usable)
		return f->quiet || f->read < f->committed ? judge(s, f, fd) : stall(s, f);
	if (record->body_len <= WINDOW_BYTES / 2) {
		need = record->header_len + (size_t)record->body_len;
		if (view.len < need && (window_at(&s->reader.window, f, fd, offset, need, f->usable, &view) < 0 || view.len < need
		    || record_read(view.data, view.len, record, &(size_t){ 0 }) != RECORD_WHOLE))
			return judge(s, f, fd);
		if (crc32c(record_body_crc(record->mark), view.data + record->header_len, (size_t)record->body_len) != record->body_crc)
			return judge(s, f, fd);
	} else {
		step = check_large(s, f, fd, record, end);
		if (step != STEP_ON || f->read != offset)
			return step;
		need = record->header_len + FLIGHT_INLINE;
		if (view.len < need && (window_at(&s->reader.window, f, fd, offset, need, f->usable, &view) < 0 || view.len < need
		    || record_read(view.data, view.len, record, &(size_t){ 0 }) != RECORD_WHOLE))
			return judge(s, f, fd);
	}
	if (make_durable(s, f, fd, end) < 0) {
		outcomes_block(s, f);
		return STEP_WAIT;
	}
	if (!outcomes_reserve(s, f) || !send_mark_covers(s, f->name.usec))
		return STEP_WAIT;
	if (record->committed > f->committed)
		f->committed = record->committed;
	f->marked = true;
	f->mark = record->mark;
	f->next_index = record->id.index + 1;
	f->read = end;
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

static enum step
end_mark(struct send *s, struct file *f, int fd, const struct record *record)
{
	if ((f->marked && record->mark != f->mark) || record->committed != f->read)
		return judge(s, f, fd);
	if (record->committed > f->committed)
		f->committed = record->committed;
	f->ended = true;
	finish(s, f);
	return STEP_WAIT;
}

static void
take_look(struct send *s, struct file *f, int fd)
{
	struct stat st;
	int locked = file_is_locked(&s->files, f);

	/* First the lock, then the length: who let go of it has written all. */
	f->look = false;
	f->quiet = locked == 0;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size > f->usable)
		f->usable = (uint64_t)st.st_size;
}

/* One record, or whatever stands in its place. */
static enum step
read_one(struct send *s, struct file *f)
{
	int fd = file_open(&s->files, f);
	struct record record;
	size_t need = RECORD_LINE;
	struct span view;
	enum record_kind kind;

	if (fd < 0 && errno == ENOENT && f->open == 0) {
		finish(s, f);
		f->ended = true;
		return STEP_WAIT;
	}
	if (fd < 0 || load_replay(s, f) < 0) {
		leave_alone(s, f, "it cannot be opened, or its outcomes cannot be read");
		return STEP_WAIT;
	}
	if (f->look)
		take_look(s, f, fd);
	if (f->read >= f->usable)
		return f->read < f->committed ? judge(s, f, fd) : at_end(s, f);
	do {
		if (window_at(&s->reader.window, f, fd, f->read, need, f->usable, &view) < 0) {
			leave_alone(s, f, "it cannot be read");
			return STEP_WAIT;
		}
		kind = record_read(view.data, view.len, &record, &need);
	} while (kind == RECORD_MORE && need > view.len && need <= f->usable - f->read && need <= RECORD_HEADER_MAX);
	switch (kind) {
	case RECORD_WHOLE:
		return whole(s, f, fd, view, &record);
	case RECORD_END:
		return end_mark(s, f, fd, &record);
	case RECORD_VERSION:
		leave_alone(s, f, "it is of a version that is not known here");
		return STEP_WAIT;
	case RECORD_BLANK:
		return f->read < f->committed ? judge(s, f, fd) : at_end(s, f);
	default:
		return f->quiet || f->read < f->committed ? judge(s, f, fd) : stall(s, f);
	}
}

static struct file *
next_file(struct send *s)
{
	for (struct list *l = s->files.ready.after; l != &s->files.ready; l = l->after) {
		struct file *f = list_owner(l, struct file, ready);

		if (!f->blocked)
			return f;
	}
	return NULL;
}

static bool
may_read(const struct send *s)
{
	return !s->draining && !s->mark_failed && send_has_room(s) && channels_want_more(s);
}

bool
reader_turn(struct send *s)
{
	struct file *f;

	for (int n = 0; n < RECORDS; n++) {
		if (!may_read(s) || (f = next_file(s)) == NULL)
			return false;
		if (read_one(s, f) == STEP_TURN)
			return true;
	}
	return true;
}

bool
reader_is_idle(const struct send *s)
{
	return list_empty(&s->files.ready);
}
