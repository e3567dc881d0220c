/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "folder.h"
#include "mbox_internal.h"
#include "trace.h"

/* ---- a batch ---- */

/* The file's directory and name for a job: 0, or -1 with its result set. */
static int locate(struct mailbox *box, struct deliver_job *job)
{
	static const struct drop_owner owner = { (uid_t)-1, (gid_t)-1 };
	const struct drop *drop = drop_of(job);

	if (drop_folder(drop, str_span(&job->target), &box->name, &job->result) < 0)
		return -1;
	if (drop->leaf && str_add(&box->name, drop->leaf) < 0) {
		deliver_job_trouble(&job->result, errno, drop->path);
		return -1;
	}
	box->directory = folder_make_root(drop->inside, drop, &owner);
	if (box->directory >= 0 && (!job->stream || !copy_spool(job, drop->inside)))
		return 0;
	deliver_job_trouble(&job->result, errno, drop->path);
	return -1;
}

static struct mailbox *new_box(struct appender *a, struct deliver_job *job)
{
	struct mailbox *box = calloc(1, sizeof *box);
	const struct drop *drop = drop_of(job);

	if (!box) {
		deliver_job_trouble(&job->result, ENOMEM, drop->path);
		return NULL;
	}
	box->appender = a;
	box->drop = drop;
	box->name = (struct str)STR_INIT(256);
	box->piece = (struct str)STR_INIT(MBOX_RENDER_MAX + TRACE_MAX);
	box->directory = box->fd = box->lock.dot = box->find.fd = -1;
	mbox_box_begin(box);
	box->next = a->boxes;
	a->boxes = box;
	if (!locate(box, job))
		return box;
	mbox_box_free(box);
	return NULL;
}

/* One of this batch that leads to the same file. */
static struct mailbox *find_box(const struct appender *a, const struct mailbox *first, const struct mailbox *like)
{
	for (struct mailbox *box = a->boxes; box != first; box = box->next)
		if (box != like && box->drop == like->drop && box->count < BATCH_JOBS_MAX && span_equal(str_span(&box->name), str_span(&like->name)))
			return box;
	return NULL;
}

static void append_deliver(void *state, struct deliver_job **jobs, size_t count)
{
	struct appender *a = state;
	struct mailbox *before = a->boxes;

	for (size_t i = 0; i < count; i++) {
		struct mailbox *box = new_box(a, jobs[i]), *same;

		if (!box) {
			a->host->done(a->host->arg, jobs[i]);
			continue;
		}
		same = find_box(a, before, box);
		if (same)
			mbox_box_free(box);
		else
			works_add(a->host->works, &box->work);
		if (same)
			box = same;
		box->jobs[box->count++] = jobs[i];
	}
}

/* ---- the kinds ---- */

static int make_file(const struct drop *drop, int directory, const struct drop_owner *owner)
{
	int fd = openat(directory, drop->leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	gid_t group = drop->has_group ? drop->group : owner->gid;
	int result, error;

	if (fd < 0)
		return errno == EEXIST ? 0 : -1;
	result = (owner->uid != (uid_t)-1 || group != (gid_t)-1) && fchown(fd, owner->uid, group) < 0 ? -1 : fchmod(fd, drop->mode);
	error = errno;
	close(fd);
	errno = error;
	return result < 0 ? -1 : fsync(directory);
}

static int append_prepare(const struct drop *drop, const struct drop_owner *owner, struct str *error)
{
	int directory = folder_make_root(drop->root, drop, owner);
	int result = directory < 0 ? -1 : drop->leaf ? make_file(drop, directory, owner) : 0;

	if (result < 0)
		str_printf(error, "drop %s: %s: %s", drop->name, drop->path, strerror(errno));
	if (directory >= 0)
		close(directory);
	return result;
}

static int append_check(const struct drop *drop, struct str *error)
{
	struct stat info;

	if (lstat(drop->path, &info) < 0) {
		if (errno == ENOENT)
			return 0;
		str_printf(error, "drop %s: %s: %s", drop->name, drop->path, strerror(errno));
		return -1;
	}
	if (drop->leaf ? S_ISREG(info.st_mode) && info.st_nlink == 1 : S_ISDIR(info.st_mode))
		return 0;
	str_printf(error, "drop %s: %s is no %s", drop->name, drop->path, drop->leaf ? "file of one name" : "directory");
	return -1;
}

static void *append_open(const struct drop_host *host)
{
	struct appender *a = calloc(1, sizeof *a);

	if (a) {
		a->host = host;
		a->bare = true;
	}
	return a;
}

static void *mbox_open(const struct drop_host *host)
{
	struct appender *a = append_open(host);

	if (a)
		a->bare = false;
	return a;
}

static void append_close(void *state)
{
	struct appender *a = state;

	while (a->boxes)
		mbox_box_free(a->boxes);
	free(a);
}

static int parse_quote(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	drop->mboxo = !strcmp(value->text, "mboxo");
	return drop->mboxo || !strcmp(value->text, "mboxrd") ? 0 : conf_error(node, error, "quote: mboxrd or mboxo was expected");
}

static const struct drop_option options[] = {
	{ "quote", parse_quote },	/* the first: append has none */
	{ "lock", drop_parse_lock },
	{ NULL, NULL },
};

const struct drop_kind mbox_kind = {
	.name = "mbox",
	.place = DROP_FILE,
	.rereads = true,
	.options = options,
	.prepare = append_prepare,
	.check = append_check,
	.open = mbox_open,
	.close = append_close,
	.deliver = append_deliver,
};

const struct drop_kind append_kind = {
	.name = "append",
	.place = DROP_FILE,
	.rereads = true,
	.options = options + 1,
	.prepare = append_prepare,
	.check = append_check,
	.open = append_open,
	.close = append_close,
	.deliver = append_deliver,
};
