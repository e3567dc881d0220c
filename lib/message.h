/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The header of a message (RFC 5322 section 2.2), read in place.  Bytes are kept: a field's span covers it with its folding and its last newline.  Lines end in LF
 * (CRLF is understood).  The header ends at an empty line, or before the first line that can be no field and no continuation.  Pure.
 */
#ifndef DEADDROP_MESSAGE_H
#define DEADDROP_MESSAGE_H

#include "str.h"

struct message_field {
	struct span whole;	/* name, colon, value, newlines */
	struct span name;	/* without blanks before the colon */
	struct span value;	/* behind the colon, folding and last newline included */
};

/* Takes the next field from the head of *rest.  False at the header's end; *rest is then the body with the empty line that may precede it. */
bool message_next(struct span *rest, struct message_field *field);
/* Length of the header with its empty line: where the body begins. */
size_t message_header_length(struct span message);
/* First field of that name; false if there is none. */
bool message_find(struct span message, const char *name, struct message_field *field);
/* Appends the value unfolded: newlines before blanks go, blanks at both ends go. */
int message_unfold(struct str *out, struct span value);
unsigned message_hops(struct span message);		/* Received fields */
/* Whether a field named name has this value (unfolded, compared without ASCII case). */
bool message_has_value(struct span message, const char *name, struct span value);

#endif
