/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "send.h"

#define BATCH 256
#define KEYS_BY_HAND (120 * CLOCK_SECOND)	/* queue remembers keys so long; without queue the file's age must tell */

static void
tick(void *arg)
{
	struct send *s = arg;

	removal_run(s);
}

void
removal_init(struct send *s)
{
	list_init(&s->removal.done);
	loop_timer_init(&s->removal.tick, tick, s);
}

static bool
is_done(const struct file *f)
{
	return f->read_done && f->open == 0 && !f->foreign;
}

void
removal_want(struct send *s, struct file *f)
{
	if (!is_done(f))
		return;
	list_want(&s->removal.done, &f->done);
	if (!loop_timer_is_set(&s->removal.tick))
		loop_timer_set(s->loop, &s->removal.tick, loop_now(s->loop) + CLOCK_SECOND);
}

void
removal_until(struct send *s, struct id_name name)
{
	s->removal.until = name;
	if (!list_empty(&s->removal.done) && !loop_timer_is_set(&s->removal.tick))
		loop_timer_set(s->loop, &s->removal.tick, loop_now(s->loop) + CLOCK_SECOND);
}

/* Whether a submitter may still ask queue for a key in it. */
static bool
is_answered(struct send *s, struct file *f)
{
	struct stat st;
	int fd;

	if (f->ended || id_compare_names(f->name, s->removal.until) < 0)
		return true;
	if (!s->once || announce_connected(s))
		return false;
	fd = file_open(&s->files, f);
	return fd >= 0 && fstat(fd, &st) == 0
	    && clock_wall() / CLOCK_SECOND > (uint64_t)st.st_mtim.tv_sec + KEYS_BY_HAND / CLOCK_SECOND;
}

/* The first two steps.  True: journal/N is unlinked. */
static bool
unlink_journal(struct send *s, struct file *f)
{
	if (f->unlinked)
		return true;
	if (!is_answered(s, f) || file_is_locked(&s->files, f) != 0)
		return false;
	if (outcomes_sync(s, f) < 0) {
		s->removal.failed = true;
		return false;
	}
	if (unlinkat(s->spool.dir[SPOOL_JOURNAL], f->text, 0) < 0 && errno != ENOENT) {
		log_errno(s->log, "remove journal/%s", f->text);
		s->removal.failed = true;
		return false;
	}
	f->unlinked = true;
	return true;
}

/* The last step, when journal/N is durably gone.  False: it is to be done again. */
static bool
forget(struct send *s, struct file *f)
{
	if (unlinkat(s->spool.dir[SPOOL_OUTCOME], f->text, 0) < 0 && errno != ENOENT) {
		log_errno(s->log, "remove outcome/%s", f->text);
		return false;
	}
	file_sweep(f, &s->table);
	window_forget(&s->window, f);
	reader_forget(s, f);
	send_forget_lines(s, f);
	files_drop(&s->files, f);
	return true;
}

size_t
removal_run(struct send *s)
{
	struct file *gone[BATCH];
	size_t count = 0, removed = 0;

	s->removal.failed = false;
	for (struct list *l = s->removal.done.after, *after; l != &s->removal.done && count < BATCH; l = after) {
		struct file *f = list_owner(l, struct file, done);

		after = l->after;
		if (!is_done(f))
			list_remove(l);
		else if (unlink_journal(s, f))
			gone[count++] = f;
	}
	/* Should the names come back with a crash, their outcomes must be there: then the files are only read once more. */
	if (count > 0 && fsync(s->spool.dir[SPOOL_JOURNAL]) < 0) {
		log_errno(s->log, "sync the journal directory");
		s->removal.failed = true;
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		removed += forget(s, gone[i]);
	s->removal.failed |= removed < count;
	if (count == BATCH)
		loop_timer_set(s->loop, &s->removal.tick, loop_now(s->loop));
	else if (s->removal.failed && !loop_timer_is_set(&s->removal.tick))
		loop_timer_set(s->loop, &s->removal.tick, loop_now(s->loop) + CLOCK_SECOND);
	return removed;
}

int
removal_clean(struct send *s)
{
	struct id *ids;
	size_t count;

	if (spool_names(&s->spool, SPOOL_OUTCOME, &ids, &count) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		char name[ID_NAME_LEN + 1];
		struct stat st;

		if (files_find(&s->files, ids[i].name) != NULL)
			continue;
		id_name_text(ids[i].name, name);
		if (fstatat(s->spool.dir[SPOOL_JOURNAL], name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			unlinkat(s->spool.dir[SPOOL_OUTCOME], name, 0);
	}
	free(ids);
	return 0;
}
