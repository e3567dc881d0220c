/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file that is appended to, step by step: locks, what a dead holder or an unclear attempt left, the messages, one sync. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "mbox_internal.h"

#define LOCK_PAUSE (CLOCK_SECOND / 20)
#define STEP_BYTES (4U * 1024 * 1024)

_Static_assert(offsetof(struct mailbox, work) == 0, "the work is the mailbox");

static enum mbox_style style_of(const struct mailbox *box)
{
	return box->appender->bare ? MBOX_BARE : box->drop->mboxo ? MBOX_O : MBOX_RD;
}

static void trouble(struct mailbox *box, size_t n, int error)
{
	struct str text = STR_INIT(65536);

	str_printf(&text, "%s%s%s", box->drop->path, box->drop->leaf ? "" : "/", box->drop->leaf ? "" : box->name.data);
	deliver_job_trouble(&box->jobs[n]->result, error, text.data);
	str_free(&text);
	box->over[n] = true;
}

/* All of them wait for what is done here in bounded steps, or for a lock for a bounded time. */
static void say_alive(const struct mailbox *box)
{
	for (size_t i = 0; i < box->count; i++)
		deliver_alive(box->jobs[i]);
}

static enum work_next take_locks(struct mailbox *box);

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void mbox_box_free(struct mailbox *box)
{
	struct mailbox **at = &box->appender->boxes;

	while (*at != box)
		at = &(*at)->next;
	*at = box->next;
	mbox_find_end(&box->find);
	if (!box->stuck && (box->state != take_locks || !box->lock.recovered))
		mbox_lock_release(&box->lock, box->name.data);
	close_fd(&box->lock.dot);	/* with its name left there, for what it notes still has to be done */
	close_fd(&box->fd);
	close_fd(&box->directory);
	str_free(&box->name);
	str_free(&box->piece);
	free(box);
}

/* ---- the end ---- */

static enum work_next finish(struct mailbox *box)
{
	const struct drop_host *host = box->appender->host;
	struct deliver_job *jobs[BATCH_JOBS_MAX];
	size_t count = box->count;

	memcpy(jobs, box->jobs, sizeof jobs);
	mbox_box_free(box);
	for (size_t i = 0; i < count; i++)
		host->done(host->arg, jobs[i]);
	return WORK_OVER;
}

/* All that have no result yet. */
static enum work_next fail(struct mailbox *box, int error)
{
	for (size_t i = 0; i < box->count; i++)
		if (!box->over[i])
			trouble(box, i, error);
	return finish(box);
}

static enum work_next give_up(struct mailbox *box)
{
	for (size_t i = 0; i < box->count; i++)
		outcome_set(&box->jobs[i]->result, OUTCOME_LATER, "4.2.0", "%s: somebody else has it locked", box->drop->path);
	return finish(box);
}

/* What a process wrote that died may not be durable yet. */
static bool found_any(const struct mailbox *box)
{
	for (size_t i = 0; i < box->count; i++)
		if (mbox_find_found(&box->find, box->jobs[i]))
			return true;
	return false;
}

/* Durable as a whole, or cut off as a whole: a file that grew by what is not durable would be found by the next attempt all the same. */
static enum work_next sync_file(struct mailbox *box)
{
	const struct mbox_note note = { box->base, box->end, box->crc };
	bool written = box->end != box->base, cut;
	int error;

	/* Until the note says what the file holds, it says that all behind base is to be cut off: nothing may be answered before. */
	if (!mbox_note_set(box->fd, &note) && ((!written && !box->find.torn && !found_any(box)) || !fsync(box->fd))) {
		(void)mbox_note_remove(box->fd);
		return finish(box);
	}
	error = errno;
	cut = ftruncate(box->fd, (off_t)box->base) == 0;
	if (!cut)
		error = errno;
	for (size_t i = 0; i < box->count; i++) {
		trouble(box, i, error);
		if (!cut)
			box->jobs[i]->result.clarity = OUTCOME_UNCLEAR;
	}
	return finish(box);
}

/* ---- writing ---- */

static int write_all(struct mailbox *box)
{
	size_t done = 0;

	while (done < box->piece.len) {
		ssize_t n = pwrite(box->fd, box->piece.data + done, box->piece.len - done, (off_t)box->end);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		box->crc = crc32c(box->crc, box->piece.data + done, (size_t)n);
		done += (size_t)n;
		box->end += (uint64_t)n;
	}
	return 0;
}

/* What cannot be cut off now is cut off by the next who takes the lock, which stays; until then nothing is written behind it. */
static void roll_back(struct mailbox *box, int error)
{
	if (ftruncate(box->fd, (off_t)box->length) < 0) {
		box->stuck = true;
		box->jobs[box->at]->missing = false;
	}
	box->end = box->length;
	box->crc = box->crc_before;
	trouble(box, box->at, error);
	for (size_t i = box->at + 1; box->stuck && i < box->count; i++)
		if (!box->over[i])
			trouble(box, i, error);
}

/* A piece of the job in hand.  True: it has ended. */
static bool write_piece(struct mailbox *box)
{
	int more;

	str_cut(&box->piece, 0);
	more = mbox_render_more(&box->render, &box->piece);
	if (more < 0 || write_all(box) < 0) {
		roll_back(box, errno);
		return true;
	}
	if (more)
		return false;
	outcome_set(&box->jobs[box->at]->result, OUTCOME_DONE, "2.0.0", "%s%s%s at %llu", box->drop->name, box->drop->leaf ? "" : "/",
	    box->drop->leaf ? "" : box->name.data, (unsigned long long)box->length);
	box->over[box->at] = true;
	return true;
}

static void begin_job(struct mailbox *box)
{
	struct deliver_job *job = box->jobs[box->at];

	box->length = box->end;
	box->crc_before = box->crc;
	if (mbox_find_found(&box->find, job)) {
		outcome_set(&job->result, OUTCOME_DONE, "2.0.0", "found in %s", box->drop->name);
		box->over[box->at] = true;
	} else if (mbox_room(box) < 0 || mbox_lock_note(&box->lock, box->length) < 0) {
		trouble(box, box->at, errno);
	} else {
		mbox_render_begin(&box->render, job, style_of(box));
		box->writing = true;
	}
}

/* All behind base is to be cut off if the host goes down now. */
static int note_base(const struct mailbox *box)
{
	return mbox_note_set(box->fd, &(struct mbox_note){ .base = box->base });
}

static enum work_next write_jobs(struct mailbox *box)
{
	uint64_t stop = box->end + STEP_BYTES;

	if (box->end > box->base + STEP_BYTES)
		(void)note_base(box);
	while (box->at < box->count && box->end < stop) {
		if (!box->writing && !box->over[box->at])
			begin_job(box);
		if (box->writing && !write_piece(box))
			continue;
		box->writing = false;
		box->at++;
	}
	return box->at < box->count ? WORK_AGAIN : sync_file(box);
}

/* ---- what is there ---- */

/* A From_ line counts behind an empty line only. */
static int end_last_message(struct mailbox *box)
{
	char last[2] = { '\n', '\n' };
	size_t have = box->base < 2 ? (size_t)box->base : 2;

	if (style_of(box) == MBOX_BARE || !box->base)
		return 0;
	if (pread(box->fd, last + 2 - have, have, (off_t)(box->base - have)) != (ssize_t)have)
		return -1;
	str_cut(&box->piece, 0);
	if ((last[1] != '\n' && str_add_char(&box->piece, '\n') < 0) || ((last[1] != '\n' || last[0] != '\n') && str_add_char(&box->piece, '\n') < 0))
		return -1;
	return write_all(box);
}

static enum work_next begin_writing(struct mailbox *box)
{
	if (box->find.torn) {
		box->base = box->end = box->find.size;
		if (ftruncate(box->fd, (off_t)box->base) < 0)
			return fail(box, errno);
	}
	if (note_base(box) < 0 || end_last_message(box) < 0) {
		int error = errno;

		if (box->end != box->base && ftruncate(box->fd, (off_t)box->base) < 0)
			error = errno;
		else
			(void)mbox_note_remove(box->fd);	/* what others write now is not to be cut off */
		return fail(box, error);
	}
	box->state = write_jobs;
	return WORK_AGAIN;
}

static enum work_next look(struct mailbox *box)
{
	int more = mbox_find_more(&box->find);

	if (more < 0)
		return fail(box, errno);
	for (size_t i = 0; !more && i < box->count; i++)
		box->jobs[i]->missing = box->jobs[i]->unclear && !mbox_find_found(&box->find, box->jobs[i]);
	return more ? WORK_AGAIN : begin_writing(box);
}

/* Under the lock, and before anything else. */
static enum work_next begin_looking(struct mailbox *box)
{
	if (mbox_recover(box) < 0)
		return fail(box, errno);
	box->end = box->base;
	if (mbox_find_begin(&box->find, box->fd, box->base, style_of(box), box->jobs, box->count) < 0)
		return fail(box, errno);
	box->state = look;
	return WORK_AGAIN;
}

/* ---- opening and locking ---- */

/* A file of several names might be somebody else's; what is no file could block. */
static int open_file(struct mailbox *box)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const struct drop *drop = box->drop;
	struct stat info, directory;

	box->fd = openat(box->directory, box->name.data, flags);
	if (box->fd < 0 && errno == ENOENT) {
		box->fd = openat(box->directory, box->name.data, flags | O_CREAT | O_EXCL, drop->mode);
		if (box->fd < 0)
			return -1;
		if ((drop->has_group && fchown(box->fd, (uid_t)-1, drop->group) < 0) || fsync(box->directory) < 0)
			return -1;
	}
	if (box->fd < 0 || fstat(box->fd, &info) < 0 || fstat(box->directory, &directory) < 0)
		return -1;
	/* Where anybody may put files somebody else's is no mailbox of ours. */
	if (info.st_uid != geteuid() && directory.st_mode & S_IWOTH) {
		errno = EPERM;
		return -1;
	}
	if (S_ISREG(info.st_mode) && info.st_nlink == 1)
		return 0;
	errno = S_ISREG(info.st_mode) ? EMLINK : EINVAL;
	return -1;
}

/* A reader may have put a new file in its place while we waited. */
static bool is_still_there(const struct mailbox *box)
{
	struct stat there, held;

	return !fstat(box->fd, &held) && !fstatat(box->directory, box->name.data, &there, AT_SYMLINK_NOFOLLOW) &&
	    there.st_dev == held.st_dev && there.st_ino == held.st_ino;
}

/* With the other lock taken by somebody, none is held while waiting: those who take them in the other order wait for us else. */
static enum work_next take_locks(struct mailbox *box)
{
	struct str unique = STR_INIT(32);
	int taken = 1;

	if (!box->appender->bare) {
		taken = str_add_hex(&unique, id_hash(span_of(box->jobs[0]->key_text)), 16) < 0 ? -1 :
		    mbox_lock_dot(&box->lock, box->directory, box->name.data, unique.data, box->drop->mode);
		str_free(&unique);
	}
	if (taken == 1 && box->fd < 0)
		taken = open_file(box) < 0 ? -1 : 1;
	if (taken == 1)
		taken = mbox_lock_file(box->fd);
	if (taken == 1 && is_still_there(box))
		return begin_looking(box);
	if (taken < 0)
		return fail(box, errno);
	/* A note of who died is still needed: it goes with us into the next try, the lock being ours. */
	if (!box->lock.recovered)
		mbox_lock_release(&box->lock, box->name.data);
	else
		close_fd(&box->lock.dot);
	close_fd(&box->fd);
	if (clock_boot() >= box->give_up)
		return give_up(box);
	box->work.due = clock_boot() + LOCK_PAUSE;
	return WORK_WAIT;
}

enum work_next mbox_box_step(struct work *work)
{
	struct mailbox *box = (struct mailbox *)(void *)work;

	say_alive(box);
	return box->state(box);
}

void mbox_box_begin(struct mailbox *box)
{
	box->work.step = mbox_box_step;
	box->state = take_locks;
	box->give_up = clock_boot() + (box->drop->lock_wait ? box->drop->lock_wait : MBOX_LOCK_WAIT);
}
