/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moves out of the journal: to deferred/ what must be tried again, to dead/ what failed.  A file's messages move when nothing else of it
 * is open, when the first of them is due, or when the file has been waiting for --journal-wait; then all that wait go, in batches.
 */
#ifndef DEADDROP_MOVE_H
#define DEADDROP_MOVE_H

#include "list.h"
#include "loop.h"
#include "place.h"

struct send;
struct file;

struct mover {
	struct list leaving;		/* files with entries that wait */
	struct loop_timer tick;
	bool due;			/* some file's time may have come */
	struct place_ahead ahead;	/* a large message on its way */
};

void move_init(struct send *s);
void move_want(struct send *s, struct file *f);		/* something about its waiting entries has changed */
bool move_turn(struct send *s);				/* true: there is more to do */

#endif
