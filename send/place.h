/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting files into deferred/ and dead/: each is written beside its name (ID.tmp), made durable, and renamed; the caller syncs the
 * directory before it tells anybody (deaddrop-spool(5), moves 6, 7 and 11).
 */
#ifndef DEADDROP_PLACE_H
#define DEADDROP_PLACE_H

#include "flight.h"
#include "spool.h"

/* Writes NAME.tmp for a message out of the journal with its outcome lines, durably.  lines carry the CRC of file (N) and get that of the id.  0 or -1 with errno */
int place_write(struct send *s, enum spool_place place, const struct source *source, struct span lines, struct span file);
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
