/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Outcomes: what a deliverer answers for a recipient, and the line that the spool keeps of it (deaddrop-spool(5), OUTCOMES).
 * Pure.
 */
#ifndef DEADDROP_OUTCOME_H
#define DEADDROP_OUTCOME_H

#include "id.h"

/* A delivery's result.  Its wire form is one letter. */
enum outcome_verdict { OUTCOME_DONE = 'K', OUTCOME_LATER = 'Z', OUTCOME_NEVER = 'X' };

#define OUTCOME_STATUS_MAX 12		/* "5.123.123" and its NUL */
#define OUTCOME_REASON_MAX 400		/* bytes; longer texts are cut */

/*
 * What a "later" says about whether the message may be there all the same.  Where it says nothing, an attempt that was handed out as unclear stays so, and any
 * other is clear.  Set it after outcome_set, which resets it.
 */
enum outcome_clarity {
	OUTCOME_UNSAID,
	OUTCOME_UNCLEAR,		/* this attempt may have succeeded: the connection broke behind the message's end */
	OUTCOME_CLEAR			/* it was looked for, and neither this attempt nor an earlier one left it there */
};

struct outcome {			/* a value: copy it freely */
	enum outcome_verdict verdict;
	enum outcome_clarity clarity;	/* of a "later" */
	bool drop_down;			/* of a "later": it was not about this message; all that goes to this drop would get it */
	char status[OUTCOME_STATUS_MAX];	/* RFC 3463 */
	char text[OUTCOME_REASON_MAX + 1];
};

/* Fills one in; text is cut to fit, controls become blanks.  A status that is not of the verdict's class becomes x.0.0. */
void outcome_set(struct outcome *o, enum outcome_verdict verdict, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Reads the value of a K, Z or X frame: "key n status text", and behind a newline notes: "name=value ...".  -1 where it is malformed. */
int outcome_read(char type, struct span value, struct id_key *key, uint32_t *n, struct outcome *o);
int outcome_value(struct str *out, struct id_key key, uint32_t n, const struct outcome *o);	/* writes such a value */
/* Reads a bare enhanced code, "4.2.1".  True and *verdict where it is one. */
bool outcome_is_status(struct span status, enum outcome_verdict *verdict);

enum outcome_state {
	OUTCOME_STATE_DONE, OUTCOME_STATE_FAILED, OUTCOME_STATE_TRY_LATER, OUTCOME_STATE_MOVED, OUTCOME_STATE_BOUNCED,
	OUTCOME_STATE_HELD, OUTCOME_STATE_REMOVED, OUTCOME_STATE_COUNT
};
const char *outcome_state_name(enum outcome_state state);       /* "done", "failed", "later", ... */

#define OUTCOME_LINE_MAX 8192		/* bytes of a line; nothing longer is written or read */
#define OUTCOME_ALL UINT32_MAX		/* the recipient of a line about the whole message: "-" */

struct outcome_line {
	uint32_t index;
	uint32_t recipient;
	enum outcome_state state;
	uint32_t tries;
	uint64_t next;			/* microseconds since 1970, or 0 */
	struct span status, drop, address, reason;	/* written: raw.  read: still encoded (text_decode) */
	bool unclear;			/* an attempt may have succeeded: the next one is to look, at this drop */
	bool asked;			/* the drop was asked for it, and answered without a word on it */
	bool told;			/* the sender was told that it takes long */
};

int outcome_line_write(struct str *out, struct span file, const struct outcome_line *line);   /* file: the N or ID in the CRC */
/*
 * Takes a line from the head of *rest.  1: read.  0: *rest was empty.  -1: what is torn or wrong was skipped, up to the next place where a
 * line may begin: a line that was written right behind a torn one is found.  Ask again until 0.
 */
int outcome_line_read(struct span *rest, struct span file, struct outcome_line *line);
/* The same for a line whose CRC was found right before: it is not looked at again. */
int outcome_line_scan(struct span *rest, struct outcome_line *line);

#endif
