/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encoded words (RFC 2047): text beyond ASCII in header fields.  Pure. */
#ifndef DEADDROP_WORDS_H
#define DEADDROP_WORDS_H

#include "str.h"

#define WORDS_MAX 75	/* bytes of one encoded word */

/*
 * Appends text as encoded words that may stand in a phrase, in unstructured text or a comment: Q, or B where over half of it would be
 * escaped; cut between characters, with "\n " between words.  What is no UTF-8 is labelled unknown-8bit (RFC 1428) and keeps its bytes.
 * Empty text appends nothing.
 */
int words_encode(struct str *out, struct span utf8);

/*
 * Appends text (unfolded or not) with its encoded words decoded to UTF-8, blanks between adjacent words dropped (RFC 2047 section 6.2).  Charsets: UTF-8, US-ASCII, ISO-8859-1, ISO-8859-15,
 * windows-1252 and their common aliases; a word of another charset, or a malformed one, stays as it is.  A character cut by the end of a word goes on in the next one of that charset;
 * bytes that are no character of it become U+FFFD.  What was not encoded keeps its bytes, so the result need not be UTF-8.  A word may hold controls, even LF and NUL: the
 * result is for matching and for words_encode, never for a field as it stands.  0 or -1 as str_append (out as it was); the result is never above three times the text.
 */
int words_decode(struct str *out, struct span text);

bool words_is_utf8(struct span text);		/* well-formed: no overlong forms, no surrogates, at most U+10FFFF */

#endif
