/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Items: what a job is to its account's sessions. */
#ifndef DEADDROP_IMAP_POOL_ITEM_H
#define DEADDROP_IMAP_POOL_ITEM_H

#include "pool.h"

/* given: the target has an argument.  NULL: the job's result says why. */
struct item *pool_item_new(const struct account *account, struct deliver_job *job, bool given, struct span argument);
void pool_item_free(struct item *item);		/* NULL is allowed; the job stays */

#endif
