/* SPDX-License-Identifier: GPL-3.0-or-later */
/* xtext (RFC 3461 4), in which envelopes keep ENVID and ORCPT: "!" to "~" but "+" and "=", and "+HH" for all else.  Pure. */
#ifndef DEADDROP_XTEXT_H
#define DEADDROP_XTEXT_H

#include "span.h"
#include "str.h"

bool xtext_is_valid(struct span text);		/* and not empty */
/* Appends text as xtext: what is that already stays as it is, for whoever wrote it knew the rule. */
int xtext_add(struct str *out, struct span text);

#endif
