/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index of jobs by key: those that are being worked on, and what became of the last 10,000.
 *
 * Only final outcomes (done, never) are kept, for each recipient's address: whoever asks again for one that had later is to get a new attempt.
 */
#ifndef DEADDROP_LOCAL_REPLIES_H
#define DEADDROP_LOCAL_REPLIES_H

#include "job.h"

#define REPLIES_KEPT 10000
#define REPLIES_BYTES_MAX (16U * 1024 * 1024)	/* of texts; beyond, the oldest go first */

struct replies;

struct replies *replies_new(void);
void replies_free(struct replies *replies);

/* Settles the recipients of job whose outcome is known.  0 or -1 ENOMEM. */
int replies_recall(const struct replies *replies, struct job *job);

struct job *replies_running(const struct replies *replies, struct id_key key);	/* or NULL */
void replies_start(struct replies *replies, struct job *job);			/* it is being worked on */
/* It no longer is; its final outcomes are kept.  Without memory they are not, which costs one look at the mailbox. */
void replies_finish(struct replies *replies, struct job *job);

/* Settles the recipients that both have, from what a job with the same key got: later included. */
int replies_share(const struct job *from, struct job *to);

#endif
