/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting files into deferred/ and dead/: each is written beside its name (ID.tmp), made durable, and renamed; the caller syncs the
 * directory before it tells anybody (deaddrop-spool(5), moves 6, 7 and 11).
 */
#ifndef DEADDROP_PLACE_H
#define DEADDROP_PLACE_H

#include "flight.h"
#include "spool.h"

/*
 * For a message that is so large that its copying would hold up everything else: some of it a turn, ahead of place_write.  1: all of it is there,
 * and place_write with ahead does the rest; 0: there is more to copy; -1 with errno.
 */
struct place_ahead {
	int fd;				/* -1: nothing is being copied */
	enum spool_place place;
	struct id id;
	uint64_t header_len, copied;	/* of the message */
};
int place_copy_ahead(struct send *s, struct place_ahead *ahead, enum spool_place place, const struct source *source);
void place_drop_ahead(struct send *s, struct place_ahead *ahead);	/* it is not wanted any more */

/* Writes NAME.tmp for a message out of the journal with its outcome lines.  lines carry the CRC of file (N) and get that of the id.  ahead: what was copied already, taken
 * over; NULL: nothing.  The descriptor, for place_finish, with the bytes on their way to the disk: where several are written before the first is finished, they get there together.
 * -1 with errno. */
int place_write(struct send *s, enum spool_place place, const struct source *source, struct span lines, struct span file, struct place_ahead *ahead);
/* Makes it durable.  0, or -1 with errno: it is gone. */
int place_finish(struct send *s, enum spool_place place, struct id id, int fd);
int place_rename(struct send *s, enum spool_place place, const char *name);
bool place_has(struct send *s, enum spool_place place, const char *name);
/* deferred/ID to dead/ID, durably; deferred/ID stays for the caller to remove. */
int place_bury_deferred(struct send *s, struct id id);
/* Copies size bytes of a damaged journal file to dead/N, durably; where it is already, it stays as it is. */
int place_keep_damaged(struct send *s, const char *name, int fd, uint64_t size);
/* Logs a line for each failure among a message's lines. */
void place_log_dead(struct send *s, const struct record *record, struct span lines, struct span file);
/* Removes *.tmp.  0 or -1 with errno. */
int place_clean(struct send *s, enum spool_place place);

#endif
