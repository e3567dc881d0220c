/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing to Maildirs: a batch together, a large message in steps. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "maildir_internal.h"
#include "syncer.h"

static int set_name(struct maildir *m, const struct deliver_job *job)
{
	str_cut(&m->name, 0);
	return maildir_name(&m->name, job, m->host->name);
}

static void trouble(struct deliver_job *job, int error, const char *what)
{
	struct str text = STR_INIT(65536);

	str_printf(&text, "%s/%s", drop_of(job)->path, what);
	deliver_job_trouble(&job->result, error, text.data);
	str_free(&text);
}

/* The text says where below the drop. */
static void done(struct maildir *m, const struct maildir_draft *draft, const char *prefix)
{
	const struct str *folder = &draft->folder->name;

	outcome_set(&draft->job->result, OUTCOME_DONE, "2.0.0", "%s%s/%s%snew/%s", prefix, drop_of(draft->job)->name, folder->data, folder->len ? "/" : "",
	    m->name.data);
}

/* ---- writing ---- */

static int create(struct maildir *m, const struct maildir_draft *draft)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(draft->folder->tmp, m->name.data, flags, drop_of(draft->job)->mode);

	/* One of the same name is what an earlier attempt of this very job left behind. */
	if (fd < 0 && errno == EEXIST && !unlinkat(draft->folder->tmp, m->name.data, 0))
		fd = openat(draft->folder->tmp, m->name.data, flags, drop_of(draft->job)->mode);
	return fd;
}

static int begin_content(struct maildir *m, struct maildir_draft *draft)
{
	const struct deliver_job *job = draft->job;

	if (draft->folder->give_group && fchown(draft->fd, (uid_t)-1, drop_of(job)->group) < 0)
		return -1;
	return copy_begin(&draft->copy, job, draft->fd, &m->trace);
}

static void discard(struct maildir *m, struct maildir_draft *draft)
{
	if (draft->fd >= 0)
		close(draft->fd);
	draft->fd = -1;
	unlinkat(draft->folder->tmp, m->name.data, 0);
}

/* Only starts to write back: the syncs come when all of the batch are on their way.  1: there is more to write, -1: the job failed. */
static int write_draft(struct maildir *m, struct maildir_draft *draft)
{
	int more = copy_more(&draft->copy);

	if (more < 0) {
		int error = errno;

		discard(m, draft);
		trouble(draft->job, error, "tmp");
	}
#ifdef SYNC_FILE_RANGE_WRITE
	if (!more && !m->host->sync_fs)
		sync_file_range(draft->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
	return more;
}

/* ---- making it durable and visible ---- */

static int move_without_replacing(struct maildir *m, const struct folder *folder)
{
	const char *name = m->name.data;

#ifdef SYS_renameat2
	if (!m->no_rename) {
		if (!syscall(SYS_renameat2, folder->tmp, name, folder->new, name, 1U /* RENAME_NOREPLACE */))
			return 0;
		if (errno != ENOSYS && errno != EINVAL)
			return -1;
		m->no_rename = true;
	}
#endif
	if (linkat(folder->tmp, name, folder->new, name, 0) < 0)
		return -1;
	unlinkat(folder->tmp, name, 0);
	return 0;
}

static void publish(struct maildir *m, struct maildir_draft *draft)
{
	if (set_name(m, draft->job) < 0 || draft->sync_error) {
		trouble(draft->job, draft->sync_error ? draft->sync_error : errno, "tmp");
		discard(m, draft);
		return;
	}
	close(draft->fd);
	draft->fd = -1;
	if (!move_without_replacing(m, draft->folder)) {
		draft->there = draft->folder->dirty = true;
		done(m, draft, "");
	} else if (errno == EEXIST) {
		/* The name holds the job's key: this is what an earlier attempt delivered, synced before it came there. */
		draft->there = draft->folder->dirty = true;
		done(m, draft, "already there: ");
		discard(m, draft);
	} else {
		/* a server of files may have done it all the same, but where there was no room */
		draft->job->missing &= errno == ENOSPC || errno == EDQUOT;
		trouble(draft->job, errno, "new");
		discard(m, draft);
	}
}

/* The directories of the batch before, and with them the files of this one: the file system makes one commit of what is waited for at the same time. */
static void sync_files(struct maildir *m)
{
	int fds[FOLDER_CACHE_MAX + MAILDIR_DRAFTS_MAX], errors[FOLDER_CACHE_MAX + MAILDIR_DRAFTS_MAX];
	struct folder *dirty[FOLDER_CACHE_MAX];
	size_t folders = folder_dirty(m->folders, dirty), files = m->host->sync_fs ? 0 : m->count;

	for (size_t i = 0; i < folders; i++)
		fds[i] = dirty[i]->new;
	for (size_t i = 0; i < files; i++)
		fds[folders + i] = m->drafts[i].fd;
	syncer_run(m->host->syncer, fds, errors, folders + files);
	for (size_t i = 0; i < folders; i++) {
		dirty[i]->sync_error = errors[i];
		dirty[i]->dirty = false;
	}
	for (size_t i = 0; i < files; i++)
		m->drafts[i].sync_error = errors[folders + i];
}

/* One call for each file system. */
static void sync_file_systems(struct maildir *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct maildir_draft *draft = &m->drafts[i];
		size_t first = 0;
		int error;

		while (m->drafts[first].folder->device != draft->folder->device)
			first++;
		if (first < i)
			continue;
		error = syncfs(draft->fd) < 0 ? errno : 0;
		for (size_t k = i; error && k < m->count; k++)
			if (m->drafts[k].folder->device == draft->folder->device)
				m->drafts[k].sync_error = error;
	}
}

/* The directories of those that have their names were synced.  One that is in new but whose directory is not durable stays: the next attempt finds it. */
static void settle_named(struct maildir *m)
{
	for (size_t i = 0; i < m->named.count; i++) {
		struct maildir_draft *draft = &m->named.drafts[i];

		if (draft->folder->sync_error) {
			trouble(draft->job, draft->folder->sync_error, "new");
			draft->job->result.clarity = OUTCOME_UNCLEAR;
		}
		m->host->done(m->host->arg, draft->job);
	}
	m->named.count = 0;
}

static void settle(struct maildir *m)
{
	sync_files(m);
	settle_named(m);
	folder_release(m->folders);
}

enum work_next maildir_settle(struct work *work)
{
	struct maildir *m = (struct maildir *)(void *)((char *)work - offsetof(struct maildir, named.work));

	/* what has come meanwhile is written first */
	if (m->named.fresh) {
		m->named.fresh = false;
		return WORK_AGAIN;
	}
	settle(m);
	m->named.working = false;
	return WORK_OVER;
}

static void commit(struct maildir *m)
{
	/* before any of them gets its name: a name stands for bytes that are durable */
	if (m->host->sync_fs)
		sync_file_systems(m);
	sync_files(m);
	settle_named(m);
	for (size_t i = 0; i < m->count; i++) {
		publish(m, &m->drafts[i]);
		if (m->drafts[i].there)
			m->named.drafts[m->named.count++] = m->drafts[i];
		else
			m->host->done(m->host->arg, m->drafts[i].job);
	}
	m->count = 0;
	folder_release(m->folders);
	m->named.fresh = m->named.count > 0;
	if (!m->named.fresh || m->named.working)
		return;
	m->named.working = true;
	works_add(m->host->works, &m->named.work);
}

/* Where the batch in hand fills the cache of folders it is finished first. */
int maildir_open_folder(struct maildir *m, struct maildir_draft *draft)
{
	struct deliver_job *job = draft->job;
	enum folder_result result;

	result = folder_get(m->folders, drop_of(job), str_span(&job->target), &draft->folder, &job->result);
	if (result == FOLDER_BUSY) {
		commit(m);
		settle(m);
		result = folder_get(m->folders, drop_of(job), str_span(&job->target), &draft->folder, &job->result);
	}
	if (result == FOLDER_BUSY)
		deliver_job_trouble(&job->result, ENOMEM, drop_of(job)->path);
	return result == FOLDER_OPEN ? 0 : -1;
}

static int open_draft(struct maildir *m, struct maildir_draft *draft)
{
	if (maildir_open_folder(m, draft) < 0)
		return -1;
	if (set_name(m, draft->job) < 0) {
		deliver_job_trouble(&draft->job->result, errno, drop_of(draft->job)->path);
		return -1;
	}
	draft->fd = create(m, draft);
	if (draft->fd < 0 && errno == ENOENT) {		/* tmp was removed while we held it */
		folder_forget(draft->folder);
		if (maildir_open_folder(m, draft) < 0)
			return -1;
		draft->fd = create(m, draft);
	}
	if (draft->fd < 0) {
		trouble(draft->job, errno, "tmp");
		return -1;
	}
	return 0;
}

/* ---- large messages ---- */

static void forget_large(struct maildir_large *large)
{
	struct maildir_large **at = &large->maildir->larges;

	while (*at != large)
		at = &(*at)->next;
	*at = large->next;
	free(large);
}

/* Written to the end: from here on it is a batch of one, in the folder as it is now. */
static void finish_large(struct maildir_large *large)
{
	struct maildir *m = large->maildir;
	struct maildir_draft draft = large->draft;

	forget_large(large);
	if (maildir_open_folder(m, &draft) < 0) {
		close(draft.fd);	/* what lies in tmp is replaced by the next attempt */
		m->host->done(m->host->arg, draft.job);
		return;
	}
	m->drafts[m->count++] = draft;
	commit(m);
}

static enum work_next large_step(struct work *work)
{
	struct maildir_large *large = (struct maildir_large *)(void *)work;
	struct maildir *m = large->maildir;
	struct deliver_job *job = large->draft.job;
	int more = copy_more(&large->draft.copy);

	if (more > 0) {
		deliver_alive(job);
#ifdef SYNC_FILE_RANGE_WRITE
		sync_file_range(large->draft.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
		return WORK_AGAIN;
	}
	if (!more) {
		finish_large(large);
		return WORK_OVER;
	}
	trouble(job, errno, "tmp");
	if (!set_name(m, job) && !maildir_open_folder(m, &large->draft)) {
		discard(m, &large->draft);
		folder_release(m->folders);
	} else {
		close(large->draft.fd);
	}
	forget_large(large);
	m->host->done(m->host->arg, job);
	return WORK_OVER;
}

static int begin_large(struct maildir *m, const struct maildir_draft *draft)
{
	struct maildir_large *large = calloc(1, sizeof *large);

	if (!large)
		return -1;
	*large = (struct maildir_large){ .work = { .step = large_step }, .maildir = m, .next = m->larges, .draft = *draft };
	m->larges = large;
	works_add(m->host->works, &large->work);
	return 0;
}

_Static_assert(offsetof(struct maildir_large, work) == 0, "the work is the large message");

/* ---- a batch ---- */

static void deliver_one(struct maildir *m, struct deliver_job *job)
{
	struct maildir_draft draft = { .job = job, .fd = -1 };
	int more = open_draft(m, &draft);

	if (!more && begin_content(m, &draft) < 0) {
		trouble(job, errno, "tmp");
		discard(m, &draft);
		more = -1;
	}
	if (!more)
		more = write_draft(m, &draft);
	if (!more) {
		m->drafts[m->count++] = draft;
		return;
	}
	if (more > 0 && !begin_large(m, &draft))
		return;
	if (more > 0) {
		trouble(job, ENOMEM, "tmp");
		discard(m, &draft);
	}
	m->host->done(m->host->arg, job);
}

void maildir_write(struct maildir *m, struct deliver_job **jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (m->count == MAILDIR_DRAFTS_MAX)
			commit(m);
		deliver_one(m, jobs[i]);
	}
	commit(m);
}

void maildir_forget_larges(struct maildir *m)
{
	while (m->larges) {
		close(m->larges->draft.fd);
		forget_large(m->larges);
	}
}
