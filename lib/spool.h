/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Places of the spool, and reading its messages with their outcomes: for send's listing and for mailq when send is down.
 * Directories are descriptors, so that it works inside and outside a chroot.  Reads only.
 */
#ifndef DEADDROP_SPOOL_H
#define DEADDROP_SPOOL_H

#include <sys/types.h>

#include "outcome.h"
#include "record.h"

enum spool_place { SPOOL_JOURNAL, SPOOL_OUTCOME, SPOOL_DEFERRED, SPOOL_DEAD, SPOOL_PLACES };

struct spool {
	int dir[SPOOL_PLACES];
};

const char *spool_place_name(enum spool_place place);                   /* "journal", … */
/* Opens the four directories below path.  -1: error says which is missing or not to be used (wrong type, a network file system). */
int spool_open(struct spool *spool, const char *path, struct str *error);
void spool_close(struct spool *spool);

/* Names in a place that are names of its kind (N, ID), sorted; others are passed over.  *count of them in *names, freed by the caller. */
int spool_names(const struct spool *spool, enum spool_place place, struct id **ids, size_t *count);

/*
 * A walk over all messages that are not final, place by place: journal, deferred, dead.  Memory is bounded by the largest file's outcome
 * lines and one header.  Bodies are passed over unread, so that damage in them is not seen; dead/N is not looked at.
 *
 * For each recipient, drop and address the last line counts.  A later line for the whole message, or for the recipient without drop and
 * address, overrules what was open of them ("bounced": what had failed).  A message is final when all its recipients' lines are done,
 * bounced, removed or moved: a failed recipient is not, and one without lines is new.  What a recipient leads to beyond the drops that have
 * lines is not known here.
 */
struct spool_walk;

struct spool_recipient {		/* a recipient, or one of the addresses and drops it leads to */
	uint32_t number;
	struct span address;		/* the original one */
	bool has_line;			/* false: new, nothing was noted */
	struct outcome_line line;	/* the last that counts, decoded */
};

struct spool_entry {
	enum spool_place place;
	struct record record;		/* spans live until the next step */
	const struct spool_recipient *recipients;
	size_t count;
};

struct spool_walk *spool_walk_new(const struct spool *spool);
/* 1: an entry; 0: the end; -1: something could not be read (errno; go on).  Messages that are final or moved are passed over. */
int spool_walk_next(struct spool_walk *walk, struct spool_entry *entry);
/*
 * The first bytes of the entry's message, most of them or all there are.  The entry, which is the walk's last, is read anew: its spans and the body's live until the next step.
 * 0, or -1: it cannot be read any more, and the entry is empty.
 */
int spool_walk_body(struct spool_walk *walk, struct spool_entry *entry, size_t most, struct span *body);
void spool_walk_free(struct spool_walk *walk);

#endif
