/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "import_match.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define THERE_MAX (8U * 1000 * 1000)

enum pass { BY_BOTH, BY_SIZE, BY_DATE };

struct key {				/* what is compared, of either side */
	const unsigned char *digest;
	uint64_t size, date;
};

struct import_there *import_match_add(struct import_match *match)
{
	if (match->count == match->room) {
		size_t room = match->room ? match->room * 2 : 256;
		struct import_there *more = match->count < THERE_MAX ? reallocarray(match->there, room, sizeof *more) : NULL;

		if (!more)
			return NULL;
		match->there = more;
		match->room = room;
	}
	match->there[match->count] = (struct import_there){ .uid = 0 };
	return &match->there[match->count++];
}

void import_match_clear(struct import_match *match)
{
	for (size_t i = 0; i < match->doubt_count; i++) {
		free(match->doubts[i].ours);
		free(match->doubts[i].uids);
	}
	free(match->doubts);
	free(match->there);
	*match = (struct import_match){ .there = NULL };
}

static struct key key_of(const struct import_message *message)
{
	return (struct key){ message->digest, message->size, message->date / CLOCK_SECOND };
}

static struct key key_there(const struct import_there *there)
{
	return (struct key){ there->digest, there->size, there->date / CLOCK_SECOND };
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_keys(struct key a, struct key b, enum pass pass)
{
	int order = memcmp(a.digest, b.digest, IMPORT_DIGEST);

	if (!order && pass != BY_DATE)
		order = compare_numbers(a.size, b.size);
	if (!order && pass != BY_SIZE)
		order = compare_numbers(a.date, b.date);
	return order;
}

static bool is_stored(const struct import_message *message)
{
	return message->state == IMPORT_STORED || message->state == IMPORT_THERE;
}

/* Among equal ones those that are known to be there come first, then in the order of the folder. */
static int compare_ours(const void *a, const void *b, void *arg)
{
	const struct import_message *x = *(struct import_message *const *)a, *y = *(struct import_message *const *)b;
	int order = compare_keys(key_of(x), key_of(y), *(enum pass *)arg);

	if (!order)
		order = (int)is_stored(y) - (int)is_stored(x);
	return order ? order : x < y ? -1 : x > y;
}

static int compare_there(const void *a, const void *b, void *arg)
{
	const struct import_there *x = a, *y = b;
	int order = compare_keys(key_there(x), key_there(y), *(enum pass *)arg);

	return order ? order : compare_numbers(x->uid, y->uid);
}

static int add_doubt(struct import_match *match, struct import_message **ours, size_t our_count, struct import_there *there, size_t there_count)
{
	struct import_doubt *more = reallocarray(match->doubts, match->doubt_count + 1, sizeof *more), *doubt;

	if (!more)
		return -1;
	match->doubts = more;
	doubt = &more[match->doubt_count++];
	*doubt = (struct import_doubt){ .ours = calloc(our_count, sizeof(struct import_message *)), .our_count = our_count, .uids = calloc(there_count, sizeof(uint32_t)), .uid_count = there_count };
	if (!doubt->ours || !doubt->uids)
		return -1;
	for (size_t i = 0; i < our_count; i++) {
		doubt->ours[i] = ours[i];
		ours[i]->matched = true;
	}
	for (size_t i = 0; i < there_count; i++) {
		doubt->uids[i] = there[i].uid;
		there[i].taken = true;
	}
	return 0;
}

/* A run of ours and one of theirs that agree. */
static int pair(struct import_match *match, struct import_message **ours, size_t our_count, struct import_there *there, size_t there_count, enum pass pass)
{
	size_t stored = 0, both = our_count < there_count ? our_count : there_count;

	while (stored < our_count && is_stored(ours[stored]))
		stored++;
	if (pass == BY_BOTH && there_count < our_count && there_count > stored)
		return add_doubt(match, ours, our_count, there, there_count);
	for (size_t i = 0; i < both && (pass == BY_BOTH || ours[i]->has_id); i++) {
		there[i].taken = ours[i]->matched = true;
		if (ours[i]->state == IMPORT_WAITS)
			ours[i]->state = IMPORT_THERE;
	}
	return 0;
}

static int merge(struct import_match *match, struct import_message **ours, size_t our_count, size_t there_count, enum pass pass)
{
	struct import_there *there = match->there;

	for (size_t i = 0, k = 0; i < our_count && k < there_count;) {
		int order = compare_keys(key_of(ours[i]), key_there(&there[k]), pass);
		size_t i_end = i, k_end = k;

		while (order <= 0 && i_end < our_count && !compare_keys(key_of(ours[i]), key_of(ours[i_end]), pass))
			i_end++;
		while (order >= 0 && k_end < there_count && !compare_keys(key_there(&there[k]), key_there(&there[k_end]), pass))
			k_end++;
		if (!order && pair(match, ours + i, i_end - i, there + k, k_end - k, pass) < 0)
			return -1;
		i = i_end;
		k = k_end;
	}
	return 0;
}

/* Those of theirs that are left, to the front. */
static size_t gather_there(struct import_match *match)
{
	size_t left = 0;

	for (size_t i = 0; i < match->count; i++)
		if (!match->there[i].taken)
			match->there[left++] = match->there[i];
	match->count = left;
	return left;
}

/* All that are or may be there, and have not been found yet. */
static size_t gather_ours(struct import_folder *folder, struct import_message **ours)
{
	size_t count = 0;

	for (size_t i = 0; i < folder->count; i++) {
		struct import_message *message = &folder->messages[i];

		if (message->examined && !message->matched && (message->state == IMPORT_WAITS || is_stored(message)))
			ours[count++] = message;
	}
	return count;
}

int import_match_run(struct import_match *match, struct import_folder *folder)
{
	static const enum pass passes[] = { BY_BOTH, BY_SIZE, BY_DATE };
	struct import_message **ours = calloc(folder->count ? folder->count : 1, sizeof(struct import_message *));
	int result = ours ? 0 : -1;

	for (size_t i = 0; i < folder->count; i++)
		folder->messages[i].matched = false;
	for (size_t i = 0; i < sizeof passes / sizeof passes[0] && !result; i++) {
		enum pass pass = passes[i];
		size_t our_count = gather_ours(folder, ours), there_count = gather_there(match);

		if (!our_count || !there_count)
			break;
		qsort_r(ours, our_count, sizeof(struct import_message *), compare_ours, &pass);
		qsort_r(match->there, there_count, sizeof *match->there, compare_there, &pass);
		result = merge(match, ours, our_count, there_count, pass);
	}
	free(ours);
	return result;
}
