/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of an outcome file, in memory, found by a message's index.  Pure but for replay_load, which reads. */
#ifndef DEADDROP_REPLAY_H
#define DEADDROP_REPLAY_H

#include "str.h"

struct replay_line {
	uint32_t index;
	uint32_t len;
	uint64_t at;
};

struct replay {
	struct str text;
	struct replay_line *lines;	/* by index; those of one message in the order of the file */
	size_t count, cap;
};

void replay_init(struct replay *r);
void replay_free(struct replay *r);
/* Takes text, which stays the caller's to fill: r->text.  Torn and wrong lines are passed over.  0, or -1 ENOMEM. */
int replay_index(struct replay *r, struct span file);
int replay_load(struct replay *r, int fd, struct span file);	/* the whole file.  0, or -1 with errno */
int replay_lines(const struct replay *r, uint32_t index, struct str *out);	/* appends the message's lines.  0 or -1 */

#endif
