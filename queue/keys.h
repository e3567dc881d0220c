/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Submission keys (deaddrop-control(7), queue.ctrl): what became of a message, for as long as its submitter may ask.  Pure: the time is passed in.
 * Bounded: of the stored and of the refused ones the oldest go first; a pending one stays until it is settled.
 */
#ifndef DEADDROP_KEYS_H
#define DEADDROP_KEYS_H

#include "id.h"

#define KEYS_TEXT 32			/* hexadecimal digits */

struct keys_key {
	uint64_t high, low;
};

enum keys_state {
	KEYS_PENDING,			/* complete, not on stable storage yet */
	KEYS_STORED,			/* id is valid */
	KEYS_REFUSED			/* N was answered: only its asker, the connection owner, may still hand it in */
};

struct keys_entry {
	struct keys_key key;
	enum keys_state state;
	struct id id;
	uint64_t owner;
	void *waiters;			/* the caller's, of a pending one: who waits for what becomes of it */
	uint64_t until;			/* the rest is the table's own */
	struct keys_entry *same_bucket, *older, *newer;
};

struct keys;

struct keys *keys_new(size_t most, uint64_t hold);	/* entries; microseconds.  NULL with errno */
void keys_free(struct keys *keys);

int keys_parse(struct span text, struct keys_key *key);	/* 0, or -1 EINVAL */
void keys_text(struct keys_key key, char text[static KEYS_TEXT + 1]);

/* The entry lives until the next call of any function but this one, a pending one until it is settled. */
struct keys_entry *keys_find(const struct keys *keys, struct keys_key key);

/* Makes the key pending, whatever it was; it may not be pending or stored.  NULL: no memory. */
struct keys_entry *keys_begin(struct keys *keys, struct keys_key key);
void keys_store(struct keys *keys, struct keys_entry *pending, struct id id, uint64_t now);
void keys_forget(struct keys *keys, struct keys_entry *entry);

/* N is about to be answered to owner: the key is unknown, refused or pending (and now given up).  -1: no memory, then N must not be said. */
int keys_refuse(struct keys *keys, struct keys_key key, uint64_t owner, uint64_t now);

void keys_expire(struct keys *keys, uint64_t now);	/* drops what is older than hold, and gives memory back */
size_t keys_count(const struct keys *keys);

#endif
