/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A reply of an SMTP or LMTP server (RFC 5321 4.2, RFC 2034), taken from bytes that come in any pieces.  Pure.
 *
 * Lenient where servers are: a line may end in LF alone and may consist of the code alone; of several lines the last one's code counts.  Controls other than blanks become '?'.
 */
#ifndef DEADDROP_REPLY_H
#define DEADDROP_REPLY_H

#include "outcome.h"
#include "str.h"

#define REPLY_BYTES_MAX 65536		/* of one reply with all its lines */

struct reply {
	unsigned code;			/* 200 to 599, once it is whole */
	size_t lines;
	struct str text;		/* what stood behind the codes, a line each, with LF */
	struct str line;		/* the line that is not whole yet */
	size_t bytes;
	bool whole;
};

enum reply_result { REPLY_BAD = -1, REPLY_MORE = 0, REPLY_WHOLE = 1 };

void reply_init(struct reply *reply);
void reply_clear(struct reply *reply);		/* for the next one; memory is kept */
void reply_free(struct reply *reply);
/*
 * Takes bytes up to the end of the reply; *used says how many.  A reply that is whole is cleared by the next call.
 * REPLY_BAD: this is no reply, or it is too long (or there is no memory for it): nothing that follows can be understood.
 */
enum reply_result reply_take(struct reply *reply, struct span bytes, size_t *used);

/* The next line of its text from the head of *rest (begin with str_span(&reply->text)).  False: there is none. */
bool reply_line(struct span *rest, struct span *line);
/* The enhanced code that the first line begins with, where it is one of the reply's class.  False: none. */
bool reply_status(const struct reply *reply, char status[static OUTCOME_STATUS_MAX]);
/* Appends it on one line: "550 5.1.1 No such user", at most max bytes. */
int reply_text(const struct reply *reply, struct str *out, size_t max);

#endif
