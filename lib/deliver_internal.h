/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of deliver share; nobody else includes it. */
#ifndef DEADDROP_DELIVER_INTERNAL_H
#define DEADDROP_DELIVER_INTERNAL_H

#include "deliver.h"

#define DELIVER_LISTENERS_MAX 16

struct deliver_known;			/* the index of jobs by key */

struct deliver_peer {			/* one connection */
	struct deliver_peer *next;
	struct deliver *deliver;
	struct ctrl *c;
	unsigned state;
	struct deliver_job *job;	/* the one that is coming in, or NULL */
	size_t pending;			/* jobs that are not answered yet */
	bool answered;			/* something waits to be flushed */
	bool ended;			/* the peer sends no more, and waits for the rest of its answers */
};

struct deliver {
	struct ctrl_hub *hub;
	const struct deliver_ops *ops;
	void *arg;
	struct deliver_known *known;
	struct deliver_peer *peers;
	size_t connections;
	struct ctrl_listener *listeners[DELIVER_LISTENERS_MAX];
	size_t listener_count;
	size_t pending;
	size_t bytes, cap;		/* of jobs at hand */
	size_t files;			/* jobs at hand that hold a descriptor */
	bool full;			/* connections are paused, until three quarters of the limits */
	struct str value;		/* of the answer that is being written */
};

/* deliver.c */
void deliver_weigh(struct deliver *deliver);	/* pauses or resumes the connections as the limits want it */

/* deliver_peer.c */
extern const struct ctrl_ops deliver_peer_ops;
void *deliver_peer_accepted(void *arg, struct ctrl_peer who, struct ctrl *c);
void deliver_peer_answer(struct deliver *deliver, const struct deliver_job *job);
void deliver_peer_free_all(struct deliver *deliver);
void deliver_peer_pause_all(struct deliver *deliver, bool pause);

/* deliver_known.c */
struct deliver_known *deliver_known_new(void);
void deliver_known_free(struct deliver_known *known);		/* and the jobs that are being worked on */
/* Settles the recipients of job whose outcome is known.  0 or -1 ENOMEM. */
int deliver_known_recall(const struct deliver_known *known, struct deliver_job *job);
struct deliver_job *deliver_known_running(const struct deliver_known *known, struct id_key key);	/* or NULL */
void deliver_known_start(struct deliver_known *known, struct deliver_job *job);			/* it is being worked on */
/* It no longer is; its final outcomes are kept.  Without memory they are not, which costs one look at the mailbox. */
void deliver_known_finish(struct deliver_known *known, struct deliver_job *job);
/* Settles the recipients that both have, from what a job with the same key got: later included.  0 or -1 ENOMEM. */
int deliver_known_share(const struct deliver_job *from, struct deliver_job *to);
void deliver_known_forget_peer(struct deliver_known *known, const struct deliver_peer *peer);

#endif
