/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A binary heap of 16-byte entries, smallest due first; equal ones in no order.  No entry knows its place: to change an
 * entry's time, put it in again and ignore the stale one when it comes out.
 */
#ifndef DEADDROP_PRIOQ_H
#define DEADDROP_PRIOQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prioq_entry {
	uint64_t due;
	void *item;
};

struct prioq {
	struct prioq_entry *entries;
	size_t len, cap;
};

#define PRIOQ_INIT { NULL, 0, 0 }

int prioq_put(struct prioq *q, uint64_t due, void *item);       /* 0, or -1 ENOMEM */
void prioq_unique(struct prioq *q);                             /* of equal entries, one stays: for who puts in again what did not change */
bool prioq_peek(const struct prioq *q, struct prioq_entry *least);
bool prioq_take(struct prioq *q, struct prioq_entry *least);
void prioq_free(struct prioq *q);

#endif
