/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "damage.h"
#include "record.h"
#include "window.h"

#define CANDIDATES 64

struct sound {			/* what stands at a place */
	bool is_end;
	uint64_t mark, committed, len;
	uint32_t index;
};

static bool
body_is_right(struct damage *d, struct window *w, uint64_t at, const struct record *record)
{
	uint64_t left = record->body_len;
	uint32_t crc = record_body_crc(record->mark), wanted = record->body_crc;
	struct span view;

	while (left > 0) {
		if (window_at(w, d, d->fd, at, 1, d->size, &view) < 0 || view.len == 0)
			return false;
		if (view.len > left)
			view.len = (size_t)left;
		crc = crc32c(crc, view.data, view.len);
		at += view.len;
		left -= view.len;
	}
	return crc == wanted;
}

/* Whether a sound record of this file, or an end mark, stands at a place. */
static bool
look(struct damage *d, struct window *w, uint64_t at, struct sound *sound)
{
	struct record record;
	size_t need = RECORD_LINE;
	struct span view;
	enum record_kind kind;

	if (window_at(w, d, d->fd, at, need, d->size, &view) < 0)
		return false;
	while ((kind = record_read(view.data, view.len, &record, &need)) == RECORD_MORE && need > view.len)
		if (window_at(w, d, d->fd, at, need, d->size, &view) < 0 || view.len < need)
			return false;
	if ((kind != RECORD_WHOLE && kind != RECORD_END) || (d->marked && record.mark != d->mark))
		return false;
	*sound = (struct sound){ .is_end = kind == RECORD_END, .mark = record.mark, .committed = record.committed };
	if (kind == RECORD_END) {
		sound->len = RECORD_END_LINE;
		return record.committed == at;
	}
	if (id_compare_names(record.id.name, d->name) != 0 || record.committed > at
	    || record.body_len > d->size - at || record.header_len > d->size - at - record.body_len)
		return false;
	sound->index = record.id.index;
	sound->len = record.header_len + record.body_len;
	return body_is_right(d, w, at + record.header_len, &record);
}

/* The next place from at on where the first bytes of a record stand: with the file's mark, or with any while that is not known. */
static uint64_t
find(struct damage *d, struct window *w, uint64_t at)
{
	static const char head[] = "%deaddrop";
	struct span view;

	while (at < d->size) {
		size_t place;

		if (window_at(w, d, d->fd, at, RECORD_LINE, d->size, &view) < 0 || view.len == 0)
			break;
		if (d->marked) {
			place = record_find(view.data, view.len, 0, d->mark);
		} else {
			const char *found = memmem(view.data, view.len, head, strlen(head));

			place = found != NULL ? (size_t)(found - view.data) : view.len;
		}
		if (place < view.len)
			return at + place;
		if (at + view.len >= d->size)
			break;
		/* What is sought may lie across the window's end. */
		at += view.len > RECORD_LINE ? view.len - RECORD_LINE : 1;
	}
	return d->size;
}

bool
damage_find_mark(struct damage *d)
{
	struct { uint64_t mark; unsigned votes; } all[CANDIDATES];
	size_t count = 0, best = 0, i;
	struct window w;
	struct sound sound;

	window_init(&w);
	/* A sound record is stepped over, so what its message holds has no vote. */
	for (uint64_t at = 0; (at = find(d, &w, at)) < d->size;) {
		if (!look(d, &w, at, &sound) || sound.is_end) {
			at++;
			continue;
		}
		for (i = 0; i < count && all[i].mark != sound.mark; i++)
			;
		if (i < count) {
			all[i].votes++;
		} else if (count < CANDIDATES) {
			all[count].mark = sound.mark;
			all[count++].votes = 1;
		}
		at += sound.len;
	}
	window_free(&w);
	for (i = 1; i < count; i++)
		if (all[i].votes > all[best].votes)
			best = i;
	d->marked = count > 0;
	if (d->marked)
		d->mark = all[best].mark;
	return d->marked;
}

uint64_t
damage_next(struct damage *d, uint64_t from)
{
	struct window w;
	struct sound sound;

	if (!d->marked)
		return d->size;
	window_init(&w);
	while ((from = find(d, &w, from)) < d->size && !look(d, &w, from, &sound))
		from++;
	window_free(&w);
	return from;
}

uint64_t
damage_committed(struct damage *d, uint64_t from)
{
	uint64_t committed = 0;
	struct window w;
	struct sound sound;

	if (!d->marked)
		return 0;
	window_init(&w);
	while ((from = find(d, &w, from)) < d->size) {
		if (!look(d, &w, from, &sound)) {
			from++;
			continue;
		}
		if (sound.committed > committed)
			committed = sound.committed;
		from += sound.len;
	}
	window_free(&w);
	return committed;
}
