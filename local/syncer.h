/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Syncs the files of a batch with several threads at once.  One fsync after another makes the disk flush its cache for each; of those that wait at the same time
 * the kernel makes one commit and one flush.  What a sync promises is the same: each file has its own.
 */
#ifndef DEADDROP_LOCAL_SYNCER_H
#define DEADDROP_LOCAL_SYNCER_H

#include <stddef.h>

#define SYNCER_FILES_MAX 320

struct syncer;

/* After the jail and the sandbox, which hold for threads that are made in them.  NULL: there are no threads to be had, and so it is without. */
struct syncer *syncer_new(void);
void syncer_free(struct syncer *syncer);	/* NULL is allowed */

/* Syncs fds[i] and sets errors[i], 0 or an errno; returns when all are done.  A descriptor below 0 is left out, its error is 0.  syncer may be NULL. */
void syncer_run(struct syncer *syncer, const int *fds, int *errors, size_t count);

#endif
