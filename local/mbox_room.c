/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Room for messages before they are written: where there is none, nothing has to be cut off again, which some file systems refuse when they are full. */
#include <errno.h>
#include <fcntl.h>

#include "mbox_internal.h"
#include "trace.h"

/* What the job will need, but for the quoting of lines. */
static int size_of(const struct mailbox *box, const struct deliver_job *job, uint64_t *size)
{
	struct str head = STR_INIT(TRACE_MAX);
	int result = box->appender->bare ? 0 : mbox_render_from(&head, job) < 0 ? -1 : trace_put(&head, job);

	*size = deliver_job_size(job) + head.len + (box->appender->bare ? 0 : 3);
	str_free(&head);
	return result;
}

static int reserve(const struct mailbox *box, uint64_t size)
{
	int result;

	do
		result = fallocate(box->fd, FALLOC_FL_KEEP_SIZE, (off_t)box->end, (off_t)size);
	while (result < 0 && errno == EINTR);
	return result;
}

static bool is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

int mbox_room(struct mailbox *box)
{
	uint64_t size, all;

	if (size_of(box, box->jobs[box->at], &size) < 0)
		return -1;
	if (box->end + size <= box->reserved)
		return 0;
	all = size;
	for (size_t i = box->at + 1; i < box->count; i++) {
		uint64_t one = 0;

		if (!box->over[i] && size_of(box, box->jobs[i], &one) < 0)
			return -1;
		all += one;
	}
	if (reserve(box, all) < 0) {
		if (!is_full(errno)) {		/* it cannot be asked for here: the writes will tell */
			box->reserved = UINT64_MAX;
			return 0;
		}
		all = size;
		if (reserve(box, all) < 0)
			return -1;
	}
	box->reserved = box->end + all;
	return 0;
}
