/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a job puts into a file, in pieces.  As mbox: a From_ line, the trace, the message with its lines quoted that begin with "From "
 * (mboxo) or with any number of ">" before it
 * (mboxrd), a newline where the last one is missing, an empty line.  Bare: the message's bytes.  The same for each attempt.
 */
#ifndef DEADDROP_LOCAL_MBOX_RENDER_H
#define DEADDROP_LOCAL_MBOX_RENDER_H

#include "deliver.h"

enum mbox_style { MBOX_RD, MBOX_O, MBOX_BARE };

struct mbox_render {
	const struct deliver_job *job;
	enum mbox_style style;
	uint64_t at;			/* bytes of the message taken */
	bool begun, ended;
	bool line_begins;		/* the next byte begins a line, or follows ">" that do */
	bool quoted;			/* a ">" was among them */
	unsigned held;			/* bytes of "From " that were seen there and not written yet */
	char last;			/* byte written */
};

#define MBOX_PIECE (64U * 1024)		/* bytes of the message taken at once */
#define MBOX_RENDER_MAX (2 * MBOX_PIECE + 4096)	/* bytes that one piece can become, without the trace */

void mbox_render_begin(struct mbox_render *render, const struct deliver_job *job, enum mbox_style style);
/* Appends the next piece.  1: there is more, 0: that was the end, -1 with errno. */
int mbox_render_more(struct mbox_render *render, struct str *out);
/* The From_ line, without its newline. */
int mbox_render_from(struct str *out, const struct deliver_job *job);

#endif
