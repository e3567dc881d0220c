/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is away, over a restart (deaddrop-spool(5), outcome/away): a drop that was down stays down to the next process, which tries it when its time comes, with one message;
 * and what waits for a drop or a deliverer that is away goes on waiting from where it was.  A line for each of these, nothing for a message.
 */
#ifndef DEADDROP_OUTAGES_H
#define DEADDROP_OUTAGES_H

#include <stdbool.h>

#include "loop.h"

struct send;

struct outages {
	struct loop_timer tick;
	bool dirty;			/* the file is to be written */
	bool written;			/* it is there */
	bool troubled;			/* it could not be written: the log tells of it */
};

void outages_init(struct send *s);
void outages_free(struct send *s);
void outages_load(struct send *s);		/* after channels and drops were made */
void outages_changed(struct send *s);		/* a drop went down, was tried again, or is up */
void outages_turn(struct send *s);		/* writes what has changed */
void outages_write(struct send *s);		/* at the end of a run: how long it was till now */

#endif
