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

bool words_is_utf8(struct span text);		/* well-formed: no overlong forms, no surrogates, at most U+10FFFF */

#endif
