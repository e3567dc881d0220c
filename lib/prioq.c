/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "prioq.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAP 16

static int resize(struct prioq *q, size_t cap)
{
	struct prioq_entry *entries;

	if (cap > SIZE_MAX / sizeof(*entries)) {
		errno = ENOMEM;
		return -1;
	}
	entries = realloc(q->entries, cap * sizeof(*entries));
	if (entries == NULL) {
		errno = ENOMEM;
		return -1;
	}
	q->entries = entries;
	q->cap = cap;
	return 0;
}

int prioq_put(struct prioq *q, uint64_t due, void *item)
{
	size_t hole;

	if (q->len == q->cap && resize(q, q->cap > 0 ? q->cap * 2 : FIRST_CAP) < 0)
		return -1;
	for (hole = q->len++; hole > 0; hole = (hole - 1) / 2) {
		if (q->entries[(hole - 1) / 2].due <= due)
			break;
		q->entries[hole] = q->entries[(hole - 1) / 2];
	}
	q->entries[hole] = (struct prioq_entry){ due, item };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct prioq_entry *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->item, q = (uintptr_t)y->item;

	if (x->due != y->due)
		return x->due < y->due ? -1 : 1;
	return p < q ? -1 : p > q;
}

/* What is sorted is a heap. */
void prioq_unique(struct prioq *q)
{
	size_t kept = 0;

	if (q->len > 1)
		qsort(q->entries, q->len, sizeof(*q->entries), compare);
	for (size_t i = 0; i < q->len; i++)
		if (kept == 0 || compare(&q->entries[i], &q->entries[kept - 1]) != 0)
			q->entries[kept++] = q->entries[i];
	q->len = kept;
}

bool prioq_peek(const struct prioq *q, struct prioq_entry *least)
{
	if (q->len == 0)
		return false;
	*least = q->entries[0];
	return true;
}

/* Sinks entry from the root, where there is a hole */
static void sink(struct prioq *q, struct prioq_entry entry)
{
	size_t hole = 0, child;

	while ((child = 2 * hole + 1) < q->len) {
		if (child + 1 < q->len && q->entries[child + 1].due < q->entries[child].due)
			child++;
		if (entry.due <= q->entries[child].due)
			break;
		q->entries[hole] = q->entries[child];
		hole = child;
	}
	q->entries[hole] = entry;
}

bool prioq_take(struct prioq *q, struct prioq_entry *least)
{
	if (!prioq_peek(q, least))
		return false;
	if (--q->len > 0)
		sink(q, q->entries[q->len]);
	/* a queue that once held a million gives the memory back; a failure to shrink does no harm */
	if (q->cap > FIRST_CAP && q->len < q->cap / 4)
		(void)resize(q, q->cap / 2);
	return true;
}

void prioq_free(struct prioq *q)
{
	free(q->entries);
	*q = (struct prioq)PRIOQ_INIT;
}
