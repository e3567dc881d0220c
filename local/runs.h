/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Jobs that are done by a process for each recipient: so many of a drop at once, the others wait their turn. */
#ifndef DEADDROP_LOCAL_RUNS_H
#define DEADDROP_LOCAL_RUNS_H

#include "drop.h"
#include "process.h"

#define RUNS_MAX 64			/* processes of all drops of a kind at once */
#define RUNS_ALIVE CLOCK_SECOND		/* between looks at who wants to hear that they go on */
#define ENVELOPE_BYTES (8U * 1024)

struct runs;

struct runs_ops {
	struct process *(*start)(const struct runs *runs, struct deliver_job *job, size_t n, process_fn *fn, void *arg);	/* for recipient n; NULL with errno */
	void (*end)(const struct process_end *end, struct outcome *outcome);	/* of one that was started and not ended by us */
	size_t (*at_once)(const struct drop *drop);
};

struct run_job;
struct run;

struct runs {
	const struct drop_host *host;
	const struct runs_ops *ops;
	struct run_job *first, **last;	/* in order of arrival */
	struct run *running;
	size_t count;
	struct loop_timer alive;	/* while there are jobs */
	bool closing;
};

void *runs_open(const struct drop_host *host, const struct runs_ops *ops);
void runs_close(void *state);
void runs_deliver(void *state, struct deliver_job **jobs, size_t count);
/* Appends recipient n's local part.  0 or -1. */
int runs_local(struct str *out, const struct deliver_job *job, size_t n);

#endif
