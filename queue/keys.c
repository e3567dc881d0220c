/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BUCKETS_LEAST 64U

struct line {				/* settled entries in the order of their settling */
	struct keys_entry *oldest, *newest;
	size_t count, most;
};

struct keys {
	struct keys_entry **buckets;
	size_t bucket_count;		/* a power of two */
	size_t count;
	uint64_t hold;
	uint64_t seed[5];		/* clients choose keys: they must not be able to choose buckets */
	/* two lines, so that a client that asks for random keys drives out no stored ones */
	struct line stored, refused;
};

static size_t bucket(const struct keys *keys, struct keys_key key)
{
	/* A sum of 32-bit words, each times a secret of its own: for any two keys the upper half is the same for one choice of secrets in 2^32. */
	uint64_t hash = keys->seed[4];

	hash += keys->seed[0] * (key.high >> 32) + keys->seed[1] * (key.high & UINT32_MAX);
	hash += keys->seed[2] * (key.low >> 32) + keys->seed[3] * (key.low & UINT32_MAX);
	return (size_t)(hash >> 32) & (keys->bucket_count - 1);
}

static int resize(struct keys *keys, size_t bucket_count)
{
	struct keys_entry **old = keys->buckets, **fresh = calloc(bucket_count, sizeof(struct keys_entry *));
	size_t old_count = keys->bucket_count;

	if (!fresh)
		return -1;
	keys->buckets = fresh;
	keys->bucket_count = bucket_count;
	for (size_t i = 0; i < old_count; i++)
		while (old[i]) {
			struct keys_entry *entry = old[i];
			size_t place = bucket(keys, entry->key);

			old[i] = entry->same_bucket;
			entry->same_bucket = fresh[place];
			fresh[place] = entry;
		}
	free(old);
	return 0;
}

struct keys *keys_new(size_t most, uint64_t hold)
{
	struct keys *keys = calloc(1, sizeof *keys);

	if (!keys)
		return NULL;
	keys->hold = hold;
	keys->stored.most = most - most / 4;
	keys->refused.most = most / 4 + 1;
	if (id_random(keys->seed, sizeof keys->seed) || resize(keys, BUCKETS_LEAST)) {
		free(keys);
		return NULL;
	}
	return keys;
}

void keys_free(struct keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->bucket_count; i++)
		while (keys->buckets[i]) {
			struct keys_entry *entry = keys->buckets[i];

			keys->buckets[i] = entry->same_bucket;
			free(entry);
		}
	free(keys->buckets);
	free(keys);
}

int keys_parse(struct span text, struct keys_key *key)
{
	if (text.len != KEYS_TEXT || span_hex((struct span){ text.data, 16 }, UINT64_MAX, &key->high)
	    || span_hex((struct span){ text.data + 16, 16 }, UINT64_MAX, &key->low)) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

void keys_text(struct keys_key key, char text[static KEYS_TEXT + 1])
{
	snprintf(text, KEYS_TEXT + 1, "%016" PRIx64 "%016" PRIx64, key.high, key.low);
}

struct keys_entry *keys_find(const struct keys *keys, struct keys_key key)
{
	struct keys_entry *entry = keys->buckets[bucket(keys, key)];

	while (entry && (entry->key.high != key.high || entry->key.low != key.low))
		entry = entry->same_bucket;
	return entry;
}

static struct line *line_of(struct keys *keys, const struct keys_entry *entry)
{
	switch (entry->state) {
	case KEYS_STORED:
		return &keys->stored;
	case KEYS_REFUSED:
		return &keys->refused;
	default:
		return NULL;
	}
}

static void leave_line(struct keys *keys, struct keys_entry *entry)
{
	struct line *line = line_of(keys, entry);

	if (!line)
		return;
	*(entry->older ? &entry->older->newer : &line->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &line->newest) = entry->older;
	entry->older = entry->newer = NULL;
	line->count--;
}

static void settle(struct keys *keys, struct keys_entry *entry, enum keys_state state, uint64_t now)
{
	struct line *line;

	leave_line(keys, entry);
	entry->state = state;
	entry->waiters = NULL;
	entry->until = now + keys->hold;
	line = line_of(keys, entry);
	entry->older = line->newest;
	*(line->newest ? &line->newest->newer : &line->oldest) = entry;
	line->newest = entry;
	if (++line->count > line->most)
		keys_forget(keys, line->oldest);
}

static struct keys_entry *add(struct keys *keys, struct keys_key key)
{
	struct keys_entry *entry = calloc(1, sizeof *entry);
	size_t place;

	if (!entry)
		return NULL;
	/* a table that cannot grow is only slower */
	if (keys->count >= keys->bucket_count)
		(void)resize(keys, keys->bucket_count * 2);
	place = bucket(keys, key);
	entry->key = key;
	entry->state = KEYS_PENDING;
	entry->same_bucket = keys->buckets[place];
	keys->buckets[place] = entry;
	keys->count++;
	return entry;
}

struct keys_entry *keys_begin(struct keys *keys, struct keys_key key)
{
	struct keys_entry *entry = keys_find(keys, key);

	if (!entry)
		return add(keys, key);
	leave_line(keys, entry);
	entry->state = KEYS_PENDING;
	return entry;
}

void keys_store(struct keys *keys, struct keys_entry *pending, struct id id, uint64_t now)
{
	pending->id = id;
	settle(keys, pending, KEYS_STORED, now);
}

int keys_refuse(struct keys *keys, struct keys_key key, uint64_t owner, uint64_t now)
{
	struct keys_entry *entry = keys_find(keys, key);

	if (!entry)
		entry = add(keys, key);
	if (!entry)
		return -1;
	entry->owner = owner;
	settle(keys, entry, KEYS_REFUSED, now);
	return 0;
}

void keys_forget(struct keys *keys, struct keys_entry *entry)
{
	struct keys_entry **link = &keys->buckets[bucket(keys, entry->key)];

	while (*link != entry)
		link = &(*link)->same_bucket;
	*link = entry->same_bucket;
	leave_line(keys, entry);
	free(entry);
	keys->count--;
}

void keys_expire(struct keys *keys, uint64_t now)
{
	while (keys->stored.oldest && keys->stored.oldest->until <= now)
		keys_forget(keys, keys->stored.oldest);
	while (keys->refused.oldest && keys->refused.oldest->until <= now)
		keys_forget(keys, keys->refused.oldest);
	if (keys->bucket_count > BUCKETS_LEAST && keys->count < keys->bucket_count / 8)
		(void)resize(keys, keys->bucket_count / 2);
}

size_t keys_count(const struct keys *keys)
{
	return keys->count;
}
