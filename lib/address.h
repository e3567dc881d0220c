/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Addresses of header fields and envelopes (RFC 5322 3.4 with obsolete syntax, RFC 5321 4.1.2; UTF-8 of RFC 6531 passes).
 * Pure, and lenient where real mail is: see deaddrop(7), DEVIATIONS.
 */
#ifndef DEADDROP_ADDRESS_H
#define DEADDROP_ADDRESS_H

#include "str.h"

struct address {			/* one mailbox of a list, spans lie in the field's value */
	struct span whole;		/* from display name to the last byte of the mailbox, comments included, no comma */
	struct span name;		/* display name as it stands, or empty */
	struct span spec;		/* local@domain as it stands between < and >, or bare; may hold comments and folding */
	bool angle;			/* it stood in angle brackets */
};

/*
 * Takes the next mailbox from the head of *rest: the value of To, Cc, ...: commas, groups (their names and ; are passed over), routes, comments,
 * quoted strings.  Where commas are missing, "a@b.c d@e.f" and "root admin" are two mailboxes each, but "a"b@c is none; all words before a < are the name, an
 * unquoted address too.  The time for a list is linear in its length.
 * 1: one, whose spec address_plain takes; 0: the end; -1: something that is no address was passed over up to the next comma (its span is in
 * whole; "<>" is one).
 */
int address_next(struct span *rest, struct address *address);

/*
 * The plain form of a spec for an envelope: comments, folding and blanks around dots and @ removed, a route dropped, quotes kept only where
 * needed: "a.b"@x is a.b@x, and a..b@x is "a..b"@x.  A backslash outside quotes makes the next byte plain.  Empty (the null sender is the
 * caller's to see), several @ and controls are EINVAL.  Appends to out.  0, or -1 EINVAL, ENOMEM, EMSGSIZE.
 */
int address_plain(struct str *out, struct span spec);

/* Splits a plain address at its last @ outside quotes.  False: no @ (local is all of it). */
bool address_split(struct span plain, struct span *local, struct span *domain);

/* Appends plain, with "@host" if it has no domain.  host or plain may be empty: then as it is. */
int address_qualify(struct str *out, struct span plain, struct span host);

/*
 * Checks an envelope address: "", local@domain, local@[literal], or a bare local part.  No controls, length limits of RFC 5321 relaxed to
 * ENVELOPE_ADDRESS_MAX.  Dots may stand anywhere in an unquoted local part.  Bytes from 0x80 only with utf8, and then as whole characters.
 */
bool address_is_valid(struct span plain, bool utf8);

/*
 * Appends a display name as it must stand before <...>: as it is, quoted, or as RFC 2047 words (folded) if it has bytes from 0x80.
 * Controls become blanks.
 */
int address_put_name(struct str *out, struct span name);

#endif
