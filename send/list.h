/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Doubly linked lists whose nodes are embedded in their owners.  A list is a ring through its head; a node that is in no list points to itself. */
#ifndef DEADDROP_LIST_H
#define DEADDROP_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *before, *after;
};

#define list_owner(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

static inline void
list_init(struct list *l)
{
	l->before = l->after = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->after == l;
}

static inline void
list_remove(struct list *node)
{
	node->before->after = node->after;
	node->after->before = node->before;
	list_init(node);
}

/* Puts node, which is in no list, in front of place; in front of a head is the list's end. */
static inline void
list_put(struct list *place, struct list *node)
{
	node->before = place->before;
	node->after = place;
	place->before->after = node;
	place->before = node;
}

/* Puts node at the end of head's list, unless it stands in a list already. */
static inline void
list_want(struct list *head, struct list *node)
{
	if (list_empty(node))
		list_put(head, node);
}

#endif
