/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands in a journal file besides records: its end, bytes that are not there yet, and damage. */
#include <sys/stat.h>

#include "damage.h"
#include "place.h"
#include "reader_internal.h"
#include "send.h"

/* Queue has written more than it has announced, or its word was lost. */
void
reader_note_behind(struct send *s, struct file *f, bool behind)
{
	if (behind != f->behind)
		s->reader.behind += behind ? 1 : (size_t)-1;
	f->behind = behind;
}

void
reader_finish(struct send *s, struct file *f)
{
	f->read_done = true;
	reader_note_behind(s, f, false);
	list_remove(&f->ready);
	reader_forget(s, f);
	window_forget(&s->window, f);
	removal_want(s, f);
	move_want(s, f);
}

/* Nothing more to read for now.  What lies beyond was blank or half written and may change: no window may remember it. */
enum step
reader_stall(struct send *s, struct file *f)
{
	f->usable = f->announced > f->read ? f->announced : f->read;
	window_forget(&s->reader.window, f);
	window_forget(&s->window, f);
	list_remove(&f->ready);
	return STEP_WAIT;
}

void
reader_leave_alone(struct send *s, struct file *f, const char *why)
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
enum step
reader_at_end(struct send *s, struct file *f)
{
	if (f->quiet || (f->ended && f->read >= f->announced)) {
		reader_finish(s, f);
		return STEP_WAIT;
	}
	return reader_stall(s, f);
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
enum step
reader_judge(struct send *s, struct file *f, int fd)
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
		return reader_at_end(s, f);
	}
	if (!f->damaged && (fstat(fd, &st) < 0 || place_keep_damaged(s, f->text, fd, (uint64_t)st.st_size) < 0)) {
		outcomes_trouble(s, f, "keep in dead the damaged journal");
		return STEP_WAIT;
	}
	f->damaged = true;
	next = damage_next(&d, f->read + 1);
	log_place(s, f, "damage", next);
	f->read = next;
	return STEP_ON;
}

enum step
reader_end_mark(struct send *s, struct file *f, int fd, const struct record *record)
{
	if ((f->marked && record->mark != f->mark) || record->committed != f->read)
		return reader_judge(s, f, fd);
	if (record->committed > f->committed)
		f->committed = record->committed;
	f->ended = true;
	reader_finish(s, f);
	return STEP_WAIT;
}
