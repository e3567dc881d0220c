/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a message's bytes to a file that blocks: whole or -1 with errno. */
#ifndef DEADDROP_LOCAL_COPY_H
#define DEADDROP_LOCAL_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "deliver.h"

#define COPY_STEP (8U * 1024 * 1024)	/* bytes that do not hold up the loop for long */

int copy_parts(int out, struct iovec *parts, int count);			/* changes parts */
int copy_range(int out, int in, off_t offset, uint64_t length);			/* by copy_file_range where that goes; EIO if in is shorter */
int64_t copy_stream(int out, int in, uint64_t most);				/* the bytes that came: fewer than most at in's end */

/* A job's message on its way to a file, with its trace before it. */
struct copy {
	const struct deliver_job *job;
	int out;
	uint64_t done;			/* bytes of the job's descriptor */
};

int copy_begin(struct copy *copy, const struct deliver_job *job, int out, struct str *trace);	/* trace, and the bytes that are inline */
/* COPY_STEP bytes more.  1: there are others, 0: that was all, -1 with errno. */
int copy_more(struct copy *copy);

/* For who must read a message twice: what job->fd streams is put into a file without a name, in the directory or else where temporary
 * files are.  0, or -1 with errno. */
int copy_spool(struct deliver_job *job, const char *directory);

#endif
