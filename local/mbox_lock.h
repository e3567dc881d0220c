/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The locks of an mbox file: FILE.lock, and fcntl on the file itself; the latter alone where the directory cannot be written to.  Nothing here waits.
 *
 * Our FILE.lock says how long the file was before the message that is being written, and when the host was started.  Who holds it has it
 * locked (fcntl), so that one whose holder died is known at once, and what he left behind is cut off, unless the host went down with him:
 * then nobody knows which note the disk kept, and the one on the file itself counts (mbox_note.h).  Somebody else's is taken for stale when it has not been touched for five minutes.
 */
#ifndef DEADDROP_LOCAL_MBOX_LOCK_H
#define DEADDROP_LOCAL_MBOX_LOCK_H

#include <sys/types.h>

#include "str.h"

#define MBOX_LOCK_STALE 300		/* seconds */

struct mbox_lock {
	int directory;			/* the caller's */
	int dot;			/* FILE.lock, open and locked; -1: none */
	bool recovered;			/* its last holder died: length is what he noted, or past any file's */
	uint64_t length;
};

/* Takes FILE.lock.  unique: a name that nobody else uses.  1: it is ours, or there can be none; 0: somebody has it; -1 with errno. */
int mbox_lock_dot(struct mbox_lock *lock, int directory, const char *file, const char *unique, mode_t mode);
/* Takes fcntl's.  1, 0 or -1. */
int mbox_lock_file(int fd);
/* Notes that a message begins at length. */
int mbox_lock_note(const struct mbox_lock *lock, uint64_t length);
void mbox_lock_release(struct mbox_lock *lock, const char *file);

#endif
