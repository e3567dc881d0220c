/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a mailbox gets in place of a message that is too big for it, where the account says "too-big note": the message's header with a note for a body. */
#ifndef DEADDROP_IMAP_POOL_NOTE_H
#define DEADDROP_IMAP_POOL_NOTE_H

#include "pool.h"

/* The item stands for the note from now on.  False: no memory, or it stands for one already. */
bool pool_note_make(struct item *item, const struct outcome *why);
/* What becomes of the message when that came of its note. */
void pool_note_outcome(const struct item *item, struct outcome *outcome);

#endif
