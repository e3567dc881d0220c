/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pool_queue.h"

#include "pool_item.h"

static bool is_before(const struct item *a, const struct item *b)
{
	int order = id_compare_names(a->job->key.id.name, b->job->key.id.name);

	return order < 0 || (order == 0 && a->job->key.id.index < b->job->key.id.index);
}

/* Mostly at one of the ends. */
void pool_queue_insert(struct pool_queue *queue, struct item *item)
{
	struct item **at = item->unclear ? &queue->unclear : &queue->waiting;

	queue->count++;
	if (!item->unclear && queue->last && !is_before(item, queue->last))
		at = &queue->last->next;
	while (*at && !is_before(item, *at))
		at = &(*at)->next;
	item->next = *at;
	*at = item;
	if (!item->unclear && !item->next)
		queue->last = item;
}

void pool_queue_take(struct pool_queue *queue, struct item *item)
{
	struct item *before = NULL;

	for (struct item **at = item->unclear ? &queue->unclear : &queue->waiting; *at; before = *at, at = &(*at)->next) {
		if (*at != item)
			continue;
		*at = item->next;
		if (queue->last == item)
			queue->last = before;
		queue->count--;
		return;
	}
}

static void tell_alive(const struct item *items)
{
	for (; items; items = items->next)
		deliver_alive(items->job);
}

void pool_queue_alive(const struct pool_queue *queue)
{
	tell_alive(queue->unclear);
	tell_alive(queue->waiting);
}

static void free_items(struct item *item)
{
	for (struct item *next; item; item = next) {
		next = item->next;
		pool_item_free(item);
	}
}

void pool_queue_free(struct pool_queue *queue)
{
	free_items(queue->unclear);
	free_items(queue->waiting);
}
