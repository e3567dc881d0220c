/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Work that is done in bounded steps, one a turn of the loop, so that a large message or a mailbox that somebody has locked holds up nobody else. */
#ifndef DEADDROP_LOCAL_WORK_H
#define DEADDROP_LOCAL_WORK_H

#include "loop.h"

enum work_next {
	WORK_AGAIN,			/* in the next turn */
	WORK_WAIT,			/* at its due */
	WORK_OVER			/* it is gone, and may have been freed */
};

struct work {				/* embedded in its owner */
	struct work *next;
	enum work_next (*step)(struct work *work);
	uint64_t due;			/* boot time, for WORK_WAIT; 0: ready */
};

struct works;

struct works *works_new(struct loop *loop);	/* NULL: no memory */
void works_free(struct works *works);		/* forgets all work; it is the owners' to free */
void works_add(struct works *works, struct work *work);
/* A step of each that is ready.  True: some are ready again. */
bool works_run(struct works *works);

#endif
