/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes that are written once and read from the start any number of times: in memory up to a limit, beyond it in a file without a name. */
#ifndef DEADDROP_SPILL_H
#define DEADDROP_SPILL_H

#include "str.h"

#define SPILL_MEMORY_MIN (64U * 1024)

struct spill {
	struct str memory;	/* all of it, or what is not in the file yet */
	uint64_t in_file;
	int fd;			/* -1: none needed so far */
};

void spill_init(struct spill *spill, size_t memory_max);	/* at least SPILL_MEMORY_MIN */
void spill_free(struct spill *spill);
int spill_add(struct spill *spill, struct span bytes);		/* 0, or -1 with errno */
int spill_take(struct spill *spill, struct span *bytes);	/* the same; *bytes is left with what was not added, where that fails */
/* Hands all bytes to each, piece by piece, until it returns other than 0, which is then the result; 0 at the end, -1 with errno. */
int spill_read(const struct spill *spill, int (*each)(void *arg, struct span bytes), void *arg);

#endif
