/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration that was in force before (deaddrop-spool(5), outcome/config).  A message of the journal that has no outcome line may have been handed out by a
 * process that died: where, only the configuration of that time tells.  A copy of it, as it was read, is on the disk before anything is handed out under it.
 *
 * Where the copy says something else than the configuration of now, and the mark says that something may be unclear, the first thing to be done is a pass: all that may
 * have been handed out gets lines that name its drops of that time, and nothing is handed out till then.  After that the copy is replaced.
 */
#ifndef DEADDROP_EARLIER_H
#define DEADDROP_EARLIER_H

#include "loop.h"

struct send;
struct config;
struct mail;

struct earlier {
	struct config *config;		/* of the process before, while it differs and matters */
	bool passing;			/* nothing is handed out */
	bool written;			/* the copy on the disk is of this process */
	uint64_t until;			/* boot time: the pass takes no longer */
	struct loop_timer tick;
};

void earlier_init(struct send *s);
void earlier_free(struct send *s);
void earlier_open(struct send *s);		/* after the mark was read */
/* Before the first hand-out: the copy is durable.  0, or -1 with errno. */
int earlier_write(struct send *s);
/* A mail of before with the plan of that time: what may have been handed out without a line gets one. */
void earlier_note(struct send *s, struct mail *m);
void earlier_turn(struct send *s);		/* ends the pass when it is over */

#endif
