/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When deferred messages are tried again: a heap of those whose time comes soon.  The others are looked through when the heap's end comes near,
 * so that a message which waits for long costs no more than its entry.
 */
#ifndef DEADDROP_SCHEDULE_H
#define DEADDROP_SCHEDULE_H

#include "loop.h"
#include "prioq.h"
#include "table.h"

struct send;

struct schedule {
	struct prioq heap;
	size_t unique;			/* entries when equal ones were last taken out */
	uint64_t horizon;		/* wall clock: who is due later is not in the heap, unless it flies */
	struct loop_timer timer;
	bool clock_known;
	int64_t clock_ahead;		/* of the wall clock before boot time */
};

void schedule_init(struct send *s);
void schedule_free(struct send *s);
void schedule_entry(struct send *s, struct entry *e, uint64_t next);	/* one that waits */
void schedule_flying(struct send *s, struct entry *e, uint64_t next);	/* to one drop, while another's time may come */
void schedule_turn(struct send *s);			/* before schedule_due: what came near, and what a set clock means */
/* Takes out the entry whose time has come, or NULL.  What was scheduled anew since, or is gone, is passed over. */
struct entry *schedule_due(struct send *s, uint64_t now);
void schedule_timer(struct send *s);			/* after it: so that there is a turn when the next is due */
bool schedule_is_idle(const struct send *s);		/* nothing is due */

#endif
