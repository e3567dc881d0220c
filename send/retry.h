/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The back-off schedule.  Pure.  Attempts are counted from 1; wait i lies between attempt i and attempt i + 1; the last wait of the
 * schedule goes on for ever.
 */
#ifndef DEADDROP_RETRY_H
#define DEADDROP_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETRY_WAITS_MAX 64

struct retry {
	uint64_t waits[RETRY_WAITS_MAX];	/* microseconds */
	size_t count;				/* 1 at least */
	uint64_t until;				/* what the waits may add up to before one more failure is the last */
	uint64_t warn;				/* after so much of them a sender who asked for it is told; 0: never */
};

void retry_default(struct retry *r);	/* 1m 2m 5m 15m 1h 4h until 5d */
uint64_t retry_wait(const struct retry *r, uint32_t tries);			/* after so many attempts; without jitter */
uint64_t retry_jitter(uint64_t wait, uint64_t seed);				/* the wait, up to a tenth shorter or longer */
uint64_t retry_longest(const struct retry *r);					/* with jitter: no stored next try lies further ahead */
/* waited: the sum of the waits that were really made, not what a clock says.  True where a failed attempt was the last. */
bool retry_is_over(const struct retry *r, uint64_t waited);

#endif
