/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deferred messages: deferred/ID, one file each.  At the start only their names are read; the files are looked at a few a turn, so that
 * nothing waits for them.  Then each is an entry with the time of its next try (schedule.h).
 */
#ifndef DEADDROP_DEFERRED_H
#define DEADDROP_DEFERRED_H

#include "list.h"
#include "loop.h"
#include "table.h"

#define DEFERRED_UNSYNCED_MAX 64

struct send;
struct channel;
struct deferred_file;
struct mail;

struct deferred {
	struct id *ids;			/* those not looked at yet: from id_next */
	size_t id_count, id_next;
	struct list unwritten;		/* mails with lines to write, or landed */
	struct loop_timer again;
	bool blocked;			/* writing failed; again is set */
	int unsynced[DEFERRED_UNSYNCED_MAX];
	size_t unsynced_count;
};

void deferred_init(struct send *s);
int deferred_start(struct send *s, struct str *error);
void deferred_free(struct send *s);
bool deferred_turn(struct send *s);				/* true: there is more to do */
/* A file that was put into deferred/ just now: an entry of its own, due. */
void deferred_enter(struct send *s, struct id id);
int deferred_take(struct send *s, struct entry *e, struct channel *only);	/* as takeoff_entry */
/* Opens what an entry stands for and takes it into memory.  file is to be closed by the caller where the result is not NULL.  NULL: not now; or it never
 * will be, and the entry is STUCK or GONE. */
struct mail *deferred_load(struct send *s, struct entry *e, struct deferred_file *file);
bool deferred_clamp(struct send *s, struct mail *m);		/* true: some next try was too far ahead; lines wait to be written */
void deferred_look(struct send *s, struct id id);		/* at one that was there at the start */
void deferred_land(struct send *s, struct mail *m);
void deferred_dirty(struct send *s, struct mail *m);		/* it has pending lines */
void deferred_answered(struct send *s, struct mail *m);		/* one of several targets; others may be in flight */
void deferred_write(struct send *s);				/* writes what is pending */
void deferred_sync(struct send *s);
/* Makes the message's retries due now, durably, if its submitter was uid or all is set.  1: so it is; 0: not; -1: it could not be done. */
int deferred_hurry(struct send *s, struct id id, bool all, uid_t uid);
/* Ids of all that wait, those not looked at included.  Freed by the caller; NULL with *count 0 if there are none. */
struct id *deferred_ids(struct send *s, size_t *count);
bool deferred_is_idle(const struct send *s);			/* nothing to look at, nothing due */

#endif
