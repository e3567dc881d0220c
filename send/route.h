/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Routes (deaddrop-send(8), CONFIGURATION): the first that matches says where an address goes; one that ends in "and" lets others follow.
 * Users, groups and networks are looked up when the configuration is read; matching is pure.
 */
#ifndef DEADDROP_ROUTE_H
#define DEADDROP_ROUTE_H

#include "conf.h"
#include "inputs.h"
#include "plan.h"

struct route_list;

struct route_list *route_list_new(struct inputs *inputs);	/* NULL: no memory.  inputs: who the host's users and groups are, or NULL: the host */
void route_list_free(struct route_list *list);		/* NULL is allowed here and below */
int route_list_add(struct route_list *list, const struct conf_node *node, struct str *error);	/* one directive.  0, or -1 with error */
/* Calls see for each drop that is named, as it is written.  0, or -1 if it said so. */
int route_list_drops(const struct route_list *list, int (*see)(void *arg, const char *file, unsigned line, struct span drop), void *arg);
/* The least time after which a fallback takes over; most where that is less, or there is none. */
uint64_t route_list_least_after(const struct route_list *list, uint64_t most);
/* Calls add for the drops of an address, fallbacks included.  1: some route decided; 0: none; -1: add said so, or no memory. */
int route_list_find(const struct route_list *list, const struct plan *plan, const struct plan_query *query, struct span address,
    plan_add_fn *add, void *arg);

#endif
