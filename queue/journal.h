/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small messages into the journal: what came in during a turn, or while the last commit was under way, is written with one pwritev and made durable with one
 * fdatasync (group commit).  No timer delays a commit; an idle journal starts one at the turn's end.
 */
#ifndef DEADDROP_JOURNAL_H
#define DEADDROP_JOURNAL_H

#include "segment.h"
#include "submission.h"

struct journal_ops {
	/* What became of a submission: segment says where it is stored; NULL: it is not, and why says what to tell its submitter (later).
	 * The submission belongs to the receiver from here on. */
	void (*settled)(void *arg, struct submission *submission, struct segment *segment, const char *why);
	/* All submissions of a commit are settled: their answers may leave, then segment's new length may be announced.  NULL: nothing was stored. */
	void (*committed)(void *arg, const struct segment *segment);
	/* Something went wrong: error is an errno, what says what could not be done. */
	void (*trouble)(void *arg, const char *what, int error);
};

struct journal_setup {
	struct loop *loop;
	struct commit *committer;
	struct segment_set *segments;
	struct span host;		/* for the Received field; must live on */
	uint64_t idle_close;
	const struct journal_ops *ops;
	void *arg;
};

struct journal;

/* Begins to make the first file.  NULL with errno. */
struct journal *journal_new(const struct journal_setup *setup);
void journal_free(struct journal *journal);	/* when the threads are gone; what waits is freed without a word */

void journal_add(struct journal *journal, struct submission *submission);	/* takes it over */
void journal_turn(struct journal *journal);	/* at a turn's end: starts a commit if none is under way */
bool journal_idle(const struct journal *journal);	/* nothing waits, nothing is under way */
void journal_end(struct journal *journal);	/* idle: closes the current file, makes no more */

#endif
