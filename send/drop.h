/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drops that are not free to take whatever comes: those that the configuration limits, and those whose deliverer said that they are down as a whole.  What cannot go
 * there now waits in the drop's own queue; nothing else stands behind it.  While a drop is down one message at a time tries it, and its waits are the drop's: the
 * messages' own schedules stand still.
 */
#ifndef DEADDROP_DROP_H
#define DEADDROP_DROP_H

#include "channel.h"
#include "conf.h"
#include "outcome.h"

#define DROP_MOST 32			/* each has a bit in an entry's queued; further ones that are down are not backed off */

struct send;

struct drop_limits {			/* 0: none */
	uint64_t concurrency;		/* jobs in flight */
	uint64_t rate, rate_time;	/* jobs in so many microseconds */
	uint64_t connections;		/* the deliverer's: told with each job */
};

struct drop_rule {			/* of the configuration */
	struct str name;
	struct drop_limits limits;
};

struct drop_rules {
	struct drop_rule *all;
	size_t count;
};

struct drop {
	struct channel *channel;
	struct str name;		/* "imap:phone", without an argument */
	struct drop_limits limits;
	uint64_t bit;
	struct queue queue;
	size_t flying;
	uint64_t started, used;		/* boot time; jobs of the rate's time since */
	unsigned failures;		/* in a row; 0: it is up */
	uint64_t since, until;		/* boot time: down since (in this process), and not tried before */
	struct outage outage;		/* it was down in processes before, and is */
	struct outcome why;		/* what was answered last, while it is down */
	uint64_t swept;			/* boot time: when its queue was looked through for what has waited long enough */
	size_t to_sweep;
};

struct drops {
	struct drop *all[DROP_MOST];
	size_t count;
	struct loop_timer tick;
};

/* limit DROP [concurrency N] [rate N/TIME] [connections N] */
int drop_rule_add(struct drop_rules *rules, const struct conf_node *node, struct str *error);
void drop_rules_free(struct drop_rules *rules);

void drops_init(struct send *s);
int drops_start(struct send *s);		/* after the channels.  0 or -1 ENOMEM */
void drops_free(struct send *s);
struct drop *drop_find(struct send *s, struct span drop);	/* NULL: nothing is special about it */
bool drop_has_room(struct send *s, const struct drop *d);	/* one more job may be handed out now */
void drop_take(struct send *s, struct drop *d);			/* one is */
void drop_wait(struct send *s, struct drop *d, struct entry *e);
/* A job of the drop has ended, whatever came of it. */
void drop_ended(struct drop *d);
/* What an answer says of the drop as a whole.  True: it is down, and the message waits for it. */
bool drop_answered(struct send *s, struct channel *c, struct span drop, const struct outcome *o);
bool drops_pump(struct send *s);		/* true: there is more to do */
void drops_hurry(struct send *s);		/* an operator wants tries now */
size_t drops_queued(const struct send *s);
bool drops_idle(const struct send *s);		/* for --once: what is queued is down */
/* What the process before left: it is down, and not tried before its time. */
void drop_restore(struct send *s, const struct outage_line *line);
/* For how long it has been down in this process; 0: it is up. */
uint64_t drop_down(const struct send *s, const struct drop *d);

#endif
