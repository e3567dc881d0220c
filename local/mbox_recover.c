/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a holder who died, or a power cut, left at the end of a file that is appended to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mbox_internal.h"

/* Whether what lies behind the noted length is the one message, not whole, that the dead holder was writing: others, who do not know
 * FILE.lock, may have written since. */
static int is_ours(const struct mailbox *box, uint64_t from)
{
	char *bytes = malloc(MBOX_PIECE + 8);
	size_t kept = 0;
	int result = 1;

	if (!bytes)
		return -1;
	for (uint64_t at = from; at < box->base && result == 1;) {
		size_t want = box->base - at < MBOX_PIECE ? (size_t)(box->base - at) : MBOX_PIECE;

		if (pread(box->fd, bytes + kept, want, (off_t)at) != (ssize_t)want)
			result = -1;
		else if ((at == from && memcmp(bytes, "From ", want < 5 ? want : 5)) || memmem(bytes, kept + want, "\nFrom ", 6))
			result = 0;
		at += want;
		want += kept;
		kept = want < 5 ? want : 5;
		memmove(bytes, bytes + want - kept, kept);
	}
	free(bytes);
	return result;
}

static int recover(struct mailbox *box)
{
	int ours;

	if (!box->lock.recovered || box->lock.length >= box->base || box->appender->bare)
		return 0;
	ours = is_ours(box, box->lock.length);
	if (ours <= 0)
		return ours;
	if (ftruncate(box->fd, (off_t)box->lock.length) < 0)
		return -1;
	box->base = box->lock.length;
	return 0;
}

int mbox_recover(struct mailbox *box)
{
	int noted = mbox_note_recover(box->fd);
	struct stat info;

	if (noted < 0 || fstat(box->fd, &info) < 0)
		return -1;
	box->base = (uint64_t)info.st_size;
	if (recover(box) < 0 || ((noted || box->lock.recovered) && fsync(box->fd) < 0))
		return -1;
	return noted ? mbox_note_remove(box->fd) : 0;
}
