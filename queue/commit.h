/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A helper thread for what waits for the disk, so that intake goes on meanwhile.  Jobs run one after another, in the order they were
 * started; done() is called in the loop's thread.  While a job is under way its memory belongs to the thread.
 */
#ifndef DEADDROP_COMMIT_H
#define DEADDROP_COMMIT_H

#include "loop.h"

struct commit_job {
	struct commit_job *next;
	int (*run)(struct commit_job *job);	/* in the thread: touches nothing but the job.  0 or an errno */
	void (*done)(struct commit_job *job);	/* in the loop; may start jobs and free this one */
	int error;				/* what run returned */
};

struct commit;

/* After the jail and the sandbox, which hold for a thread that is made in them.  NULL with errno. */
struct commit *commit_new(struct loop *loop);
void commit_free(struct commit *commit);	/* waits for the jobs under way; their done() is not called.  NULL is allowed */
void commit_start(struct commit *commit, struct commit_job *job);
void commit_inline(struct commit_job *job);	/* run and done at once, where a change of thread would cost more than the wait */

#endif
