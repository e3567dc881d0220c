/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A set of envelope addresses in the order they came: one of each (the local part compared byte by byte, the domain without ASCII case).
 */
#ifndef DEADDROP_RECIPIENTS_H
#define DEADDROP_RECIPIENTS_H

#include "str.h"

#define RECIPIENTS_BYTES_MAX (8U * 1024 * 1024)

struct recipients {
	struct str text;	/* addresses, each with a newline */
	uint32_t *slots;	/* offset in text + 1, by hash; 0: free */
	size_t slot_count;	/* a power of 2 */
	size_t count;
};

void recipients_init(struct recipients *set);
void recipients_free(struct recipients *set);
/* 0 (also where it is there already), or -1: EINVAL (no address for an envelope), EMSGSIZE, ENOMEM. */
int recipients_add(struct recipients *set, struct span address);
bool recipients_has(const struct recipients *set, struct span address);
bool recipients_next(struct span *rest, struct span *address);	/* rest begins as the set's text */

#endif
