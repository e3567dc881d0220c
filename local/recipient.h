/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deliveries as the recipient: for each recipient the keeper starts a process that becomes her and delivers the job by the drop's own
 * kind.  The message goes to it through a pipe, what became
 * of it comes back as a line.
 */
#ifndef DEADDROP_LOCAL_RECIPIENT_H
#define DEADDROP_LOCAL_RECIPIENT_H

#include "drop.h"

#define RECIPIENT_TIME (5 * 60 * CLOCK_SECOND)
#define RECIPIENT_AT_ONCE 16

/* What the process needs of the stage; it has a copy of its memory. */
struct recipient_context {
	const struct drop_table *drops;
	const char *host;
	bool sync_fs;
};

extern const struct drop_kind recipient_kind;

/* Puts the process of a drop as recipient into the keeper's list; context lives as long as the keeper. */
int recipient_list(struct drop *drop, struct keeper_list *list, struct recipient_context *context, struct str *error);
/* Appends what the process is told before the message. */
int recipient_put(struct str *out, const struct deliver_job *job, size_t n);
/* Reads it, and the message: from standard input.  NULL with error. */
struct deliver_job *recipient_read(int fd, struct str *error);
extern const char *const recipient_marks[];	/* by enum outcome_clarity: what may stand behind the letter */
/* The process itself: 0, having said "K status text", Z or X; "Z? status text" where it may be there all the same, "Z-" where it is known not to be. */
int recipient_run(void *context);

#endif
