/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What must not be shown: while a login lasts, the password or token and each line that was made of it.  A server may repeat any of it in an answer, and answers stand in logs,
 * traces and outcomes.
 */
#ifndef DEADDROP_CONCEAL_H
#define DEADDROP_CONCEAL_H

#include "str.h"

struct conceal {
	struct str pieces;		/* each as its length, four bytes, and itself */
};

#define CONCEAL_MAX 131072
#define CONCEAL_INIT { STR_SECRET(CONCEAL_MAX) }

/* One that cannot be kept (no memory) makes conceal_text show nothing at all.  The empty one is passed over. */
void conceal_add(struct conceal *conceal, struct span secret);
void conceal_forget(struct conceal *conceal);	/* wiped; all is shown again */
/* Appends text to out, with **** in the place of each secret, and of each part of one that is 12 bytes or longer, whatever the case of its letters. */
int conceal_text(const struct conceal *conceal, struct span text, struct str *out);

#endif
