/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From an entry to a mail in flight, and back: reading a message again when its turn has come, and what happens when its last job is answered. */
#ifndef DEADDROP_TAKEOFF_H
#define DEADDROP_TAKEOFF_H

#include "flight.h"

/* The mail of an entry whose record was just read; lines and file as for mail_plan.  NULL: no memory. */
struct mail *takeoff_begin(struct send *s, struct entry *e, const struct source *source, struct span lines, struct span file);
/* Reads the entry's message and hands out what is due, at only or everywhere (NULL).  -1: it cannot be now. */
int takeoff_entry(struct send *s, struct entry *e, struct channel *only);
/* Reads the record of a journal entry again; it was checked when it was read first.  0 or -1 with errno. */
int takeoff_read(struct send *s, struct entry *e, struct source *source);
/* The mail leaves memory; its entry stays. */
void takeoff_end(struct send *s, struct mail *m);

#endif
