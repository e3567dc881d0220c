/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "record.h"

#define FILE_MODE 0640			/* send reads it by its group */
#define PIECE (16U * 1024)

static const char zeros[PIECE];

/* ---- the list ---- */

static void forget(struct segment *segment)
{
	struct segment **link = &segment->set->first;

	while (*link != segment)
		link = &(*link)->next;
	*link = segment->next;
	if (segment->fd >= 0)
		close(segment->fd);
	if (segment->closed && segment->fd >= 0)
		segment->set->open--;
	free(segment);
}

static struct segment *add(struct segment_set *set)
{
	struct segment *segment = calloc(1, sizeof *segment), **link = &set->first;

	if (!segment)
		return NULL;
	if (id_new_name(set->newest, &segment->name) || id_random(&segment->mark, sizeof segment->mark)) {
		free(segment);
		return NULL;
	}
	set->newest = segment->name.usec;
	segment->set = set;
	segment->fd = -1;
	while (*link)
		link = &(*link)->next;
	*link = segment;
	return segment;
}

struct id_name segment_oldest(const struct segment_set *set)
{
	return set->first ? set->first->name : (struct id_name){ set->newest + 1, 0 };
}

/* ---- making ---- */

static int create(struct segment *segment)
{
	char name[ID_NAME_LEN + 1];
	int fd;

	id_name_text(segment->name, name);
	fd = openat(segment->set->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return errno;
	/* whatever the umask is: send's user reads it by its group */
	if (fchmod(fd, FILE_MODE) || flock(fd, LOCK_EX | LOCK_NB)) {
		int error = errno;

		unlinkat(segment->set->dir, name, 0);
		close(fd);
		return error;
	}
	segment->fd = fd;
	return 0;
}

static int write_blank(int fd, uint64_t len)
{
	uint64_t at = 0;

	while (at < len) {
		ssize_t n = pwrite(fd, zeros, len - at < PIECE ? (size_t)(len - at) : PIECE, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno : EIO;
		at += (uint64_t)n;
	}
	return fdatasync(fd) ? errno : 0;
}

static struct segment *of_job(struct commit_job *job)
{
	return (struct segment *)(void *)((char *)job - offsetof(struct segment, job));
}

static int make_run(struct commit_job *job)
{
	struct segment *segment = of_job(job);
	char name[ID_NAME_LEN + 1];
	int error = create(segment);

	if (error)
		return error;
	error = write_blank(segment->fd, segment->blank);
	if (!error && fsync(segment->set->dir))
		error = errno;
	if (error) {
		id_name_text(segment->name, name);
		unlinkat(segment->set->dir, name, 0);
		close(segment->fd);
		segment->fd = -1;
	}
	return error;
}

static void make_done(struct commit_job *job)
{
	struct segment *segment = of_job(job);

	segment->busy = false;
	segment->made(segment->made_arg, segment);
}

static void start(struct segment *segment, int (*run)(struct commit_job *), void (*done)(struct commit_job *))
{
	segment->busy = true;
	segment->job.run = run;
	segment->job.done = done;
	commit_start(segment->set->maker, &segment->job);
}

struct segment *segment_make(struct segment_set *set, uint64_t blank, void (*made)(void *arg, struct segment *segment), void *arg)
{
	struct segment *segment = add(set);

	if (!segment)
		return NULL;
	segment->blank = segment->first_blank = blank;
	segment->made = made;
	segment->made_arg = arg;
	start(segment, make_run, make_done);
	return segment;
}

struct segment *segment_open(struct segment_set *set)
{
	struct segment *segment = add(set);
	int error;

	if (!segment)
		return NULL;
	error = create(segment);
	if (error) {
		forget(segment);
		errno = error;
		return NULL;
	}
	return segment;
}

/* ---- finishing ---- */

static int finish_run(struct commit_job *job)
{
	struct segment *segment = of_job(job);
	struct str mark = STR_INIT(RECORD_END_LINE);
	off_t end = (off_t)segment->length + RECORD_END_LINE;
	int error = 0;
	ssize_t n;

	if (record_end_mark(&mark, segment->mark, segment->length))
		return errno;
	do
		n = pwrite(segment->fd, mark.data, mark.len, (off_t)segment->length);
	while (n < 0 && errno == EINTR);
	if (n != RECORD_END_LINE) {
		error = n < 0 ? errno : ENOSPC;
		/* half an end mark is a torn tail; none is better */
		end = (off_t)segment->length;
	}
	str_free(&mark);
	/* NULs behind an end mark do no harm, they only take room: the mark counts */
	if (ftruncate(segment->fd, end) && !error && errno == EINTR)
		(void)!ftruncate(segment->fd, end);
	return error;
}

/* Gives up the descriptor, and with it the lock, of a file that has no end mark; its name is remembered while keys may be asked for. */
static void let_go(struct segment *segment)
{
	if (segment->fd < 0)
		return;
	close(segment->fd);
	segment->fd = -1;
	segment->set->open--;
	segment->broken = true;
	if (!segment->keep_until)
		segment->keep_until = clock_boot() + segment->set->hold;
}

static void look(struct segment *segment);

static void finish_done(struct commit_job *job)
{
	struct segment *segment = of_job(job);
	struct segment_set *set = segment->set;

	segment->busy = false;
	if (job->error) {
		set->ops->failed(set->arg, segment->name, job->error);
		let_go(segment);
		look(segment);
		return;
	}
	set->ops->finished(set->arg, segment->name, segment->length);
	forget(segment);
}

static void set_timer(struct segment_set *set)
{
	uint64_t due = CLOCK_NEVER;

	for (const struct segment *s = set->first; s; s = s->next)
		if (s->closed && !s->busy && !s->holds && s->keep_until && s->keep_until < due)
			due = s->keep_until;
	if (due == CLOCK_NEVER)
		loop_timer_clear(set->loop, &set->timer);
	else
		(void)loop_timer_set(set->loop, &set->timer, due);
}

/* Does what a closed segment is ready for. */
static void look(struct segment *segment)
{
	struct segment_set *set = segment->set;

	if (!segment->closed || segment->busy || segment->holds)
		return;
	if (segment->keep_until > clock_boot()) {
		set_timer(set);
	} else if (segment->broken) {
		let_go(segment);
		if (segment->keep_until > clock_boot()) {
			set_timer(set);
			return;
		}
		forget(segment);
		set->ops->expired(set->arg);
	} else {
		start(segment, finish_run, finish_done);
	}
}

static void timer(void *arg)
{
	struct segment_set *set = arg;
	struct segment *next;

	for (struct segment *s = set->first; s; s = next) {
		next = s->next;
		look(s);
	}
	set_timer(set);
}

void segment_hold(struct segment *segment)
{
	segment->holds++;
}

void segment_release(struct segment *segment)
{
	segment->holds--;
	look(segment);
}

void segment_keep(struct segment *segment)
{
	segment->keep_until = clock_boot() + segment->set->hold;
}

void segment_close(struct segment *segment)
{
	struct segment_set *set = segment->set;

	if (!segment->length) {
		segment_discard(segment);
		return;
	}
	segment->closed = true;
	if (++set->open > SEGMENT_OPEN_MAX)
		for (struct segment *s = set->first; s; s = s->next)
			if (s->closed && s->fd >= 0 && !s->busy) {
				let_go(s);
				break;
			}
	look(segment);
}

void segment_discard(struct segment *segment)
{
	char name[ID_NAME_LEN + 1];

	if (segment->fd >= 0) {
		id_name_text(segment->name, name);
		unlinkat(segment->set->dir, name, 0);
	}
	forget(segment);
}

bool segment_set_settle(struct segment_set *set)
{
	bool settled = true;
	struct segment *next;

	for (struct segment *s = set->first; s; s = next) {
		next = s->next;
		if (s->busy) {
			settled = false;
		} else if (s->closed && (s->holds || s->keep_until > clock_boot())) {
			s->holds = 0;
			forget(s);
		}
	}
	return settled;
}

void segment_set_init(struct segment_set *set, struct loop *loop, struct commit *maker, int dir, uint64_t newest, uint64_t hold,
    const struct segment_ops *ops, void *arg)
{
	*set = (struct segment_set){ .loop = loop, .maker = maker, .dir = dir, .newest = newest, .hold = hold, .ops = ops, .arg = arg };
	loop_timer_init(&set->timer, timer, set);
}

void segment_set_free(struct segment_set *set)
{
	if (!set->loop)
		return;
	loop_timer_clear(set->loop, &set->timer);
	while (set->first) {
		if (!set->first->length && !set->first->closed)
			segment_discard(set->first);
		else
			forget(set->first);
	}
}
