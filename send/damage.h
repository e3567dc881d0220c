/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes of a journal file that are no record where one should stand: a torn tail, or damage (deaddrop-spool(5), The end of a file).
 * Rare, so it reads synchronously.
 */
#ifndef DEADDROP_DAMAGE_H
#define DEADDROP_DAMAGE_H

#include "id.h"

struct damage {
	int fd;
	uint64_t size;
	struct id_name name;
	uint64_t mark;
	bool marked;
};

/* The file's mark: what most sound records agree on.  False: no record of it is sound. */
bool damage_find_mark(struct damage *d);
/* The first place from from on where a record that is sound in header and message, or an end mark, stands; size if there is none. */
uint64_t damage_next(struct damage *d, uint64_t from);
/* The largest committed length that sound records and end marks from from on tell. */
uint64_t damage_committed(struct damage *d, uint64_t from);

#endif
