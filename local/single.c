/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "single.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"
#include "copy.h"
#include "folder.h"
#include "syncer.h"
#include "trace.h"

#define BOXES_MAX 32			/* of one batch; more of them are several batches */

struct draft {				/* a file that is being written */
	struct deliver_job *job;
	struct single_box *box;
	struct copy copy;
	int fd;				/* -1: nothing is open any more */
	bool there;
};

struct single {
	const struct drop_host *host;
	const struct single_ops *ops;
	struct str temporary, name, trace;	/* of the job in hand */
	struct single_box boxes[BOXES_MAX];
	size_t box_count;
	struct draft drafts[BATCH_JOBS_MAX];
	size_t count;
	struct large *larges;
};

struct large {				/* a message that is written in steps, in a box of its own */
	struct work work;
	struct single *single;
	struct large *next;
	struct single_box box;
	struct draft draft;
};

_Static_assert(offsetof(struct large, work) == 0, "the work is the large message");

/* The batch's own box for the job; NULL with the job's result set. */
static struct single_box *find_box(struct single *s, struct deliver_job *job)
{
	struct single_box *box = &s->boxes[s->box_count];

	if (single_box_open(box, job) < 0)
		return NULL;
	for (size_t i = 0; i < s->box_count; i++) {
		if (s->boxes[i].drop != box->drop || !span_equal(str_span(&s->boxes[i].folder), str_span(&box->folder)))
			continue;
		single_box_close(box);
		return &s->boxes[i];
	}
	s->box_count++;
	return box;
}

/* ---- writing ---- */

static int set_temporary(struct single *s, const struct deliver_job *job)
{
	str_cut(&s->temporary, 0);
	str_cut(&s->name, 0);
	return s->ops->temporary(&s->temporary, job, s->host->name);
}

static void done(struct draft *draft, const char *how, const char *name)
{
	const struct single_box *box = draft->box;

	outcome_set(&draft->job->result, OUTCOME_DONE, "2.0.0", "%s%s/%s%s%s", how, box->drop->name, box->folder.data, box->folder.len ? "/" : "", name);
}

static void remove_draft(struct single *s, struct draft *draft)
{
	if (draft->fd >= 0)
		close(draft->fd);
	draft->fd = -1;
	if (!set_temporary(s, draft->job))
		unlinkat(draft->box->fd, s->temporary.data, 0);
}

static void fail(struct single *s, struct draft *draft, int error)
{
	single_box_trouble(draft->job, error, draft->box);
	remove_draft(s, draft);
}

/* 1: an earlier attempt had come so far that nothing is left to do. */
static int create(struct single *s, struct draft *draft)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const struct drop *drop = draft->box->drop;
	int found;

	if (set_temporary(s, draft->job) < 0)
		return -1;
	draft->fd = openat(draft->box->fd, s->temporary.data, flags, drop->mode);
	if (draft->fd < 0 && errno == EEXIST) {
		found = s->ops->find(draft->box, draft->job, s->temporary.data, s->host->name, false, &s->name);
		if (found)
			return found;
		if (!unlinkat(draft->box->fd, s->temporary.data, 0))
			draft->fd = openat(draft->box->fd, s->temporary.data, flags, drop->mode);
	}
	if (draft->fd < 0)
		return -1;
	if (draft->box->give_group && fchown(draft->fd, (uid_t)-1, drop->group) < 0)
		return -1;
	return copy_begin(&draft->copy, draft->job, draft->fd, &s->trace);
}

static void publish(struct single *s, struct draft *draft)
{
	int placed;

	if (draft->there)
		return;
	if (set_temporary(s, draft->job) < 0) {
		fail(s, draft, errno);
		return;
	}
	close(draft->fd);
	draft->fd = -1;
	placed = s->ops->place(draft->box, draft->job, s->temporary.data, s->host->name, &s->name);
	if (placed < 0) {
		/* a server of files may have done it all the same, but where there was no room */
		draft->job->missing &= errno == ENOSPC || errno == EDQUOT;
		fail(s, draft, errno);
		return;
	}
	draft->there = draft->box->dirty = true;
	done(draft, placed ? "already there: " : "", s->name.data);
}

static void sync_box(struct single_box *box)
{
	box->sync_error = box->dirty && fsync(box->fd) < 0 ? errno : 0;
}

/* It stands there all the same. */
static void note_sync_error(struct draft *draft)
{
	bool there = draft->job->result.verdict == OUTCOME_DONE;

	if (!draft->box->sync_error || !there)
		return;
	single_box_trouble(draft->job, draft->box->sync_error, draft->box);
	draft->job->result.clarity = OUTCOME_UNCLEAR;
}

static void finish_box(const struct single *s, struct single_box *box)
{
	if (!box->sync_error && box->placed.len && s->ops->settle)
		s->ops->settle(box);
	single_box_close(box);
}

static void sync_files(struct single *s)
{
	int fds[BATCH_JOBS_MAX], errors[BATCH_JOBS_MAX];

	for (size_t i = 0; i < s->count; i++)
		fds[i] = s->drafts[i].fd;
	syncer_run(s->host->syncer, fds, errors, s->count);
	for (size_t i = 0; i < s->count; i++)
		if (errors[i]) {
			fail(s, &s->drafts[i], errors[i]);
			s->drafts[i].there = true;	/* its result stands */
		}
}

/* With one sync for the file system. */
static void sync_file_systems(struct single *s)
{
	for (size_t i = 0; i < s->box_count; i++) {
		int error = syncfs(s->boxes[i].fd) < 0 ? errno : 0;

		for (size_t k = 0; error && k < s->count; k++)
			if (s->drafts[k].box == &s->boxes[i] && s->drafts[k].fd >= 0) {
				fail(s, &s->drafts[k], error);
				s->drafts[k].there = true;	/* its result stands */
			}
	}
}

/* One whose directory could not be synced stays: the next attempt finds it. */
static void commit(struct single *s)
{
	/* before any of them gets its name */
	if (s->host->sync_fs)
		sync_file_systems(s);
	else
		sync_files(s);
	for (size_t i = 0; i < s->count; i++)
		publish(s, &s->drafts[i]);
	for (size_t i = 0; i < s->box_count; i++)
		sync_box(&s->boxes[i]);
	for (size_t i = 0; i < s->count; i++)
		note_sync_error(&s->drafts[i]);
	for (size_t i = 0; i < s->box_count; i++)
		finish_box(s, &s->boxes[i]);
	for (size_t i = 0; i < s->count; i++)
		s->host->done(s->host->arg, s->drafts[i].job);
	s->box_count = s->count = 0;
}

/* ---- large messages ---- */

static void end_large(struct large *large)
{
	struct single *s = large->single;
	struct large **at = &s->larges;

	while (*at != large)
		at = &(*at)->next;
	*at = large->next;
	single_box_close(&large->box);
	free(large);
}

static enum work_next large_step(struct work *work)
{
	struct large *large = (struct large *)(void *)work;
	struct single *s = large->single;
	struct draft *draft = &large->draft;
	struct deliver_job *job = draft->job;
	int more = copy_more(&draft->copy);

	if (more > 0) {
		deliver_alive(job);
		return WORK_AGAIN;
	}
	if (more < 0)
		fail(s, draft, errno);
	else if ((s->host->sync_fs ? syncfs(draft->fd) : fsync(draft->fd)) < 0)
		fail(s, draft, errno);
	else
		publish(s, draft);
	sync_box(&large->box);
	note_sync_error(draft);
	if (!large->box.sync_error && large->box.placed.len && s->ops->settle)
		s->ops->settle(&large->box);
	end_large(large);
	s->host->done(s->host->arg, job);
	return WORK_OVER;
}

/* True: the job is on its way, or has ended. */
static bool begin_large(struct single *s, struct deliver_job *job)
{
	struct large *large = calloc(1, sizeof *large);
	int begun;

	if (!large) {
		single_box_trouble(job, ENOMEM, NULL);
		return false;
	}
	*large = (struct large){ .work = { .step = large_step }, .single = s, .next = s->larges, .draft = { .job = job, .box = &large->box, .fd = -1 } };
	if (single_box_open(&large->box, job) < 0) {
		free(large);
		return false;
	}
	s->larges = large;
	begun = create(s, &large->draft);
	if (!begun) {
		works_add(s->host->works, &large->work);
		return true;
	}
	if (begun > 0)
		done(&large->draft, "already there: ", s->name.data);
	else
		fail(s, &large->draft, errno);
	end_large(large);
	return false;
}

/* ---- a batch ---- */

/* True: it is written, and waits for the commit. */
static bool write_one(struct single *s, struct draft *draft)
{
	int begun = create(s, draft), more = 0;

	if (!begun)
		while ((more = copy_more(&draft->copy)) > 0)
			;
	if (begun < 0 || more < 0) {
		fail(s, draft, errno);
		return false;
	}
	if (begun > 0) {
		done(draft, "already there: ", s->name.data);
		draft->there = draft->box->dirty = true;
	}
#ifdef SYNC_FILE_RANGE_WRITE
	if (!begun && !s->host->sync_fs)
		sync_file_range(draft->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
	return true;
}

void single_deliver(void *state, struct deliver_job **jobs, size_t count)
{
	struct single *s = state;

	for (size_t i = 0; i < count; i++) {
		struct deliver_job *job = jobs[i];
		struct draft draft = { .job = job, .fd = -1 };
		bool large = job->stream || deliver_job_size(job) >= BATCH_LARGE;

		if (large && begin_large(s, job))
			continue;
		if (s->count == BATCH_JOBS_MAX || s->box_count == BOXES_MAX - 1)
			commit(s);
		if (!large)
			draft.box = find_box(s, job);
		if (draft.box && write_one(s, &draft))
			s->drafts[s->count++] = draft;
		else
			s->host->done(s->host->arg, job);
	}
	commit(s);
}

/* ---- looking up ---- */

static signed char look_up_one(struct single *s, struct deliver_job *job)
{
	struct draft draft = { .job = job, .fd = -1 };
	struct single_box box;
	int found;

	if (single_box_open(&box, job) < 0)
		return -1;
	draft.box = &box;
	found = set_temporary(s, job) < 0 ? -1 : s->ops->find(&box, job, s->temporary.data, s->host->name, true, &s->name);
	if (found > 0 && fsync(box.fd) < 0)
		found = -1;
	if (found < 0)
		single_box_trouble(job, errno, &box);
	if (found > 0)
		done(&draft, "found ", s->name.data);
	single_box_close(&box);
	return (signed char)found;
}

void single_look_up(void *state, struct deliver_job **jobs, size_t count, signed char *found)
{
	for (size_t i = 0; i < count; i++)
		found[i] = look_up_one(state, jobs[i]);
}

/* ---- the state ---- */

void single_close(void *state)
{
	struct single *s = state;

	while (s->larges) {
		close(s->larges->draft.fd);
		end_large(s->larges);
	}
	str_free(&s->temporary);
	str_free(&s->name);
	str_free(&s->trace);
	free(s);
}

void *single_open(const struct drop_host *host, const struct single_ops *ops)
{
	struct single *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->host = host;
	s->ops = ops;
	s->temporary = (struct str)STR_INIT(1024);
	s->name = (struct str)STR_INIT(1024);
	s->trace = (struct str)STR_INIT(TRACE_MAX);
	return s;
}
