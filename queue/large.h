/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A large message: a journal file of its own (deaddrop-spool(5), move 3).  Its body is written while it comes in, behind room for the header, which is
 * written last.
 */
#ifndef DEADDROP_LARGE_H
#define DEADDROP_LARGE_H

#include "journal.h"

struct large_set {
	struct segment_set *segments;
	struct commit *syncer;		/* a thread of its own: a long sync holds up no small message */
	struct span host;
	const struct journal_ops *ops;	/* settled and committed are called as for small ones */
	void *arg;
	/* the rest is large.c's own */
	struct large *ready;		/* complete ones, the newest first, that wait for the thread */
	struct large *sealing;		/* those it works on */
	struct commit_job job;
};

bool large_idle(const struct large_set *set);	/* no complete one is unsettled */

/* The submission outgrew SUBMISSION_SMALL: makes its file.  What its body holds is written and taken out of it, as by large_write.
 * 0, or -1 with errno: then the submission has no file. */
int large_begin(struct large_set *set, struct submission *submission);
/* More of the body is in submission->body: writes it if it is much.  0, or -1 with errno: drop it. */
int large_write(struct submission *submission);
/* It is complete: settled() will be called.  Takes the submission over. */
void large_end(struct submission *submission);
/* It never will be: removes the file; submission->large is NULL afterwards. */
void large_drop(struct submission *submission);

#endif
