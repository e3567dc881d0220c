/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "maildir.h"
#include "single.h"

/* A dot in front: who watches the directory passes over it until it is whole. */
static int temporary(struct str *out, const struct deliver_job *job, const char *host)
{
	return str_add_char(out, '.') < 0 ? -1 : maildir_name(out, job, host);
}

static int place(struct single_box *box, const struct deliver_job *job, const char *temporary_name, const char *host, struct str *name)
{
	if (maildir_name(name, job, host) < 0)
		return -1;
#ifdef SYS_renameat2
	if (!syscall(SYS_renameat2, box->fd, temporary_name, box->fd, name->data, 1U /* RENAME_NOREPLACE */))
		return 0;
	if (errno != ENOSYS && errno != EINVAL && errno != EEXIST)
		return -1;
#endif
	if (linkat(box->fd, temporary_name, box->fd, name->data, 0) < 0 && errno != EEXIST)
		return -1;
	/* The name holds the job's key: what has it is what an earlier attempt delivered. */
	unlinkat(box->fd, temporary_name, 0);
	return 0;
}

static int find(struct single_box *box, const struct deliver_job *job, const char *temporary_name, const char *host, bool thorough, struct str *name)
{
	struct stat info;

	(void)thorough;
	if (maildir_name(name, job, host) < 0)
		return -1;
	if (fstatat(box->fd, name->data, &info, AT_SYMLINK_NOFOLLOW) < 0) {
		str_cut(name, 0);
		return errno == ENOENT ? 0 : -1;
	}
	unlinkat(box->fd, temporary_name, 0);
	return 1;
}

static void *files_open(const struct drop_host *host)
{
	static const struct single_ops ops = { .temporary = temporary, .place = place, .find = find };

	return single_open(host, &ops);
}

const struct drop_kind files_kind = {
	.name = "files",
	.place = DROP_DIRECTORY,
	.prepare = single_prepare,
	.check = single_check,
	.open = files_open,
	.close = single_close,
	.deliver = single_deliver,
	.look_up = single_look_up,
};
