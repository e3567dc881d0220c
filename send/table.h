/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table: one small entry for each message that is not final.  A message that waits is nothing but its entry; who it is for is read
 * from the disk again when its turn comes (mail.h).  Entries come from slabs and never move.
 */
#ifndef DEADDROP_TABLE_H
#define DEADDROP_TABLE_H

#include <assert.h>
#include <stdbool.h>

#include "id.h"

struct file;
struct mail;

enum entry_place { ENTRY_JOURNAL, ENTRY_DEFERRED };

#define ENTRY_OLD 1U		/* from before this process: the old mark decides which attempts are unclear */
#define ENTRY_UNCLEAR 2U	/* a connection broke while it had a job of this message */
#define ENTRY_LINES 4U		/* journal: outcome lines were noted */
#define ENTRY_LISTED 8U		/* journal: stands in its file's list */
#define ENTRY_FLYING 16U	/* mail is set */
#define ENTRY_GONE 32U		/* final or elsewhere; kept only because a list or queue still points to it */
#define ENTRY_LEAVES 64U	/* journal: has something to be retried, so it will move to deferred */
#define ENTRY_BURY 128U		/* settled, with failures: to be buried */
#define ENTRY_MOVING 512U	/* journal: its file in deferred/ or dead/ may be there, so nothing but the move may go on */
#define ENTRY_BEFORE 1024U	/* was there when this process began, and has waited through what was away then */
#define ENTRY_STUCK 256U	/* could not be read: left alone until the next start */

struct entry {
	union {
		struct { struct file *file; uint64_t offset; } journal;
		struct id_name name;		/* deferred */
	} at;
	union {
		uint64_t next;			/* deferred: wall clock of the next try */
		struct mail *mail;		/* ENTRY_FLYING */
	} is;
	struct entry *link;			/* the next of its file's list; of the free ones */
	uint64_t queued;			/* a bit for each channel and each drop whose queue it stands in */
	uint32_t index;
	uint16_t flags;
	uint8_t place;
};
static_assert(sizeof(struct entry) <= 48, "an entry and its place in a queue fit the 64 bytes that a waiting message may cost");

struct table_slab;
struct table {
	struct table_slab *slabs;
	struct entry *free;
	size_t count;				/* entries in use, gone ones included */
	size_t deferred;			/* of them, waiting or being tried in deferred/ */
};

struct entry *table_new(struct table *t);			/* NULL: no memory */
void table_drop(struct table *t, struct entry *e);		/* frees it, or marks it gone while something points to it */
void table_free(struct table *t);
struct id table_id(const struct entry *e);
/* Visits all entries that are not gone, in no order. */
void table_each(struct table *t, void (*visit)(void *arg, struct entry *e), void *arg);

/* A queue of entries: a ring that grows. */
struct queue {
	struct entry **entries;
	size_t head, len, cap;
};
int queue_push(struct queue *q, struct entry *e);		/* at the end.  0 or -1 ENOMEM */
int queue_push_head(struct queue *q, struct entry *e);
struct entry *queue_pop(struct queue *q);			/* NULL: empty */
bool queue_has_any(const struct queue *q);			/* that is not gone */
void queue_free(struct queue *q);

#endif
