/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mh.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "single.h"
#include "trace.h"

#define NUMBER_MAX 999999999U		/* what nmh takes for a message's number */
#define NUMBER_TRIES 10000
#define PIECE 65536U

/* nmh takes a name that begins with a comma for a message that was removed, and passes over it. */
static int temporary(struct str *out, const struct deliver_job *job, const char *host)
{
	(void)host;
	return str_add_char(out, ',') < 0 ? -1 : str_add(out, job->key_text);
}

static bool is_number(const char *name, uint64_t *number)
{
	return *name >= '1' && *name <= '9' && !span_decimal(span_of(name), NUMBER_MAX, number);
}

/* Calls fn for each entry whose name is a number, until it returns other than 0.  That, or 0, or -1 with errno. */
static int each_number(const struct single_box *box, int (*fn)(void *arg, int dir, const char *name, uint64_t number), void *arg)
{
	int fd = openat(box->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0, error;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t number;

	if (!dir) {
		error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return -1;
	}
	for (struct dirent *item; !result && (errno = 0, item = readdir(dir));)
		if (is_number(item->d_name, &number))
			result = fn(arg, fd, item->d_name, number);
	error = errno;
	closedir(dir);
	errno = error;
	return result ? result : error ? -1 : 0;
}

static int keep_highest(void *arg, int dir, const char *name, uint64_t number)
{
	uint64_t *highest = arg;

	(void)dir;
	(void)name;
	if (number > *highest)
		*highest = number;
	return 0;
}

/* Other writers link too: who comes second takes the next. */
static int place(struct single_box *box, const struct deliver_job *job, const char *temporary_name, const char *host, struct str *name)
{
	(void)job;
	(void)host;
	if (!box->highest && each_number(box, keep_highest, &box->highest) < 0)
		return -1;
	for (unsigned tries = 0; tries < NUMBER_TRIES && box->highest < NUMBER_MAX; tries++) {
		str_cut(name, 0);
		if (str_add_decimal(name, ++box->highest, 1) < 0)
			return -1;
		if (linkat(box->fd, temporary_name, box->fd, name->data, 0) < 0) {
			if (errno != EEXIST)
				return -1;
			continue;
		}
		unlinkat(box->fd, temporary_name, 0);
		/* without memory it will not be in the sequence, but it is there */
		str_append(&box->placed, name->data, name->len + 1);
		return 0;
	}
	errno = EMLINK;
	return -1;
}

/* What the reader knows without the sequence too is no reason to deliver anew: no failure of this is the message's. */
static void settle(struct single_box *box)
{
	const char *sequence = box->drop->unseen ? box->drop->unseen : "unseen";

	if (*sequence)
		mh_sequences_update(box->fd, sequence, str_span(&box->placed), box->drop->mode);
}

/* ---- looking for an earlier attempt's ---- */

struct look {
	const struct deliver_job *job;
	struct str *name;
	struct str trace;
	uint64_t size;			/* that the file must have */
	dev_t device;			/* or: which file it must be */
	ino_t inode;
};

static int same_file(void *arg, int dir, const char *name, uint64_t number)
{
	struct look *look = arg;
	struct stat info;

	(void)number;
	if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || info.st_dev != look->device || info.st_ino != look->inode)
		return 0;
	return str_add(look->name, name) < 0 ? -1 : 1;
}

/* The bytes that the job would write, from at on. */
static ssize_t wanted(const struct look *look, uint64_t at, char *buffer)
{
	size_t len;

	if (at >= look->trace.len)
		return deliver_job_read(look->job, at - look->trace.len, buffer, PIECE);
	len = look->trace.len - (size_t)at < PIECE ? look->trace.len - (size_t)at : PIECE;
	memcpy(buffer, look->trace.data + at, len);
	return (ssize_t)len;
}

static bool same_bytes(const struct look *look, int fd)
{
	char *buffer = malloc((size_t)2 * PIECE);
	ssize_t want = buffer ? 1 : 0;
	uint64_t at = 0;

	while (want > 0 && (want = wanted(look, at, buffer)) > 0) {
		if (pread(fd, buffer + PIECE, (size_t)want, (off_t)at) != want || memcmp(buffer, buffer + PIECE, (size_t)want))
			break;
		at += (uint64_t)want;
	}
	free(buffer);
	return at == look->size;
}

/* Size first: it is told without opening. */
static int same_content(void *arg, int dir, const char *name, uint64_t number)
{
	struct look *look = arg;
	struct stat info;
	bool same;
	int fd;

	(void)number;
	if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(info.st_mode) || (uint64_t)info.st_size != look->size)
		return 0;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	same = fd >= 0 && same_bytes(look, fd) && !fsync(fd);
	if (fd >= 0)
		close(fd);
	return !same ? 0 : str_add(look->name, name) < 0 ? -1 : 1;
}

static int find_content(struct single_box *box, struct look *look)
{
	int found = -1;

	look->trace = (struct str)STR_INIT(TRACE_MAX);
	if (!trace_put(&look->trace, look->job)) {
		look->size = look->trace.len + deliver_job_size(look->job);
		found = each_number(box, same_content, look);
	}
	str_free(&look->trace);
	return found;
}

/* An attempt that ended between its link and its unlink left both names, on one file. */
static int find(struct single_box *box, const struct deliver_job *job, const char *temporary_name, const char *host, bool thorough, struct str *name)
{
	struct look look = { .job = job, .name = name };
	struct stat info;
	int found = 0;

	(void)host;
	if (!fstatat(box->fd, temporary_name, &info, AT_SYMLINK_NOFOLLOW) && S_ISREG(info.st_mode) && info.st_nlink > 1) {
		look.device = info.st_dev;
		look.inode = info.st_ino;
		found = each_number(box, same_file, &look);
		if (found > 0) {
			unlinkat(box->fd, temporary_name, 0);
			str_append(&box->placed, name->data, name->len + 1);
			settle(box);
			str_cut(&box->placed, 0);
		}
	}
	return found || !thorough || job->stream ? found : find_content(box, &look);
}

/* ---- the kind ---- */

static int parse_unseen(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	for (const char *at = value->text; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == ':' || *at == 0x7f)
			return conf_error(node, error, "unseen: a sequence's name was expected, or \"\" for none");
	free(drop->unseen);
	drop->unseen = strdup(value->text);
	return drop->unseen ? 0 : conf_error(node, error, "%s", strerror(ENOMEM));
}

static void *mh_open(const struct drop_host *host)
{
	static const struct single_ops ops = { .temporary = temporary, .place = place, .settle = settle, .find = find };

	return single_open(host, &ops);
}

static const struct drop_option options[] = {
	{ "unseen", parse_unseen },
	{ NULL, NULL },
};

const struct drop_kind mh_kind = {
	.name = "mh",
	.place = DROP_DIRECTORY,
	.options = options,
	.prepare = single_prepare,
	.check = single_check,
	.open = mh_open,
	.close = single_close,
	.deliver = single_deliver,
	.look_up = single_look_up,
};
