/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message as admin.ctrl lists it: with the drops that its recipients lead to, and what each of them waits for. */
#ifndef DEADDROP_ADMIN_LIST_H
#define DEADDROP_ADMIN_LIST_H

#include "ctrl.h"
#include "spool.h"

struct send;

/* Sends the entry that the walk stands on: its M and R frames.  1: drops had to be worked out, which takes its time; 0. */
int admin_list_entry(struct send *s, struct spool_walk *walk, struct spool_entry *entry, struct ctrl *c);

#endif
