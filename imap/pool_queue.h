/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What waits for an account, in the order of acceptance. */
#ifndef DEADDROP_IMAP_POOL_QUEUE_H
#define DEADDROP_IMAP_POOL_QUEUE_H

#include "session.h"

struct pool_queue {			/* zeroed at first */
	struct item *unclear;		/* before they can be appended they must be looked for */
	struct item *waiting, *last;
	size_t count;			/* of both */
};

void pool_queue_insert(struct pool_queue *queue, struct item *item);	/* whether it is unclear must not change while it is here */
void pool_queue_take(struct pool_queue *queue, struct item *item);
void pool_queue_alive(const struct pool_queue *queue);		/* its jobs are told to be alive */
void pool_queue_free(struct pool_queue *queue);		/* with its items; their jobs stay */

#endif
