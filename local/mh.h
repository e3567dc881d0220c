/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The MH kind of drop (mh-folders(5)): a message gets the next number in its folder and joins the sequence of unseen ones.
 */
#ifndef DEADDROP_LOCAL_MH_H
#define DEADDROP_LOCAL_MH_H

#include "drop.h"

#define MH_SEQUENCES_MAX (4U * 1024 * 1024)	/* bytes of .mh_sequences; a larger one is left alone */

extern const struct drop_kind mh_kind;

/*
 * Adds numbers (decimal, each with its NUL) to a sequence in the text of a .mh_sequences file, which is changed in place: from *from
 * on it is new.  0, or -1 with errno.
 * Pure.
 */
int mh_sequences_add(struct str *text, const char *sequence, struct span numbers, size_t *from);
/* The same in the folder's file, under the lock that nmh takes (fcntl).  0, or -1 with errno: EAGAIN where somebody holds it. */
int mh_sequences_update(int folder, const char *sequence, struct span numbers, mode_t mode);

#endif
