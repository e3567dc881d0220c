/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pool: for each account what waits for it, its connections, and how long it is left alone after a failure.  One account's trouble delays no other: while an account
 * is left alone its jobs are answered later at once.
 *
 * A job that an ended connection left unclear is looked for on the next one.  Where there is none to be had it is answered later, and that it is unclear.
 */
#ifndef DEADDROP_IMAP_POOL_H
#define DEADDROP_IMAP_POOL_H

#include "session.h"

struct pool;

/* byhand: failures are answered at once, nothing is tried twice.  NULL: no memory. */
struct pool *pool_new(const struct session_host *host, const struct account_table *accounts, bool byhand);
void pool_free(struct pool *pool);		/* before the loop; items are freed, their jobs are the deliverer's */
void pool_set_deliver(struct pool *pool, struct deliver *deliver);
void pool_deliver(void *arg, struct deliver_job *job);		/* deliver_ops.deliver: arg is the pool */
void pool_turn(struct pool *pool);		/* at each turn's end: what was delivered in it is begun */
/* Finish what is here within a few seconds, then answer later, and log out. */
void pool_leave(struct pool *pool);
bool pool_is_over(const struct pool *pool);	/* after pool_leave: all is answered and logged out */

#endif
