/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long a drop or a deliverer was away while earlier processes saw it: spans of time, so that each message can be told how much of them it has waited through.
 * Time in which no send ran is in none of them.  Pure; the form is that of outcome/away in deaddrop-spool(5).
 */
#ifndef DEADDROP_OUTAGE_H
#define DEADDROP_OUTAGE_H

#include "str.h"

#define OUTAGE_SPANS 16		/* of more, those with the least time between them become one */
#define OUTAGE_LINE_MAX 8192

struct outage_span {
	uint64_t end;		/* wall clock, microseconds */
	uint64_t length;
};

struct outage {			/* all zero: none */
	struct outage_span spans[OUTAGE_SPANS];	/* in order */
	size_t count;
};

void outage_add(struct outage *o, uint64_t end, uint64_t length);
uint64_t outage_total(const struct outage *o);
/* How much of it lies behind from, wall clock.  A clock that was set cannot make that longer than it was. */
uint64_t outage_behind(const struct outage *o, uint64_t from);

struct outage_line {
	struct span name;		/* of a drop, with its colon, or of a deliverer */
	uint64_t failures;		/* of a drop: in a row */
	uint64_t next;			/* wall clock: it is not tried before */
	struct span status, text;	/* why.  Written: raw.  Read: views of text, decoded */
	struct outage outage;
};

int outage_line_write(struct str *out, const struct outage_line *line);		/* 0 or -1 */
/* Takes a line from the head of *rest; words is where its text is decoded.  1; 0: *rest was empty; -1: what is wrong was skipped. */
int outage_line_read(struct span *rest, struct outage_line *line, struct str *words);

#endif
