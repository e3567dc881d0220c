/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cuts the header from repaired input (LF line ends), field by field, in bounded memory.  What does not belong to a header ends it: the first line that is no field
 * and no continuation begins the body, so input without any header is all body.  "From " and ">From " lines before the first field are
 * dropped.  Pure: however the input is cut into pieces, the fields are the same.
 */
#ifndef DEADDROP_SPLIT_H
#define DEADDROP_SPLIT_H

#include "str.h"

#define SPLIT_FIELD_MAX (1024U * 1024)	/* a longer field comes in parts */
#define SPLIT_NAME_MAX 1000		/* bytes in which a line must show that it is a field */

enum split_event {
	SPLIT_MORE,		/* all input is used */
	SPLIT_FIELD,		/* a field with its folding and its last newline */
	SPLIT_PART,		/* the first piece of a longer field, with its name */
	SPLIT_REST,		/* a further piece of it */
	SPLIT_BODY,		/* the header is over; these bytes and then the rest of the input are the body */
	SPLIT_NO_MEMORY
};

struct split {
	struct str field;	/* what came of it so far */
	size_t line;		/* where its last line begins, which is incomplete */
	size_t given;		/* bytes at its head that the last event showed */
	bool known;		/* that line is known to belong to the field */
	bool skipping;		/* it is a From_ line */
	bool parts;		/* the field's beginning has been given away as SPLIT_PART */
	bool seen;		/* a field was begun */
	bool over;
};

void split_init(struct split *split);
void split_free(struct split *split);
/* Takes from the head of *in.  *bytes live until the next call. */
enum split_event split_next(struct split *split, struct span *in, struct span *bytes);
/* The same at the input's end, until SPLIT_BODY.  A last line without newline gets one if it is a field's. */
enum split_event split_end(struct split *split, struct span *bytes);

#endif
