/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "replies.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384			/* a power of two, over REPLIES_KEPT */
#define RUNNING_BUCKETS 1024

struct known {				/* what one recipient got */
	uint64_t who;			/* a hash of the address */
	size_t text;			/* where its outcome stands in texts: verdict, status, NUL, text, NUL */
};

struct kept {				/* what one job got */
	struct id_key key;
	uint32_t next;			/* in its bucket: a place + 1, 0 at the end */
	uint32_t count;
	uint32_t bytes;
	struct known *known;		/* count of them, then the texts in the same allocation */
};

struct replies {
	uint32_t buckets[BUCKETS];
	struct job *running[RUNNING_BUCKETS];
	struct kept kept[REPLIES_KEPT];	/* a ring; memory that is not used yet is not touched */
	uint32_t first, count;		/* the oldest, how many */
	size_t bytes;
};

struct replies *replies_new(void)
{
	return calloc(1, sizeof(struct replies));
}

void replies_free(struct replies *replies)
{
	for (uint32_t i = 0; replies && i < replies->count; i++)
		free(replies->kept[(replies->first + i) % REPLIES_KEPT].known);
	free(replies);
}

/* Random bits of the journal file's name are in it, mixed so that messages of one file spread. */
static size_t hash_key(struct id_key key)
{
	uint64_t h = key.id.name.random ^ key.id.name.usec ^ key.hash ^ ((uint64_t)key.id.index << 32 | key.part);

	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(h >> 40);
}

static bool same_key(struct id_key a, struct id_key b)
{
	return id_equal(a.id, b.id) && a.part == b.part && a.hash == b.hash;
}

static uint64_t hash_address(const char *address)
{
	return id_hash(span_of(address));
}

/* ---- jobs that are being worked on ---- */

struct job *replies_running(const struct replies *replies, struct id_key key)
{
	struct job *job = replies->running[hash_key(key) % RUNNING_BUCKETS];

	while (job && !same_key(job->key, key))
		job = job->same;
	return job;
}

void replies_start(struct replies *replies, struct job *job)
{
	struct job **bucket = &replies->running[hash_key(job->key) % RUNNING_BUCKETS];

	job->same = *bucket;
	*bucket = job;
}

static void stop_running(struct replies *replies, const struct job *job)
{
	struct job **at = &replies->running[hash_key(job->key) % RUNNING_BUCKETS];

	while (*at && *at != job)
		at = &(*at)->same;
	if (*at)
		*at = job->same;
}

int replies_share(const struct job *from, struct job *to)
{
	const char *mine = NULL, *theirs;
	size_t n, m;

	for (n = 0; (mine = job_next_recipient(to, mine)); n++) {
		theirs = NULL;
		for (m = 0; (theirs = job_next_recipient(from, theirs)); m++)
			if (!job_is_settled(to, n) && !strcmp(mine, theirs) && job_settle(to, n, job_outcome(from, m)) < 0)
				return -1;
	}
	return 0;
}

/* ---- outcomes that are kept ---- */

static const struct kept *find(const struct replies *replies, struct id_key key)
{
	uint32_t at = replies->buckets[hash_key(key) % BUCKETS];

	while (at && !same_key(replies->kept[at - 1].key, key))
		at = replies->kept[at - 1].next;
	return at ? &replies->kept[at - 1] : NULL;
}

static void read_outcome(const struct kept *kept, const struct known *known, struct outcome *outcome)
{
	const char *text = (const char *)(kept->known + kept->count) + known->text;

	outcome_set(outcome, (enum outcome_verdict)*text, text + 1, "%s", text + strlen(text) + 1);
}

int replies_recall(const struct replies *replies, struct job *job)
{
	const struct kept *kept = find(replies, job->key);
	struct outcome outcome;
	const char *rcpt = NULL;

	for (size_t n = 0; kept && (rcpt = job_next_recipient(job, rcpt)); n++) {
		uint64_t who = hash_address(rcpt);
		uint32_t i = 0;

		while (i < kept->count && kept->known[i].who != who)
			i++;
		if (i == kept->count)
			continue;
		read_outcome(kept, &kept->known[i], &outcome);
		if (job_settle(job, n, &outcome) < 0)
			return -1;
	}
	return 0;
}

static void drop_oldest(struct replies *replies)
{
	struct kept *oldest = &replies->kept[replies->first];
	uint32_t place = replies->first + 1;
	uint32_t *at = &replies->buckets[hash_key(oldest->key) % BUCKETS];

	while (*at && *at != place)
		at = &replies->kept[*at - 1].next;
	if (*at)
		*at = oldest->next;
	replies->bytes -= oldest->bytes;
	free(oldest->known);
	oldest->known = NULL;
	replies->first = (replies->first + 1) % REPLIES_KEPT;
	replies->count--;
}

static int put_text(struct str *texts, const struct outcome *outcome)
{
	if (str_add_char(texts, (char)outcome->verdict) < 0 || str_add(texts, outcome->status) < 0 || str_add_char(texts, '\0') < 0 ||
	    str_add(texts, outcome->text) < 0)
		return -1;
	return str_add_char(texts, '\0');
}

/* Neighbours mostly got the same outcome: it is kept once. */
static int gather(const struct job *job, struct known *known, uint32_t *count, struct str *texts)
{
	const struct outcome *last = NULL;
	const char *rcpt = NULL;
	size_t text = 0;

	for (size_t n = 0; (rcpt = job_next_recipient(job, rcpt)); n++) {
		const struct outcome *outcome = job_outcome(job, n);

		if (outcome->verdict == OUTCOME_LATER)
			continue;
		if (outcome != last) {
			text = texts->len;
			if (put_text(texts, outcome) < 0)
				return -1;
		}
		last = outcome;
		known[(*count)++] = (struct known){ hash_address(rcpt), text };
	}
	return 0;
}

static void keep(struct replies *replies, const struct job *job)
{
	struct known known[JOB_RECIPIENTS_MAX];
	struct str texts = STR_INIT((OUTCOME_REASON_MAX + OUTCOME_STATUS_MAX + 4) * JOB_RECIPIENTS_MAX);
	uint32_t count = 0;
	char *memory = NULL;
	size_t size;

	if (gather(job, known, &count, &texts) < 0 || !count)
		goto out;
	size = count * sizeof *known + texts.len;
	memory = malloc(size);
	if (!memory)
		goto out;
	memcpy(memory, known, count * sizeof *known);
	memcpy(memory + count * sizeof *known, texts.data, texts.len);
	while (replies->count && (replies->count == REPLIES_KEPT || replies->bytes + size > REPLIES_BYTES_MAX))
		drop_oldest(replies);

	uint32_t place = (replies->first + replies->count++) % REPLIES_KEPT;
	uint32_t *bucket = &replies->buckets[hash_key(job->key) % BUCKETS];

	replies->kept[place] = (struct kept){ job->key, *bucket, count, (uint32_t)size, (struct known *)(void *)memory };
	replies->bytes += size;
	*bucket = place + 1;
out:
	str_free(&texts);
}

void replies_finish(struct replies *replies, struct job *job)
{
	stop_running(replies, job);
	keep(replies, job);
}
