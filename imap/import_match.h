/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which messages of a folder are on the server already.  The same are those whose fields (import_fields.h) agree, and whose size and internal date do; with a Message-ID one of
 * the two is enough, for some servers change the one or the other.  Each there counts for one here: two equal ones here need two there.  Pure.
 */
#ifndef DEADDROP_IMAP_IMPORT_MATCH_H
#define DEADDROP_IMAP_IMPORT_MATCH_H

#include "import_source.h"

struct import_there {
	uint32_t uid;
	bool taken;
	uint64_t size, date;
	unsigned char digest[IMPORT_DIGEST];
};

/* Fewer are there than are here, and all that is known of them is the same: their bytes must tell. */
struct import_doubt {
	struct import_message **ours;	/* those that were stored in this run first */
	size_t our_count;
	uint32_t *uids;
	size_t uid_count;
};

struct import_match {			/* zeroed at first */
	struct import_there *there;
	size_t count, room;
	struct import_doubt *doubts;
	size_t doubt_count;
};

struct import_there *import_match_add(struct import_match *match);	/* zeroed; NULL: no memory, or too many */
/* Those that wait and are there become IMPORT_THERE; all must have been examined.  0, or -1 (ENOMEM). */
int import_match_run(struct import_match *match, struct import_folder *folder);
void import_match_clear(struct import_match *match);

#endif
