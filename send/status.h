/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status/send and status/send.prom: counters for those who may not read mail.  Written anew every ten seconds where the directory is there. */
#ifndef DEADDROP_STATUS_H
#define DEADDROP_STATUS_H

#include "loop.h"

struct send;

struct status {
	int dir;			/* -1: there is none */
	struct loop_timer tick;
	uint64_t counts[16];		/* by what an attempt made of a target */
	uint64_t bounces;
	uint64_t accepted;
};

void status_init(struct send *s);
void status_start(struct send *s);	/* after the jail */
void status_stop(struct send *s);

#endif
