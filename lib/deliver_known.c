/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "deliver_internal.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384			/* a power of two, over DELIVER_KEPT */
#define RUNNING_BUCKETS 1024

struct fate {				/* what one recipient got */
	uint64_t who;			/* a hash of the address */
	size_t text;			/* where its outcome stands in texts: verdict, status, NUL, text, NUL */
};

struct kept {				/* what one job got */
	struct id_key key;
	uint32_t next;			/* in its bucket: a place + 1, 0 at the end */
	uint32_t count;
	uint32_t bytes;
	struct fate *fates;		/* count of them, then the texts in the same allocation */
};

struct deliver_known {
	uint32_t buckets[BUCKETS];
	struct deliver_job *running[RUNNING_BUCKETS];
	struct kept kept[DELIVER_KEPT];	/* a ring; memory that is not used yet is not touched */
	uint32_t first, count;		/* the oldest, how many */
	size_t bytes;
};

struct deliver_known *deliver_known_new(void)
{
	return calloc(1, sizeof(struct deliver_known));
}

static void free_joined(struct deliver_job *job)
{
	for (struct deliver_job *next; job; job = next) {
		next = job->next;
		deliver_job_free(job);
	}
}

void deliver_known_free(struct deliver_known *known)
{
	if (!known)
		return;
	for (uint32_t i = 0; i < known->count; i++)
		free(known->kept[(known->first + i) % DELIVER_KEPT].fates);
	for (size_t i = 0; i < RUNNING_BUCKETS; i++)
		for (struct deliver_job *next, *job = known->running[i]; job; job = next) {
			next = job->same;
			free_joined(job->joined);
			deliver_job_free(job);
		}
	free(known);
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

struct deliver_job *deliver_known_running(const struct deliver_known *known, struct id_key key)
{
	struct deliver_job *job = known->running[hash_key(key) % RUNNING_BUCKETS];

	while (job && !same_key(job->key, key))
		job = job->same;
	return job;
}

void deliver_known_start(struct deliver_known *known, struct deliver_job *job)
{
	struct deliver_job **bucket = &known->running[hash_key(job->key) % RUNNING_BUCKETS];

	job->same = *bucket;
	*bucket = job;
}

static void stop_running(struct deliver_known *known, const struct deliver_job *job)
{
	struct deliver_job **at = &known->running[hash_key(job->key) % RUNNING_BUCKETS];

	while (*at && *at != job)
		at = &(*at)->same;
	if (*at)
		*at = job->same;
}

int deliver_known_share(const struct deliver_job *from, struct deliver_job *to)
{
	const char *mine = NULL, *theirs;
	size_t n, m;

	for (n = 0; (mine = deliver_job_next_recipient(to, mine)); n++) {
		theirs = NULL;
		for (m = 0; (theirs = deliver_job_next_recipient(from, theirs)); m++)
			if (!deliver_job_is_settled(to, n) && !strcmp(mine, theirs) && deliver_job_settle(to, n, deliver_job_outcome(from, m)) < 0)
				return -1;
	}
	return 0;
}

/* ---- outcomes that are kept ---- */

static const struct kept *find(const struct deliver_known *known, struct id_key key)
{
	uint32_t at = known->buckets[hash_key(key) % BUCKETS];

	while (at && !same_key(known->kept[at - 1].key, key))
		at = known->kept[at - 1].next;
	return at ? &known->kept[at - 1] : NULL;
}

static void read_outcome(const struct kept *kept, const struct fate *fate, struct outcome *outcome)
{
	const char *text = (const char *)(kept->fates + kept->count) + fate->text;

	outcome_set(outcome, (enum outcome_verdict)*text, text + 1, "%s", text + strlen(text) + 1);
}

int deliver_known_recall(const struct deliver_known *known, struct deliver_job *job)
{
	const struct kept *kept = find(known, job->key);
	struct outcome outcome;
	const char *rcpt = NULL;

	for (size_t n = 0; kept && (rcpt = deliver_job_next_recipient(job, rcpt)); n++) {
		uint64_t who = hash_address(rcpt);
		uint32_t i = 0;

		while (i < kept->count && kept->fates[i].who != who)
			i++;
		if (i == kept->count)
			continue;
		read_outcome(kept, &kept->fates[i], &outcome);
		if (deliver_job_settle(job, n, &outcome) < 0)
			return -1;
	}
	return 0;
}

static void drop_oldest(struct deliver_known *known)
{
	struct kept *oldest = &known->kept[known->first];
	uint32_t place = known->first + 1;
	uint32_t *at = &known->buckets[hash_key(oldest->key) % BUCKETS];

	while (*at && *at != place)
		at = &known->kept[*at - 1].next;
	if (*at)
		*at = oldest->next;
	known->bytes -= oldest->bytes;
	free(oldest->fates);
	oldest->fates = NULL;
	known->first = (known->first + 1) % DELIVER_KEPT;
	known->count--;
}

static int put_text(struct str *texts, const struct outcome *outcome)
{
	if (str_add_char(texts, (char)outcome->verdict) < 0 || str_add(texts, outcome->status) < 0 || str_add_char(texts, '\0') < 0 ||
	    str_add(texts, outcome->text) < 0)
		return -1;
	return str_add_char(texts, '\0');
}

/* Neighbours mostly got the same outcome: it is kept once. */
static int gather(const struct deliver_job *job, struct fate *fates, uint32_t *count, struct str *texts)
{
	const struct outcome *last = NULL;
	const char *rcpt = NULL;
	size_t text = 0;

	for (size_t n = 0; (rcpt = deliver_job_next_recipient(job, rcpt)); n++) {
		const struct outcome *outcome = deliver_job_outcome(job, n);

		if (outcome->verdict == OUTCOME_LATER)
			continue;
		if (outcome != last) {
			text = texts->len;
			if (put_text(texts, outcome) < 0)
				return -1;
		}
		last = outcome;
		fates[(*count)++] = (struct fate){ hash_address(rcpt), text };
	}
	return 0;
}

static void keep(struct deliver_known *known, const struct deliver_job *job)
{
	struct fate fates[DELIVER_RECIPIENTS_MAX];
	struct str texts = STR_INIT((OUTCOME_REASON_MAX + OUTCOME_STATUS_MAX + 4) * DELIVER_RECIPIENTS_MAX);
	uint32_t count = 0;
	char *memory = NULL;
	size_t size;

	if (gather(job, fates, &count, &texts) < 0 || !count)
		goto out;
	size = count * sizeof *fates + texts.len;
	memory = malloc(size);
	if (!memory)
		goto out;
	memcpy(memory, fates, count * sizeof *fates);
	memcpy(memory + count * sizeof *fates, texts.data, texts.len);
	while (known->count && (known->count == DELIVER_KEPT || known->bytes + size > DELIVER_KEPT_BYTES_MAX))
		drop_oldest(known);

	uint32_t place = (known->first + known->count++) % DELIVER_KEPT;
	uint32_t *bucket = &known->buckets[hash_key(job->key) % BUCKETS];

	known->kept[place] = (struct kept){ job->key, *bucket, count, (uint32_t)size, (struct fate *)(void *)memory };
	known->bytes += size;
	*bucket = place + 1;
out:
	str_free(&texts);
}

void deliver_known_finish(struct deliver_known *known, struct deliver_job *job)
{
	stop_running(known, job);
	keep(known, job);
}

static void forget_in(struct deliver_job *job, const struct deliver_peer *peer)
{
	if (job->peer == peer)
		job->peer = NULL;
	for (struct deliver_job *joined = job->joined; joined; joined = joined->next)
		if (joined->peer == peer)
			joined->peer = NULL;
}

void deliver_known_forget_peer(struct deliver_known *known, const struct deliver_peer *peer)
{
	for (size_t i = 0; i < RUNNING_BUCKETS; i++)
		for (struct deliver_job *job = known->running[i]; job; job = job->same)
			forget_in(job, peer);
}
