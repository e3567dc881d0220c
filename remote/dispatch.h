/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A route at work: its messages in order, its connections, which of its servers is to be used, how fast, and when to leave it alone.
 *
 * A server that cannot be reached, secured or logged in at is passed over for a while, and the next one is used; with none left the route is down: one alarm in the log, its messages are
 * answered later, and one connection is tried after each pause (jittered, doubling) until one stands, which is logged too.
 */
#ifndef DEADDROP_REMOTE_DISPATCH_H
#define DEADDROP_REMOTE_DISPATCH_H

#include "link.h"

struct dispatch;

/* Each job that was added is given back once, with its outcomes; from the loop. */
typedef void dispatch_fn(void *arg, struct deliver_job *job);

struct dispatch *dispatch_new(const struct link_world *world, const struct route *route, dispatch_fn *done, void *arg);	/* NULL: no memory */
void dispatch_free(struct dispatch *dispatch);		/* NULL is allowed; jobs it still has are the caller's */
void dispatch_add(struct dispatch *dispatch, struct deliver_job *job);
/* Messages that were not begun are answered later; those under way are finished, and connections left politely. */
void dispatch_drain(struct dispatch *dispatch);
size_t dispatch_connections(const struct dispatch *dispatch);	/* that are open, or about to be */
size_t dispatch_pending(const struct dispatch *dispatch);

#endif
