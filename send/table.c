/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "file.h"
#include "table.h"

/* Large, so that few of its pages are shared with what comes and goes; what was never used takes no memory. */
#define SLAB 4096

struct table_slab {
	struct table_slab *next;
	size_t used;
	struct entry entries[SLAB];
};

static int
grow(struct table *t)
{
	struct table_slab *slab = calloc(1, sizeof(*slab));

	if (slab == NULL)
		return -1;
	slab->next = t->slabs;
	t->slabs = slab;
	return 0;
}

struct entry *
table_new(struct table *t)
{
	struct entry *e;

	if (t->free != NULL) {
		e = t->free;
		t->free = e->link;
	} else if ((t->slabs != NULL && t->slabs->used < SLAB) || grow(t) == 0) {
		e = &t->slabs->entries[t->slabs->used++];
	} else {
		return NULL;
	}
	*e = (struct entry){ .flags = 0 };
	t->count++;
	return e;
}

void
table_drop(struct table *t, struct entry *e)
{
	e->flags |= ENTRY_GONE;
	if (e->queued != 0 || (e->flags & ENTRY_LISTED) != 0)
		return;
	*e = (struct entry){ .flags = ENTRY_GONE, .link = t->free };
	t->free = e;
	t->count--;
}

void
table_free(struct table *t)
{
	while (t->slabs != NULL) {
		struct table_slab *slab = t->slabs;

		t->slabs = slab->next;
		free(slab);
	}
	*t = (struct table){ NULL, NULL, 0, 0 };
}

struct id
table_id(const struct entry *e)
{
	return (struct id){ .name = e->place == ENTRY_JOURNAL ? e->at.journal.file->name : e->at.name, .index = e->index };
}

void
table_each(struct table *t, void (*visit)(void *arg, struct entry *e), void *arg)
{
	for (struct table_slab *slab = t->slabs; slab != NULL; slab = slab->next)
		for (size_t i = 0; i < slab->used; i++)
			if ((slab->entries[i].flags & ENTRY_GONE) == 0)
				visit(arg, &slab->entries[i]);
}

static int
queue_grow(struct queue *q)
{
	size_t cap = q->cap > 0 ? q->cap * 2 : 64;
	struct entry **entries;

	if (q->len < q->cap)
		return 0;
	entries = malloc(cap * sizeof(struct entry *));
	if (entries == NULL)
		return -1;
	for (size_t i = 0; i < q->len; i++)
		entries[i] = q->entries[(q->head + i) % q->cap];
	free(q->entries);
	q->entries = entries;
	q->head = 0;
	q->cap = cap;
	return 0;
}

int
queue_push(struct queue *q, struct entry *e)
{
	if (queue_grow(q) < 0)
		return -1;
	q->entries[(q->head + q->len++) % q->cap] = e;
	return 0;
}

int
queue_push_head(struct queue *q, struct entry *e)
{
	if (queue_grow(q) < 0)
		return -1;
	q->head = (q->head + q->cap - 1) % q->cap;
	q->entries[q->head] = e;
	q->len++;
	return 0;
}

struct entry *
queue_pop(struct queue *q)
{
	struct entry *e;

	if (q->len == 0)
		return NULL;
	e = q->entries[q->head];
	q->head = (q->head + 1) % q->cap;
	if (--q->len == 0)
		queue_free(q);
	return e;
}

bool
queue_has_any(const struct queue *q)
{
	for (size_t i = 0; i < q->len; i++)
		if ((q->entries[(q->head + i) % q->cap]->flags & ENTRY_GONE) == 0)
			return true;
	return false;
}

void
queue_free(struct queue *q)
{
	free(q->entries);
	*q = (struct queue){ NULL, 0, 0, 0 };
}
