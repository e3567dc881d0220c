/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages that wait for what is away: a drop that is down as a whole, or its deliverer.  Their own schedules stand still, but their time does not: for what has waited long
 * enough a fallback takes over, or it has failed, and who asked for it is told of the delay.  Queues are looked through for that now and then, one message after another.
 */
#ifndef DEADDROP_WAITING_H
#define DEADDROP_WAITING_H

#include "mail.h"

struct channel;
struct drop;
struct outage;
struct send;

struct waiting {		/* targets of a mail, at one drop */
	size_t first, end;
	const struct channel *channel;
	const struct drop *drop;	/* or NULL */
};

/* How long something has been away in all that is away since so many microseconds in this process; 0: it is there. */
uint64_t waiting_away(const struct outage *outage, uint64_t away);
uint64_t waiting_drop_away(const struct send *s, const struct drop *d);		/* the drop, or its deliverer */
uint64_t waiting_interval(const struct send *s);	/* between two looks through a queue */
/* Whether a queue is to be looked through that nothing leaves since away microseconds, and that was last looked through at swept, boot time. */
bool waiting_may_end(const struct send *s, uint64_t away, uint64_t swept);
/* Ends the waits of those that have waited long enough. */
void waiting_end(struct send *s, struct mail *m, struct waiting waiting, uint64_t now);

#endif
