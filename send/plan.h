/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan: which drops a recipient leads to, and as which address.  All that decides where mail goes stands behind plan_make.
 * Pure: it sees the record and the configuration, no descriptor and no clock.
 */
#ifndef DEADDROP_PLAN_H
#define DEADDROP_PLAN_H

#include "record.h"

#define PLAN_DROPS_MAX 16
#define PLAN_DROP_LEN 1024	/* bytes of a drop with its argument */

struct plan {
	struct str drops[PLAN_DROPS_MAX];	/* of every recipient: "NAME:drop", "NAME:drop/argument" */
	size_t count;
};

/* One result: address is empty where it is the recipient's own.  The spans need only live until the return.  0, or -1 to end. */
typedef int plan_add_fn(void *arg, struct span drop, struct span address);

void plan_init(struct plan *plan);
int plan_default(struct plan *plan);	/* where nothing was configured: local:inbox.  0 or -1 */
void plan_free(struct plan *plan);
int plan_add_drop(struct plan *plan, struct span drop);	/* -1 EINVAL: no drop; E2BIG: too many; ENOMEM */

/* "NAME:rest".  False where text is no drop. */
bool plan_split(struct span drop, struct span *name, struct span *rest);

/* Calls add for each drop of the recipient, at least once.  0, or -1 if add said so. */
int plan_make(const struct plan *plan, const struct record *record, struct span recipient, plan_add_fn *add, void *arg);

#endif
