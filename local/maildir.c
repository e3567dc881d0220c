/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup.h"
#include "maildir_internal.h"
#include "trace.h"

#define HOST_LENGTH_MAX 100		/* with seconds and key the name stays below NAME_MAX, with room for a reader's flags */

_Static_assert(LOOKUP_JOBS_MAX == BATCH_JOBS_MAX, "a batch is looked up at once");

int maildir_name(struct str *out, const struct deliver_job *job, const char *host)
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

/* ---- looking up ---- */

static bool same_folder(const struct deliver_job *a, const struct deliver_job *b)
{
	return drop_of(a) == drop_of(b) && span_equal(str_span(&a->target), str_span(&b->target));
}

static void look_up_group(struct maildir *m, struct deliver_job **group, size_t count, signed char *found)
{
	struct maildir_draft draft = { .job = group[0], .fd = -1 };

	if (maildir_open_folder(m, &draft) < 0) {
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
static void maildir_look_up(void *state, struct deliver_job **jobs, size_t count, signed char *found)
{
	bool looked[LOOKUP_JOBS_MAX] = { false };

	for (size_t i = 0; i < count; i++) {
		struct deliver_job *group[LOOKUP_JOBS_MAX];
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

_Static_assert(offsetof(struct maildir, sweep) == 0, "the work is the state");

static enum work_next sweep(struct work *work)
{
	struct maildir *m = (struct maildir *)(void *)work;

	m->sweeping = folder_sweep(m->folders);
	work->due = clock_boot() + MAILDIR_IDLE;
	return m->sweeping ? WORK_WAIT : WORK_OVER;
}

static void maildir_deliver(void *state, struct deliver_job **jobs, size_t count)
{
	struct maildir *m = state;

	maildir_write(m, jobs, count);
	if (m->sweeping)
		return;
	m->sweeping = true;
	works_add(m->host->works, &m->sweep);
}

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

	maildir_forget_larges(m);
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
	m->sweep.step = sweep;
	m->named.work.step = maildir_settle;
	m->name = (struct str)STR_INIT(1024);
	m->trace = (struct str)STR_INIT(TRACE_MAX);
	m->folders = folder_cache_new();
	if (m->folders)
		return m;
	maildir_close(m);
	return NULL;
}

const struct drop_kind maildir_kind = {
	.name = "maildir",
	.place = DROP_DIRECTORY,
	.prepare = maildir_prepare,
	.check = maildir_check,
	.open = maildir_open,
	.close = maildir_close,
	.deliver = maildir_deliver,
	.look_up = maildir_look_up,
};
