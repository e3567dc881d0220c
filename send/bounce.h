/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Notifications: what a sender is told when a message is settled (deaddrop-spool(5), move 10), and that it is late.  One message has one
 * notification at its end, about all its recipients; nobody is told about a message without a sender: it goes to the postmaster's drop,
 * and if that fails to dead/.
 */
#ifndef DEADDROP_BOUNCE_H
#define DEADDROP_BOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "id.h"
#include "loop.h"

struct send;
struct mail;

struct bounce_rules {		/* of the configuration */
	uint64_t limit;		/* notifications an hour; 0: none */
	uint64_t largest;	/* bytes of a message that is given back whole */
	bool local;		/* they go to the postmaster's drop, and never to a sender */
};

struct bounces {		/* what may still be sent: a bucket that fills up in an hour */
	uint64_t left;		/* in parts of which a notification costs BOUNCE_COST */
	uint64_t filled;	/* boot time */
	bool alarmed;
	struct id *unreleased;	/* notifications that could not be released yet */
	size_t unreleased_count;
	struct loop_timer again;
};

void bounce_rules_default(struct bounce_rules *rules);
/*
 * A deferred mail whose last target is final, about to be settled.  Its failures are durable when this returns, and so is the notification,
 * which is held until bounce_release.  What follows for the targets stands in m->pending: failures that were told are BOUNCED, those that
 * go to the postmaster are handed over, so that the mail is not final any more, and those that stay FAILED are for dead/.
 * 0, or -1 with errno: not now.
 */
int bounce_settle(struct send *s, struct mail *m);
/* After the parent's lines are durable.  What fails is done again by timer. */
void bounce_release(struct send *s, struct mail *m);
void bounces_init(struct send *s);
void bounces_free(struct send *s);
/* A deferred mail that is found at the start: whether it is a notification that was held when the process before ended (lines: its own). */
bool bounce_is_held(const struct mail *m, struct span lines);
void bounce_recover(struct send *s, struct mail *m);	/* releases it if its parent tells of it, or is gone */
/* A mail with targets that have become late: tells those who asked for it. */
void bounce_late(struct send *s, struct mail *m);

#endif
