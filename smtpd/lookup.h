/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The name of a client: its address's name, confirmed by that name's addresses.  Asked of the keeper; given up after LOOKUP_WAIT, whatever the resolver does. */
#ifndef DEADDROP_SMTPD_LOOKUP_H
#define DEADDROP_SMTPD_LOOKUP_H

#include "keeper.h"
#include "peer.h"

#define LOOKUP_WAIT (UINT64_C(5) * 1000000)

struct lookup;

/* name: "" where there is none that is confirmed; unclear: because nobody could tell now.  Called once, from the loop, unless cancelled. */
typedef void lookup_fn(void *arg, const char *name, bool unclear);

struct lookup *lookup_new(struct loop *loop, struct keeper *keeper, const struct peer *peer, lookup_fn *fn, void *arg);	/* NULL: it cannot be asked now */
void lookup_cancel(struct lookup *lookup);	/* NULL is allowed; not after fn was called */

#endif
