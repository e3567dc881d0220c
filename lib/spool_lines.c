/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read_at.h"
#include "text.h"

#define KEEP (1024U * 1024)		/* memory that is kept from file to file */

struct spool_lines_noted {
	struct outcome_line line;
	uint32_t order;			/* the later line has the larger one */
};

void spool_lines_init(struct spool_lines *lines)
{
	*lines = (struct spool_lines){ .text = STR_INIT(SPOOL_LINES_MAX), .words = STR_INIT(SPOOL_LINES_MAX) };
}

void spool_lines_free(struct spool_lines *lines)
{
	str_free(&lines->text);
	str_free(&lines->words);
	free(lines->places);
	free(lines->noted);
	free(lines->recipients);
	spool_lines_init(lines);
}

void spool_lines_clear(struct spool_lines *lines)
{
	if (lines->text.cap > KEEP)
		spool_lines_free(lines);
	str_cut(&lines->text, 0);
	lines->count = 0;
}

/* Room for one more in an array. */
static void *grown(void *array, size_t count, size_t *room, size_t size)
{
	size_t more = *room > 0 ? *room * 2 : 16;

	if (count < *room)
		return array;
	array = reallocarray(array, more, size);
	if (array != NULL)
		*room = more;
	return array;
}

static int compare_places(const void *a, const void *b)
{
	const struct spool_lines_place *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int spool_lines_load(struct spool_lines *lines, int fd, off_t offset, struct span file, bool one_message)
{
	struct span rest;
	int result;

	spool_lines_clear(lines);
	if (read_rest(&lines->text, fd, (uint64_t)offset) < 0) {
		errno = errno == EMSGSIZE ? EFBIG : errno;
		return -1;
	}
	rest = str_span(&lines->text);
	for (;;) {
		struct outcome_line line;
		const char *at = rest.data;
		struct spool_lines_place *places;

		result = outcome_line_read(&rest, file, &line);
		if (result == 0)
			break;
		if (result < 0)
			continue;
		places = grown(lines->places, lines->count, &lines->room, sizeof *places);
		if (places == NULL)
			return -1;
		lines->places = places;
		places[lines->count++] = (struct spool_lines_place){ one_message ? 0 : line.index, (uint32_t)(at - lines->text.data) };
	}
	if (lines->count > 1)
		qsort(lines->places, lines->count, sizeof *lines->places, compare_places);
	return 0;
}

static bool is_final(enum outcome_state state)
{
	/* A failed recipient is not: its sender has yet to be told. */
	return state == OUTCOME_STATE_DONE || state == OUTCOME_STATE_MOVED || state == OUTCOME_STATE_BOUNCED || state == OUTCOME_STATE_REMOVED;
}

/* The first of the places of index. */
static size_t first_place(const struct spool_lines *lines, uint32_t index)
{
	size_t low = 0, high = lines->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lines->places[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* words has room for all that is decoded, so that the spans stay. */
static int decode(struct str *words, struct span *word)
{
	size_t before = words->len;

	if (text_decode(words, *word) < 0)
		return -1;
	*word = (struct span){ words->data + before, words->len - before };
	return 0;
}

/* Reads the lines of a message, decoded, as they stand in the file. */
static int note_all(struct spool_lines *lines, uint32_t index, size_t *count)
{
	size_t from = first_place(lines, index), to = from, bytes = 0;

	for (; to < lines->count && lines->places[to].index == index; to++) {
		const char *line = lines->text.data + lines->places[to].offset;
		const char *end = memchr(line, '\n', lines->text.len - lines->places[to].offset);

		bytes += end != NULL ? (size_t)(end - line) + 1 : 0;
	}
	str_cut(&lines->words, 0);
	if (str_reserve(&lines->words, bytes) < 0)
		return -1;
	*count = 0;
	for (size_t i = from; i < to; i++) {
		struct spool_lines_noted *noted = grown(lines->noted, *count, &lines->noted_room, sizeof *noted);
		struct span rest = span_skip(str_span(&lines->text), lines->places[i].offset);

		if (noted == NULL)
			return -1;
		lines->noted = noted;
		noted += *count;
		noted->order = lines->places[i].offset;
		/* The checksum was looked at when it was loaded. */
		if (outcome_line_scan(&rest, &noted->line) == 1 && decode(&lines->words, &noted->line.status) == 0 &&
		    decode(&lines->words, &noted->line.drop) == 0 && decode(&lines->words, &noted->line.address) == 0 &&
		    decode(&lines->words, &noted->line.reason) == 0)
			++*count;
	}
	return 0;
}

static int compare_spans(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int compare_keys(const struct outcome_line *a, const struct outcome_line *b)
{
	int order;

	if (a->recipient != b->recipient)
		return a->recipient < b->recipient ? -1 : 1;
	order = compare_spans(a->drop, b->drop);
	return order != 0 ? order : compare_spans(a->address, b->address);
}

static int compare_noted(const void *a, const void *b)
{
	const struct spool_lines_noted *x = a, *y = b;
	int order = compare_keys(&x->line, &y->line);

	return order != 0 ? order : x->order < y->order ? -1 : x->order > y->order;
}

/* Sorts them and keeps the last of each recipient, drop and address. */
static size_t keep_last(struct spool_lines_noted *noted, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(noted, count, sizeof *noted, compare_noted);
	for (size_t i = 0; i < count; i++)
		if (i + 1 == count || compare_keys(&noted[i].line, &noted[i + 1].line) != 0)
			noted[kept++] = noted[i];
	return kept;
}

/* A later line about all of the recipient, or of the message, says what becomes of its drops that were open then. */
static void overrule(struct spool_lines_noted *noted, const struct spool_lines_noted *by)
{
	struct span drop = noted->line.drop, address = noted->line.address;
	uint32_t recipient = noted->line.recipient;

	if (by == NULL || by->order < noted->order || is_final(noted->line.state) ||
	    (by->line.state == OUTCOME_STATE_BOUNCED && noted->line.state != OUTCOME_STATE_FAILED))
		return;
	*noted = *by;
	noted->line.drop = drop;
	noted->line.address = address;
	noted->line.recipient = recipient;
}

static int put(struct spool_lines *lines, uint32_t number, struct span address, const struct spool_lines_noted *noted, bool *open)
{
	struct spool_recipient *r = grown(lines->recipients, lines->recipient_count, &lines->recipient_room, sizeof *r);

	if (r == NULL)
		return -1;
	lines->recipients = r;
	r += lines->recipient_count++;
	*r = (struct spool_recipient){ .number = number, .address = address, .has_line = noted != NULL };
	if (noted != NULL)
		r->line = noted->line;
	*open = *open || noted == NULL || !is_final(noted->line.state);
	return 0;
}

/* of: the recipient's lines, sorted; all: the last one about the message, or NULL. */
static int put_recipient(struct spool_lines *lines, uint32_t number, struct span address, const struct spool_lines_noted *of, size_t count,
    const struct spool_lines_noted *all, bool *open)
{
	/* The one without drop and address sorts first. */
	const struct spool_lines_noted *own = count > 0 && of->line.drop.len + of->line.address.len == 0 ? of : NULL;
	struct spool_lines_noted noted;

	for (size_t i = own != NULL; i < count; i++) {
		noted = of[i];
		overrule(&noted, own);
		overrule(&noted, all);
		if (put(lines, number, address, &noted, open) < 0)
			return -1;
	}
	if (count > (own != NULL))
		return 0;
	if (own != NULL) {
		noted = *own;
		overrule(&noted, all);
		return put(lines, number, address, &noted, open);
	}
	if (all != NULL && all->line.state == OUTCOME_STATE_BOUNCED)
		all = NULL;		/* that was about recipients that had failed */
	return put(lines, number, address, all, open);
}

/* The lines about the message are sorted last.  The latest of them, or NULL. */
static const struct spool_lines_noted *latest_about_all(const struct spool_lines_noted *noted, size_t count, bool *moved)
{
	const struct spool_lines_noted *latest = NULL;

	for (; count > 0 && noted[count - 1].line.recipient == OUTCOME_ALL; count--) {
		if (latest == NULL || noted[count - 1].order > latest->order)
			latest = &noted[count - 1];
		*moved = *moved || noted[count - 1].line.state == OUTCOME_STATE_MOVED;
	}
	return latest;
}

int spool_lines_resolve(struct spool_lines *lines, const struct record *record, uint32_t index)
{
	struct span rest = record->recipients, address, attributes;
	const struct spool_lines_noted *all;
	bool moved = false, open = false;
	size_t count, at = 0;

	lines->recipient_count = 0;
	if (note_all(lines, index, &count) < 0)
		return -1;
	count = keep_last(lines->noted, count);
	all = latest_about_all(lines->noted, count, &moved);
	if (moved)
		return 0;
	for (uint32_t n = 0; record_next_recipient(&rest, &address, &attributes); n++) {
		size_t from = at;

		while (at < count && lines->noted[at].line.recipient == n)
			at++;
		if (put_recipient(lines, n, address, at > from ? lines->noted + from : NULL, at - from, all, &open) < 0)
			return -1;
	}
	return open ? 1 : 0;
}
