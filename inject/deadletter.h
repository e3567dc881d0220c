/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dead.letter in the caller's home directory: what could not be handed in is appended there as to an mbox, where that is asked for.  The directory comes from the
 * user database.  The file must be a plain one of the caller's own with one name; a link is not followed; a new one gets mode 0600.
 */
#ifndef DEADDROP_DEADLETTER_H
#define DEADDROP_DEADLETTER_H

#include <sys/types.h>

#include "str.h"

struct deadletter {
	struct str path, out;
	off_t before;		/* the file's length, which it gets back where the message does not fit */
	int fd;
	int error;		/* errno of the first write that failed; sticky */
	size_t matched;		/* bytes of "From " at a line's start, that wait */
	bool in_line, newline;	/* within a line, behind its head; the last byte was a newline */
};

/* 0, or -1 with errno; path says what was tried.  deadletter_close in either case.  Waits up to ten seconds for another writer. */
int deadletter_open(struct deadletter *letter, const char *home, const char *login);
void deadletter_add(struct deadletter *letter, struct span bytes);
/* 0 where all of it stands in the file, else -1 with errno, and the file is as it was. */
int deadletter_end(struct deadletter *letter);
void deadletter_close(struct deadletter *letter);

#endif
