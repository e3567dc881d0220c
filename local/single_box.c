/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directories of boxes with a file for each message. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "single.h"

void single_box_trouble(struct deliver_job *job, int error, const struct single_box *box)
{
	struct str text = STR_INIT(65536);

	str_printf(&text, "%s%s%s", drop_of(job)->path, box && box->folder.len ? "/" : "", box ? box->folder.data : "");
	deliver_job_trouble(&job->result, error, text.data);
	str_free(&text);
}

static int open_directory(struct single_box *box)
{
	static const struct drop_owner owner = { (uid_t)-1, (gid_t)-1 };
	struct stat info;
	int root = folder_make_root(box->drop->inside, box->drop, &owner);

	box->fd = root < 0 || !box->folder.len ? root : folder_make(root, box->folder.data, box->drop, &owner);
	if (root >= 0 && root != box->fd)
		close(root);
	if (box->fd < 0 || fstat(box->fd, &info) < 0)
		return -1;
	box->give_group = box->drop->has_group && !(info.st_gid == box->drop->group && info.st_mode & S_ISGID);
	return 0;
}

void single_box_close(struct single_box *box)
{
	if (box->fd >= 0)
		close(box->fd);
	str_free(&box->folder);
	str_free(&box->placed);
}

int single_box_open(struct single_box *box, struct deliver_job *job)
{
	*box = (struct single_box){ .drop = drop_of(job), .folder = STR_INIT(256), .fd = -1, .placed = STR_INIT(65536) };
	if (drop_folder(box->drop, str_span(&job->target), &box->folder, &job->result) < 0) {
		single_box_close(box);
		return -1;
	}
	if (!open_directory(box))
		return 0;
	single_box_trouble(job, errno, box);
	single_box_close(box);
	return -1;
}

int single_prepare(const struct drop *drop, const struct drop_owner *owner, struct str *error)
{
	int fd = folder_make_root(drop->root, drop, owner);

	if (fd < 0) {
		str_printf(error, "drop %s: %s: %s", drop->name, drop->path, strerror(errno));
		return -1;
	}
	close(fd);
	return 0;
}

int single_check(const struct drop *drop, struct str *error)
{
	int fd = open(drop->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno == ENOENT)
		return 0;
	str_printf(error, "drop %s: %s: %s", drop->name, drop->path, strerror(errno));
	return -1;
}
