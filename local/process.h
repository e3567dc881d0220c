/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A process that the keeper started for a delivery: it is fed a text and then a job's message, what it says is read and passed over
 * but for its last line, and it is ended when its
 * time is over.
 */
#ifndef DEADDROP_LOCAL_PROCESS_H
#define DEADDROP_LOCAL_PROCESS_H

#include "deliver.h"
#include "keeper.h"

#define PROCESS_LINE_MAX 1024		/* bytes kept of its last line */
#define PROCESS_GRACE (5 * CLOCK_SECOND)	/* between SIGTERM and SIGKILL */

struct process_start {
	struct loop *loop;
	struct keeper *keeper;
	int index;			/* in the keeper's list */
	const char *user;		/* become this one, or NULL */
	char *const *env;
	struct str *before;		/* bytes before the message; taken over, also on failure */
	const struct deliver_job *job;	/* its message; lives until the end */
	uint64_t time;			/* microseconds */
	uint64_t output;		/* bytes it may say */
};

struct process_end {
	int error;			/* it could not be started, or not be given its message: an errno; the rest does not count */
	int status;			/* of waitpid, or KEEPER_STATUS_UNKNOWN */
	bool too_long, too_much;	/* it was ended for its time, for its output */
	struct span line;		/* the last that it said, but for empty ones */
};

struct process;

typedef void process_fn(void *arg, const struct process_end *end);

/* The callback comes once, later, and the process is gone then.  NULL with errno: it never comes. */
struct process *process_new(const struct process_start *start, process_fn *fn, void *arg);
/* Forgets it: no callback.  Only when the keeper was stopped before. */
void process_free(struct process *process);

#endif
