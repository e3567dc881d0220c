/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A route's state, shared by dispatch.c (messages and connections) and dispatch_state.c (what is up and what is down). */
#ifndef DEADDROP_REMOTE_DISPATCH_INTERNAL_H
#define DEADDROP_REMOTE_DISPATCH_INTERNAL_H

#include "dispatch.h"

#define DISPATCH_TEXT_MAX 1000

struct lane {				/* a connection, or the attempt at one */
	struct lane *next;
	struct dispatch *dispatch;
	struct link *link;
	size_t relay;
	struct mail *mail;		/* that it is sending */
	bool up;			/* it has been ready */
	bool leaving;			/* it was told to quit */
};

struct dispatch {
	const struct link_world *world;
	const struct route *route;
	dispatch_fn *done;
	void *arg;
	struct mail *first, **last;	/* waiting */
	size_t pending;			/* with those under way */
	struct lane *lanes;
	size_t lane_count;
	size_t limit;			/* of lanes: the route's, or less where the last job said so */
	struct loop_timer timer;
	bool draining;
	/* of each server: not to be used before; and the pause that led there */
	uint64_t closed_until[ROUTE_RELAYS_MAX], pause[ROUTE_RELAYS_MAX];
	/* of the route: */
	unsigned losses;		/* connections in a row that broke within a message */
	bool down;			/* the alarm was given */
	uint64_t down_since;
	enum session_end why;		/* of the last failure */
	struct str text;
	/* rate */
	uint64_t window_start, window_count;
};

/* dispatch_state.c */
/* The first server that may be used now; false: none may, *when tells how long that is so. */
bool dispatch_pick(const struct dispatch *dispatch, size_t *relay, uint64_t *when);
void dispatch_failed(struct dispatch *dispatch, size_t relay, enum session_end why, const char *text);	/* it is passed over for a while */
void dispatch_note(struct dispatch *dispatch, enum session_end why, const char *text);	/* the reason, for dispatch_outcome */
void dispatch_worked(struct dispatch *dispatch, size_t relay);
bool dispatch_is_closed(const struct dispatch *dispatch);	/* no server may be used now */
void dispatch_raise(struct dispatch *dispatch);			/* the alarm, once */
void dispatch_outcome(const struct dispatch *dispatch, struct outcome *outcome);	/* later, for that reason */
/* Whether the rate lets another message go; else *when. */
bool dispatch_rate(struct dispatch *dispatch, uint64_t *when);
void dispatch_log_mail(const struct dispatch *dispatch, const struct mail *mail);

#endif
