/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "copy.h"
#include "send.h"

#define ROOM_LEAST 4096U
#define ROOM_MOST (256U * 1024)

static void
sync_due(void *arg)
{
	outcomes_sync_all(arg);
}

static void
try_again(void *arg)
{
	struct send *s = arg;

	for (struct list *l = s->files.order.after; l != &s->files.order; l = l->after) {
		struct file *f = list_owner(l, struct file, order);

		if (!f->blocked)
			continue;
		f->blocked = false;
		if (f->rewrite)
			outcomes_sync(s, f);
		files_ready(&s->files, f);
	}
}

void
outcomes_init(struct send *s)
{
	list_init(&s->outcomes.dirty);
	list_init(&s->outcomes.unsynced);
	loop_timer_init(&s->outcomes.sync, sync_due, s);
	loop_timer_init(&s->outcomes.again, try_again, s);
}

void
outcomes_block(struct send *s, struct file *f)
{
	if (!loop_timer_is_set(&s->outcomes.again))
		loop_timer_set(s->loop, &s->outcomes.again, loop_now(s->loop) + CLOCK_SECOND);
	f->blocked = true;
}

void
outcomes_trouble(struct send *s, struct file *f, const char *what)
{
	/* One line for a spell of trouble, not one a second. */
	if (!f->troubled)
		log_errno(s->log, "%s/%s", what, f->text);
	f->troubled = true;
	outcomes_block(s, f);
}

bool
outcomes_reserve(struct send *s, struct file *f)
{
	uint64_t room = f->usable / 8;
	int fd;

	if (f->blocked)
		return false;
	if (f->mended && f->outcome_len + f->pending.len + ROOM_LEAST / 2 <= f->reserved)
		return true;
	fd = file_open_outcomes(&s->files, f, true);
	if (fd < 0) {
		outcomes_trouble(s, f, "open outcome");
		return false;
	}
	room = room < ROOM_LEAST ? ROOM_LEAST : room > ROOM_MOST ? ROOM_MOST : room;
	room += f->pending.len;
	/* A file system that cannot allocate ahead is no reason to stop; a full one is. */
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)f->outcome_len, (off_t)room) < 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
		outcomes_trouble(s, f, "allocate outcome");
		return false;
	}
	f->reserved = f->outcome_len + room;
	f->troubled = false;
	return true;
}

/* Lines were appended to f->pending. */
static void
added(struct send *s, struct file *f)
{
	f->lines++;
	list_want(&s->outcomes.dirty, &f->dirty);
}

static void
log_outcome(struct send *s, const struct mail *m, const struct target *t, const struct outcome *o, const char *key)
{
	static const char *const events[] = { [TARGET_LATER] = "deferred", [TARGET_DONE] = "done", [TARGET_FAILED] = "failed",
		[TARGET_REMOVED] = "instead" };
	uint64_t now = clock_wall();
	struct log_line line;

	log_begin(&line, s->log, events[t->state]);
	log_id(&line, m->id);
	log_address(&line, "rcpt", mail_address(m, t));
	log_str(&line, "drop", mail_text(m, t->drop));
	if (key != NULL)
		log_word(&line, "key", key);
	if (t->state == TARGET_LATER)
		log_span(&line, "next", t->next > now ? t->next - now : 0);
	else
		log_seconds(&line, "delay", now > m->arrival ? now - m->arrival : 0);
	log_num(&line, "try", t->tries);
	log_word(&line, "status", o->status);
	if (t->unclear && t->state == TARGET_LATER)
		log_num(&line, "unclear", 1);
	log_text(&line, span_of(o->text));
	log_end(&line);
}

static void
put_lines(struct send *s, struct mail *m, struct target *t, const struct outcome *o)
{
	char id[ID_TEXT_MAX];
	int result;

	if (m->entry->place == ENTRY_JOURNAL) {
		struct file *f = m->entry->at.journal.file;

		result = mail_put_lines(m, t, &f->pending, file_name(f), o->status, span_of(o->text));
		m->entry->flags |= ENTRY_LINES;
		added(s, f);
	} else {
		id_text(m->id, id);
		result = mail_put_lines(m, t, &m->pending, span_of(id), o->status, span_of(o->text));
		deferred_dirty(s, m);
	}
	if (result == 0)
		return;
	/* Without memory the line is lost, as in a crash: the attempt is unclear to the next process. */
	log_errno(s->log, "note an outcome");
	s->unnoted = true;
}

void
outcomes_note(struct send *s, struct mail *m, struct target *t, const struct outcome *o, const char *key, bool attempted)
{
	put_lines(s, m, t, o);
	if (m->entry->place != ENTRY_JOURNAL)
		deferred_answered(s, m);
	if (t->state == TARGET_LATER)
		s->put_off = true;
	if (attempted)
		s->status.counts[t->state]++;
	if (attempted)
		log_outcome(s, m, t, o, key);
}

void
outcomes_note_told(struct send *s, struct mail *m, struct target *t, const struct outcome *o)
{
	t->told = t->late = m->late = true;
	put_lines(s, m, t, o);
}

void
outcomes_note_lost(struct send *s, struct mail *m, struct target *t)
{
	struct outcome o;

	t->unclear = true;
	if (t->unclear_noted && !t->asked)
		return;
	t->asked = false;
	outcome_set(&o, OUTCOME_LATER, "4.4.2", "the deliverer's connection was lost");
	put_lines(s, m, t, &o);
}

int
outcomes_note_moved(struct send *s, struct file *f, uint32_t index, bool dead)
{
	struct outcome_line line = {
		.index = index,
		.recipient = OUTCOME_ALL,
		.state = OUTCOME_STATE_MOVED,
		.drop = span_of(dead ? "dead" : ""),
		.status = span_of(""),
		.address = span_of(""),
		.reason = span_of(""),
	};

	if (outcome_line_write(&f->pending, file_name(f), &line) < 0)
		return -1;
	added(s, f);
	return 0;
}

int
outcomes_flush(struct send *s, struct file *f)
{
	int fd;

	if (f->pending.len == 0)
		return 0;
	fd = file_open_outcomes(&s->files, f, true);
	if (fd < 0) {
		outcomes_trouble(s, f, "open outcome");
		return -1;
	}
	while (f->pending.len > 0) {
		ssize_t n = write(fd, f->pending.data, f->pending.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			outcomes_trouble(s, f, "write outcome");
			return -1;
		}
		f->outcome_len += (size_t)n;
		if ((size_t)n == f->pending.len)
			str_cut(&f->pending, 0);
		else
			str_shift(&f->pending, (size_t)n);
		list_want(&s->outcomes.unsynced, &f->unsynced);
	}
	/* Idle files keep no buffer: there may be many. */
	if (f->pending.cap > 0 && f->open == 0)
		str_free(&f->pending);
	if (!loop_timer_is_set(&s->outcomes.sync))
		loop_timer_set(s->loop, &s->outcomes.sync, loop_now(s->loop) + CLOCK_SECOND * 9 / 10);
	return 0;
}

void
outcomes_turn(struct send *s)
{
	for (struct list *l = s->outcomes.dirty.after, *after; l != &s->outcomes.dirty; l = after) {
		struct file *f = list_owner(l, struct file, dirty);

		after = l->after;
		if (!f->blocked && outcomes_flush(s, f) == 0)
			list_remove(&f->dirty);
	}
}

static int
replace(struct send *s, const struct file *f, const struct str *lines)
{
	int dir = s->spool.dir[SPOOL_OUTCOME], fd, result = -1, saved;
	char tmp[ID_NAME_LEN + 8];

	snprintf(tmp, sizeof(tmp), "%s.tmp", f->text);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0)
		return -1;
	if (copy_bytes(fd, lines->data, lines->len) == 0 && fdatasync(fd) == 0 && renameat(dir, tmp, dir, f->text) == 0)
		result = fsync(dir);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/*
 * After a failed sync the kernel may take for clean what never reached the disk, and one more sync would say nothing about it.  What can be
 * read back is written again, into a new file.  Where a lost page was read anew from the disk it shows as NULs, for nothing but appending
 * was done: then the old file stays as it is.
 */
static int
rewrite(struct send *s, struct file *f)
{
	struct replay r;
	int fd = file_open_outcomes(&s->files, f, false), result = -1;

	if (fd < 0)
		return -1;
	replay_init(&r);
	if (replay_load(&r, fd, file_name(f)) == 0) {
		errno = EIO;
		if (r.text.len == f->outcome_len && memchr(r.text.data, '\0', r.text.len) == NULL)
			result = replace(s, f, &r.text);
	}
	if (result == 0) {
		file_close_outcomes(f);
		f->reserved = 0;
	}
	replay_free(&r);
	return result;
}

static int
make_durable(struct send *s, struct file *f)
{
	int fd;

	if (f->rewrite)
		return rewrite(s, f);
	fd = file_open_outcomes(&s->files, f, false);
	if (fd < 0)
		return -1;
	if (fdatasync(fd) == 0)
		return 0;
	f->rewrite = true;
	return -1;
}

int
outcomes_sync(struct send *s, struct file *f)
{
	if (outcomes_flush(s, f) < 0)
		return -1;
	list_remove(&f->dirty);
	if (list_empty(&f->unsynced))
		return 0;
	if (make_durable(s, f) < 0) {
		outcomes_trouble(s, f, "sync outcome");
		return -1;
	}
	f->rewrite = f->troubled = false;
	list_remove(&f->unsynced);
	return 0;
}

void
outcomes_sync_all(struct send *s)
{
	for (struct list *l = s->outcomes.unsynced.after, *after; l != &s->outcomes.unsynced; l = after) {
		after = l->after;
		outcomes_sync(s, list_owner(l, struct file, unsynced));
	}
	deferred_sync(s);
}
