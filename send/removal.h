/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Removing journal files that are done with (deaddrop-spool(5), move 8), a second's worth at a time: one sync of the directory for all.
 */
#ifndef DEADDROP_REMOVAL_H
#define DEADDROP_REMOVAL_H

#include "id.h"
#include "list.h"
#include "loop.h"

struct send;
struct file;

struct removal {
	struct list done;		/* files without an open message */
	struct loop_timer tick;
	struct id_name until;		/* queue: keys in files older than this are not asked for any more */
	bool failed;			/* something could not be done just now; it will be tried again */
};

void removal_init(struct send *s);
void removal_want(struct send *s, struct file *f);	/* looks whether f can go, and has it go soon */
void removal_until(struct send *s, struct id_name name);
/* Removes what may go now.  The number of files removed. */
size_t removal_run(struct send *s);
/* At start: outcome files whose journal file is gone.  0 or -1. */
int removal_clean(struct send *s);

#endif
