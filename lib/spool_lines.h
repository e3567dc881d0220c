/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The outcome lines of one file, and what they make of a message's recipients: for spool_walk.c. */
#ifndef DEADDROP_SPOOL_LINES_H
#define DEADDROP_SPOOL_LINES_H

#include "spool.h"

#define SPOOL_LINES_MAX (64U * 1024 * 1024)	/* bytes of a file's lines */

struct spool_lines {
	struct str text;
	struct spool_lines_place { uint32_t index, offset; } *places;	/* the sound lines, by index, then as they stand in the file */
	size_t count, room;
	struct spool_lines_noted *noted;	/* of the message that is being looked at */
	size_t noted_room;
	struct str words;			/* their decoded fields */
	struct spool_recipient *recipients;	/* the result */
	size_t recipient_count, recipient_room;
};

void spool_lines_init(struct spool_lines *lines);
void spool_lines_free(struct spool_lines *lines);
void spool_lines_clear(struct spool_lines *lines);
/* Loads the lines that stand in fd from offset on, written for file (N or ID).  0, or -1: EFBIG, ENOMEM or what reading said. */
int spool_lines_load(struct spool_lines *lines, int fd, off_t offset, struct span file, bool one_message);
/* Fills recipients.  1: the message is not final; 0: it is, or has moved; -1: ENOMEM.  index: of the message, 0 with one_message. */
int spool_lines_resolve(struct spool_lines *lines, const struct record *record, uint32_t index);

#endif
