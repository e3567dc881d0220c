/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking for what unclear attempts left in an mbox file, or in a file of bare messages; by its holder under the lock, in bounded steps. */
#ifndef DEADDROP_LOCAL_MBOX_FIND_H
#define DEADDROP_LOCAL_MBOX_FIND_H

#include "mbox_render.h"

#define MBOX_FIND_STEP (8U * 1024 * 1024)	/* bytes of the file looked through in a step */

struct mbox_find_job {
	struct deliver_job *job;
	struct str needle;		/* how its copy begins */
	bool found;
};

struct mbox_find {
	int fd;
	enum mbox_style style;
	struct mbox_find_job *jobs;
	size_t count;
	uint64_t at, size;		/* of the file; a torn copy at its end makes it smaller */
	bool torn;
};

/* Looks for those of the jobs that are unclear.  0, or -1 ENOMEM. */
int mbox_find_begin(struct mbox_find *find, int fd, uint64_t size, enum mbox_style style, struct deliver_job **jobs, size_t count);
/* 1: there is more to look through; 0: all is; -1 with errno.  torn: the file ends in the midst of a copy of ours, which begins at size. */
int mbox_find_more(struct mbox_find *find);
bool mbox_find_found(const struct mbox_find *find, const struct deliver_job *job);
void mbox_find_end(struct mbox_find *find);

#endif
