/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader_internal.h"
#include "send.h"

#define RECORDS 256		/* of a turn */

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
	if (f->announced == 0)
		f->old_until = length;
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

static void
take_look(struct send *s, struct file *f, int fd)
{
	struct stat st;
	int locked = file_is_locked(&s->files, f);
	char next;

	/* First the lock, then the length: who let go of it has written all.  While queue holds it, what it has not announced may still be taken back. */
	f->look = false;
	f->quiet = locked == 0;
	if (f->quiet && fstat(fd, &st) == 0 && (uint64_t)st.st_size > f->usable)
		f->usable = (uint64_t)st.st_size;
	reader_note_behind(s, f, !f->quiet && pread(fd, &next, 1, (off_t)f->read) == 1 && next != '\0');
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
		reader_finish(s, f);
		f->ended = true;
		return STEP_WAIT;
	}
	if (fd < 0 || load_replay(s, f) < 0) {
		outcomes_trouble(s, f, fd < 0 ? "open journal" : "read outcome");
		return STEP_WAIT;
	}
	if (f->look)
		take_look(s, f, fd);
	if (f->read >= f->usable)
		return f->read < f->committed ? reader_judge(s, f, fd) : reader_at_end(s, f);
	do {
		if (window_at(&s->reader.window, f, fd, f->read, need, f->usable, &view) < 0) {
			outcomes_trouble(s, f, "read journal");
			return STEP_WAIT;
		}
		kind = record_read(view.data, view.len, &record, &need);
	} while (kind == RECORD_MORE && need > view.len && need <= f->usable - f->read && need <= RECORD_HEADER_MAX);
	switch (kind) {
	case RECORD_WHOLE:
		return reader_whole(s, f, fd, view, &record);
	case RECORD_END:
		return reader_end_mark(s, f, fd, &record);
	case RECORD_VERSION:
		reader_leave_alone(s, f, "it is of a version that is not known here");
		return STEP_WAIT;
	case RECORD_BLANK:
		return f->read < f->committed ? reader_judge(s, f, fd) : reader_at_end(s, f);
	default:
		return f->quiet || f->read < f->committed ? reader_judge(s, f, fd) : reader_stall(s, f);
	}
}

bool
reader_has_unread(struct send *s, struct file *f)
{
	char next = '\0';
	int fd;

	if (f->read_done || (f->old_until > 0 && f->read >= f->old_until))
		return false;
	fd = file_open(&s->files, f);
	return fd < 0 || pread(fd, &next, 1, (off_t)f->read) < 0 || next != '\0';
}

static struct file *
next_file(struct send *s)
{
	for (struct list *l = s->files.ready.after; l != &s->files.ready; l = l->after) {
		struct file *f = list_owner(l, struct file, ready);

		if (!f->blocked)
			return s->earlier.passing && f->name.usec > s->mark.old ? NULL : f;
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
	return list_empty(&s->files.ready) && s->reader.behind == 0;
}
