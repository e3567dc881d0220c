/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filters: substitutions in header fields, each for all drops, or all but some, or some alone (deaddrop-send(8)).  A message whose From, To or Subject a
 * filter leaves empty is discarded, unless the filter says keep.  What no filter changes keeps its bytes.  Pure.
 */
#ifndef DEADDROP_FILTER_H
#define DEADDROP_FILTER_H

#include "conf.h"
#include "plan.h"

struct filter_list;

struct filter_list *filter_list_new(void);		/* NULL: no memory */
void filter_list_free(struct filter_list *list);	/* NULL is allowed here and below */
int filter_list_add(struct filter_list *list, const struct conf_node *node, struct str *error);	/* one directive.  0, or -1 with error */

enum filter_result { FILTER_SAME, FILTER_CHANGED, FILTER_DISCARD, FILTER_ERROR };
/* Appends the header (the message's, with its empty line if it has one) as the drop gets it: only where it is CHANGED.  ERROR: no memory. */
enum filter_result filter_list_apply(const struct filter_list *list, struct span header, struct span drop, const struct plan_query *query, struct str *out);
/* Whether the message is discarded instead of going to the drop. */
bool filter_list_discards(const struct filter_list *list, const struct plan_query *query, struct span drop);

#endif
