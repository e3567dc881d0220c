/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "batch.h"
#include "clock.h"
#include "copy.h"
#include "folder.h"
#include "lookup.h"
#include "trace.h"

#define DRAFTS_MAX 256

_Static_assert(LOOKUP_JOBS_MAX == BATCH_JOBS_MAX, "a batch is looked up at once");
#define HOST_LENGTH_MAX 100		/* with seconds and key the name stays below NAME_MAX, with room for a reader's flags */

struct draft {				/* a file that is being written */
	struct job *job;
	struct folder *folder;
	int fd;				/* -1: nothing is open any more */
	bool there;			/* it stands in new */
};

struct maildir {
	const struct drop_host *host;
	struct folder_cache *folders;
	struct str name, trace;		/* of the job in hand */
	bool no_rename;			/* the file system cannot rename without replacing */
	size_t count;
	struct draft drafts[DRAFTS_MAX];
};

int maildir_name(struct str *out, const struct job *job, const char *host)
{
	if (str_printf(out, "%llu.%s.", (unsigned long long)(job->arrival / CLOCK_SECOND), job->key_text) < 0)
		return -1;
	/* As Maildir's own convention has it */
	for (size_t i = 0; host[i] && i < HOST_LENGTH_MAX; i++) {
		int result = host[i] == '/' ? str_add(out, "\\057") : host[i] == ':' ? str_add(out, "\\072") : str_add_char(out, host[i]);

		if (result < 0)
			return -1;
	}
	return 0;
}

bool maildir_is_name(const char *entry, struct span name)
{
	/* ':' by the convention, ';' where a file system has no colons, ',' where a reader added what it knows about the file */
	return span_starts(span_of(entry), name.data) && (!entry[name.len] || strchr(":;,", entry[name.len]));
}

static int set_name(struct maildir *m, const struct job *job)
{
	str_cut(&m->name, 0);
	return maildir_name(&m->name, job, m->host->name);
}

static void trouble(struct job *job, int error, const char *what)
{
	struct str text = STR_INIT(4096);

	str_printf(&text, "%s/%s", job->drop->path, what);
	job_trouble(&job->result, error, text.data);
	str_free(&text);
}

/* The text says where below the drop. */
static void done(struct maildir *m, const struct draft *draft, const char *prefix)
{
	const struct str *folder = &draft->folder->name;

	outcome_set(&draft->job->result, OUTCOME_DONE, "2.0.0", "%s%s/%s%snew/%s", prefix, draft->job->drop->name, folder->data, folder->len ? "/" : "",
	    m->name.data);
}

/* ---- writing ---- */

static int create(struct maildir *m, const struct draft *draft)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(draft->folder->tmp, m->name.data, flags, draft->job->drop->mode);

	/* One of the same name is what an earlier attempt of this very job left behind. */
	if (fd < 0 && errno == EEXIST && !unlinkat(draft->folder->tmp, m->name.data, 0))
		fd = openat(draft->folder->tmp, m->name.data, flags, draft->job->drop->mode);
	return fd;
}

static int write_content(struct maildir *m, const struct draft *draft)
{
	struct job *job = draft->job;
	struct iovec parts[2];

	str_cut(&m->trace, 0);
	if (trace_put(&m->trace, job) < 0)
		return -1;
	parts[0] = (struct iovec){ m->trace.data, m->trace.len };
	parts[1] = (struct iovec){ job->head.data, job->head.len };
	if (draft->folder->give_group && fchown(draft->fd, (uid_t)-1, job->drop->group) < 0)
		return -1;
	if (copy_parts(draft->fd, parts, 2) < 0)
		return -1;
	if (job->stream)
		return copy_stream(draft->fd, job->fd);
	return job->fd < 0 ? 0 : copy_range(draft->fd, job->fd, job->offset, job->length);
}

static void discard(struct maildir *m, struct draft *draft)
{
	if (draft->fd >= 0)
		close(draft->fd);
	draft->fd = -1;
	unlinkat(draft->folder->tmp, m->name.data, 0);
}

/* Only starts to write back: the syncs come when all of the batch are on their way. */
static int write_draft(struct maildir *m, struct draft *draft)
{
	if (write_content(m, draft) < 0) {
		trouble(draft->job, errno, "tmp");
		discard(m, draft);
		return -1;
	}
#ifdef SYNC_FILE_RANGE_WRITE
	sync_file_range(draft->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
	return 0;
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

static void publish(struct maildir *m, struct draft *draft)
{
	if (set_name(m, draft->job) < 0 || fsync(draft->fd) < 0) {
		trouble(draft->job, errno, "tmp");
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
		trouble(draft->job, errno, "new");
		discard(m, draft);
	}
}

/* One that is in new but whose directory is not synced stays: the next attempt finds it. */
static void commit(struct maildir *m)
{
	for (size_t i = 0; i < m->count; i++)
		publish(m, &m->drafts[i]);
	folder_sync(m->folders);
	for (size_t i = 0; i < m->count; i++) {
		struct draft *draft = &m->drafts[i];

		if (draft->there && draft->folder->sync_error)
			trouble(draft->job, draft->folder->sync_error, "new");
	}
	folder_release(m->folders);
	for (size_t i = 0; i < m->count; i++)
		m->host->done(m->host->arg, m->drafts[i].job);
	m->count = 0;
}

/* Where the batch in hand fills the cache of folders it is finished first. */
static int open_folder(struct maildir *m, struct draft *draft)
{
	struct job *job = draft->job;
	enum folder_result result;

	result = folder_get(m->folders, job->drop, str_span(&job->target), &draft->folder, &job->result);
	if (result == FOLDER_BUSY) {
		commit(m);
		result = folder_get(m->folders, job->drop, str_span(&job->target), &draft->folder, &job->result);
	}
	if (result == FOLDER_BUSY)
		job_trouble(&job->result, ENOMEM, job->drop->path);
	return result == FOLDER_OPEN ? 0 : -1;
}

static int open_draft(struct maildir *m, struct draft *draft)
{
	if (open_folder(m, draft) < 0)
		return -1;
	if (set_name(m, draft->job) < 0) {
		job_trouble(&draft->job->result, errno, draft->job->drop->path);
		return -1;
	}
	draft->fd = create(m, draft);
	if (draft->fd < 0 && errno == ENOENT) {		/* tmp was removed while we held it */
		folder_forget(draft->folder);
		if (open_folder(m, draft) < 0)
			return -1;
		draft->fd = create(m, draft);
	}
	if (draft->fd < 0) {
		trouble(draft->job, errno, "tmp");
		return -1;
	}
	return 0;
}

static void maildir_deliver(void *state, struct job **jobs, size_t count)
{
	struct maildir *m = state;

	for (size_t i = 0; i < count; i++) {
		struct draft draft = { .job = jobs[i], .fd = -1 };

		if (m->count == DRAFTS_MAX)
			commit(m);
		if (open_draft(m, &draft) < 0 || write_draft(m, &draft) < 0)
			m->host->done(m->host->arg, jobs[i]);
		else
			m->drafts[m->count++] = draft;
	}
	commit(m);
}

/* ---- looking up ---- */

static bool same_folder(const struct job *a, const struct job *b)
{
	return a->drop == b->drop && span_equal(str_span(&a->target), str_span(&b->target));
}

static void look_up_group(struct maildir *m, struct job **group, size_t count, signed char *found)
{
	struct draft draft = { .job = group[0], .fd = -1 };

	if (open_folder(m, &draft) < 0) {
		for (size_t i = 0; i < count; i++) {
			group[i]->result = group[0]->result;
			found[i] = -1;
		}
		return;
	}
	lookup_run(draft.folder, m->host->name, group, count, found);
	folder_release(m->folders);
}

/* Folder by folder: each is read once for all jobs that lead there. */
static void maildir_look_up(void *state, struct job **jobs, size_t count, signed char *found)
{
	bool looked[LOOKUP_JOBS_MAX] = { false };

	for (size_t i = 0; i < count; i++) {
		struct job *group[LOOKUP_JOBS_MAX];
		size_t places[LOOKUP_JOBS_MAX], size = 0;
		signed char here[LOOKUP_JOBS_MAX] = { 0 };

		for (size_t j = i; j < count; j++) {
			if (looked[j] || !same_folder(jobs[i], jobs[j]))
				continue;
			looked[j] = true;
			places[size] = j;
			group[size++] = jobs[j];
		}
		if (size)
			look_up_group(state, group, size, here);
		for (size_t n = 0; n < size; n++)
			found[places[n]] = here[n];
	}
}

/* ---- the kind ---- */

static int maildir_prepare(const struct drop *drop, const struct drop_owner *owner, struct str *error)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	int root = folder_make_root(drop->path, drop, owner);
	int part = root;

	for (size_t i = 0; part >= 0 && i < sizeof parts / sizeof parts[0]; i++) {
		part = folder_make(root, parts[i], drop, owner);
		if (part >= 0)
			close(part);
	}
	if (part < 0)
		str_printf(error, "drop %s: %s: %s", drop->name, drop->path, strerror(errno));
	if (root >= 0)
		close(root);
	return part < 0 ? -1 : 0;
}

static int maildir_check(const struct drop *drop, struct str *error)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	int root = open(drop->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat info;

	if (root < 0 && errno == ENOENT)
		return 0;		/* it will be made */
	if (root < 0)
		return str_printf(error, "drop %s: %s: %s", drop->name, drop->path, strerror(errno)), -1;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!fstatat(root, parts[i], &info, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(info.st_mode))
			str_printf(error, "drop %s: %s/%s is no directory", drop->name, drop->path, parts[i]);
	close(root);
	return error->len ? -1 : 0;
}

static void maildir_close(void *state)
{
	struct maildir *m = state;

	folder_cache_free(m->folders);
	str_free(&m->name);
	str_free(&m->trace);
	free(m);
}

static void *maildir_open(const struct drop_host *host)
{
	struct maildir *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->host = host;
	m->name = (struct str)STR_INIT(1024);
	m->trace = (struct str)STR_INIT(TRACE_MAX);
	m->folders = folder_cache_new();
	if (m->folders)
		return m;
	maildir_close(m);
	return NULL;
}

static const struct drop_option options[] = {
	{ "folder", drop_parse_folder },
	{ "nested", drop_parse_nested },
	{ "group", drop_parse_group },
	{ "mode", drop_parse_mode },
	{ NULL, NULL },
};

const struct drop_kind maildir_kind = {
	.name = "maildir",
	.options = options,
	.prepare = maildir_prepare,
	.check = maildir_check,
	.open = maildir_open,
	.close = maildir_close,
	.deliver = maildir_deliver,
	.look_up = maildir_look_up,
};
