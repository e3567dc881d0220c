/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two kinds of drop that append to a file: mbox, and append, which writes the bare message.  Each file is opened, locked, written
 * and synced once for all
 * jobs of a batch that lead there; nobody else waits for the lock.
 */
#ifndef DEADDROP_LOCAL_MBOX_H
#define DEADDROP_LOCAL_MBOX_H

#include "drop.h"

#define MBOX_LOCK_WAIT (30 * CLOCK_SECOND)	/* where the drop says nothing */

extern const struct drop_kind mbox_kind, append_kind;

#endif
