/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Responses of an IMAP server (RFC 3501 and 9051, section 7): bytes in, one whole response out, with its literals.  Pure; however the bytes are split, the responses
 * are the same.  Bounds: RESPONSE_MAX bytes a response, RESPONSE_LINE_MAX a line; a server that goes beyond is broken.
 */
#ifndef DEADDROP_IMAP_RESPONSE_H
#define DEADDROP_IMAP_RESPONSE_H

#include "str.h"

#define RESPONSE_MAX (512U * 1024)
#define RESPONSE_LINE_MAX (64U * 1024)

enum response_kind {
	RESPONSE_CONTINUE,	/* "+ text" */
	RESPONSE_TAGGED,	/* "tag OK|NO|BAD [code] text" */
	RESPONSE_STATUS,	/* "* OK|NO|BAD|BYE|PREAUTH [code] text" */
	RESPONSE_DATA,		/* "* [number] word …" */
};

enum response_status { RESPONSE_NONE, RESPONSE_OK, RESPONSE_NO, RESPONSE_BAD, RESPONSE_BYE, RESPONSE_PREAUTH };

struct response {		/* spans lie in the parser, valid until it is fed again */
	enum response_kind kind;
	enum response_status status;
	struct span tag;
	struct span code;	/* first word within the brackets */
	struct span argument;	/* the rest of them */
	struct span text;	/* for people; of "+", all that follows it */
	bool numbered;
	uint64_t number;	/* of data: "* 12 EXISTS" */
	struct span word;	/* of data: EXISTS, CAPABILITY, … */
	struct span data;	/* of data: what follows it, literals in place */
};

struct response_parser {
	struct str bytes;	/* the response so far */
	size_t line;		/* where its current line began */
	uint64_t literal;	/* bytes of a literal that are still to come */
	bool whole;		/* bytes holds a response that was given out */
};

enum response_result { RESPONSE_BROKEN = -1, RESPONSE_MORE, RESPONSE_WHOLE };

void response_init(struct response_parser *parser);
void response_free(struct response_parser *parser);
/* Takes bytes up to the end of one response; *used says how many.  RESPONSE_BROKEN: no response, or beyond the bounds; or no memory. */
enum response_result response_feed(struct response_parser *parser, struct span bytes, size_t *used, struct response *response);

/* The tokens of data */
enum response_token { RESPONSE_END, RESPONSE_ATOM, RESPONSE_STRING, RESPONSE_OPEN, RESPONSE_CLOSE };
/* Takes the next one; of atoms, quoted strings and literals *value is replaced by the bytes they stand for.  RESPONSE_END also where the data is malformed. */
enum response_token response_next(struct span *data, struct str *value);

#endif
