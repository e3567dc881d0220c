/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words of address lists (RFC 5322 3.2 with obsolete syntax), for address.c and address_plain.c.  Pure. */
#ifndef DEADDROP_ADDRESS_LEX_H
#define DEADDROP_ADDRESS_LEX_H

#include "span.h"

#define ADDRESS_COMMENT_DEPTH 64

enum address_token {
	ADDRESS_END = 0,
	ADDRESS_ATOM = 'a',		/* anything but specials and blanks; \x is one of its characters */
	ADDRESS_QUOTED = 'q',		/* with its quotes */
	ADDRESS_LITERAL = 'l',		/* with its brackets */
	ADDRESS_BAD = 'b',		/* one byte that opens what is not closed, or closes what is not open */
	ADDRESS_COMMA = ',', ADDRESS_SEMICOLON = ';', ADDRESS_COLON = ':', ADDRESS_LESS = '<', ADDRESS_GREATER = '>',
	ADDRESS_AT = '@', ADDRESS_DOT = '.'
};

/* Passes over comments, blanks and folding, then takes a token from the head of *rest.  An unclosed comment is ADDRESS_BAD. */
enum address_token address_lex(struct span *rest, struct span *token);
/* Passes over comments, blanks and folding.  False: an unclosed comment begins at rest. */
bool address_lex_skip(struct span *rest);

#endif
