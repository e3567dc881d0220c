/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Channels: one for each deliverer's socket NAME.ctrl.  A channel has a connection or tries to get one, a window of jobs that were handed out and
 * are not answered, and a queue of messages that wait for room in it.  One that is down, slow or mad costs the others nothing.
 */
#ifndef DEADDROP_CHANNEL_H
#define DEADDROP_CHANNEL_H

#include "ctrl.h"
#include "id.h"
#include "list.h"
#include "outage.h"
#include "table.h"

#define CHANNEL_WINDOW 2048	/* jobs in flight */
#define CHANNEL_BATCH 64	/* jobs a turn */
#define CHANNEL_BUCKETS 512	/* a power of 2 */

struct send;
struct job;

struct channel {
	struct send *send;
	struct span name;
	const char *path;
	struct ctrl *ctrl;		/* NULL: down */
	struct loop_timer connect, stale;
	uint64_t delay;			/* before the next attempt to connect */
	bool reported;			/* that it is down */
	char why[200];			/* it is */
	bool tried;			/* at least one attempt to connect is over */
	bool served;			/* this connection has answered */
	uint64_t since, failed;		/* boot time: no answer since (0: it answers), and when the last connection failed */
	struct outage outage;		/* it was away in processes before, and has not answered since */
	uint64_t swept;			/* boot time: when its queue was looked through for what has waited long enough */
	size_t to_sweep;
	unsigned batch;			/* jobs of this turn */
	unsigned fds;			/* descriptors sent in this turn */
	bool clear;			/* all output had left when the turn began */
	uint64_t bit;			/* in an entry's queued */
	struct queue queue;
	struct list jobs;		/* in the order they were handed out */
	size_t job_count;
	struct job *buckets[CHANNEL_BUCKETS];
};

struct channels {
	struct channel *all;
	size_t count;
};

int channels_start(struct send *s, struct str *error);
void channels_free(struct send *s);
struct span channel_name(const char *path);				/* NAME of …/NAME.ctrl; empty where it is none */
struct channel *channel_find(struct send *s, struct span drop);		/* by "NAME:…"; NULL: there is none */
bool channel_has_room(const struct channel *c, bool with_fd);		/* up, and one more job may be handed out this turn */
/* How long its deliverer has been away in this process, at the last attempt to reach it; 0: it is there. */
uint64_t channel_away(const struct channel *c);
/* Queues an entry that waits for room.  0 or -1 ENOMEM. */
int channel_wait(struct channel *c, struct entry *e);
bool channels_pump(struct send *s);					/* hands out from the queues; true: there is more to do */
void channels_flush(struct send *s);
/* Whether the journal's reader may go on: not while all that is up is busy. */
bool channels_want_more(const struct send *s);
bool channels_idle(const struct send *s);				/* for --once: nothing is queued that can still go anywhere */
size_t channels_queued(const struct send *s);

#endif
