/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What handover.c and handover_link.c share. */
#ifndef DEADDROP_SMTPD_HANDOVER_INTERNAL_H
#define DEADDROP_SMTPD_HANDOVER_INTERNAL_H

#include "clock.h"
#include "handover.h"

#define HANDOVER_KEY 32U

enum handover_state {
	HANDOVER_FILLING,		/* no E yet */
	HANDOVER_READY,			/* small, complete, not sent */
	HANDOVER_SENT,			/* its E is out, on whichever connection */
	HANDOVER_LOST,			/* and that connection broke */
	HANDOVER_ASKED			/* by its key, on the shared connection */
};

struct handover_link {			/* a connection to queue */
	struct handover *h;
	struct handover_mail *mail;	/* whose it is; NULL: the shared one */
	struct ctrl *ctrl;
};

struct handover_mail {
	struct handover_mail *next, **link;	/* of all, oldest first */
	struct handover *h;
	const struct handover_ops *ops;		/* NULL: nobody waits */
	void *arg;
	enum handover_state state;
	bool large;			/* body goes on, or is gone: it cannot be sent again */
	bool told_full;
	char key[HANDOVER_KEY + 1];
	struct str frames;		/* S, A, R, r */
	struct str body;
	size_t counted;			/* its share of h->bytes */
	uint64_t since;			/* boot time of its state, for the deadlines */
	struct handover_link *own;	/* a large one's connection, once there is one */
};

struct handover {
	struct handover_setup setup;
	struct handover_mail *first, **last;
	size_t count, streams;
	uint64_t bytes;
	struct handover_link shared;
	struct loop_timer tick;
	uint64_t try_at, step;		/* next attempt to connect */
	bool away;			/* it was logged */
	unsigned char random[16 * HANDOVER_KEY / 2];
	size_t random_left;
};

/* handover.c */
void handover_settle(struct handover_mail *mail, char verdict, struct span text);	/* tells, and frees mail */
void handover_wake(struct handover *h);		/* looks soon what can go on */

/* handover_link.c */
int handover_link_open(struct handover *h, struct handover_link *link);	/* 0, or -1: not now */
void handover_link_mail(struct handover_link *link, struct handover_mail *mail, bool complete);	/* M, what there is of it, and E if complete */
void handover_link_body(struct handover_link *link, struct span bytes);
void handover_link_ask(struct handover_link *link, struct handover_mail *mail);

#endif
