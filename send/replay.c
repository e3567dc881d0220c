/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <unistd.h>

#include "outcome.h"
#include "read_at.h"
#include "replay.h"

#define TEXT_MAX (1024U * 1024 * 1024)

void
replay_init(struct replay *r)
{
	*r = (struct replay){ .text = STR_INIT(TEXT_MAX) };
}

void
replay_free(struct replay *r)
{
	str_free(&r->text);
	free(r->lines);
	replay_init(r);
}

static int
compare_lines(const void *a, const void *b)
{
	const struct replay_line *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int
keep_line(struct replay *r, uint32_t index, uint64_t at, size_t len)
{
	if (r->count == r->cap) {
		size_t cap = r->cap > 0 ? r->cap * 2 : 64;
		struct replay_line *lines = realloc(r->lines, cap * sizeof(*lines));

		if (lines == NULL)
			return -1;
		r->lines = lines;
		r->cap = cap;
	}
	r->lines[r->count++] = (struct replay_line){ .index = index, .len = (uint32_t)len, .at = at };
	return 0;
}

int
replay_index(struct replay *r, struct span file)
{
	struct span rest = str_span(&r->text);
	struct outcome_line line;

	for (;;) {
		const char *start = rest.data;
		int result = outcome_line_read(&rest, file, &line);

		if (result == 0)
			break;
		if (result > 0 && keep_line(r, line.index, (uint64_t)(start - r->text.data), (size_t)(rest.data - start)) < 0)
			return -1;
	}
	if (r->count > 1)
		qsort(r->lines, r->count, sizeof(*r->lines), compare_lines);
	return 0;
}

int
replay_load(struct replay *r, int fd, struct span file)
{
	if (read_rest(&r->text, fd, 0) < 0)
		return -1;
	return replay_index(r, file);
}

int
replay_lines(const struct replay *r, uint32_t index, struct str *out)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->lines[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->count && r->lines[low].index == index; low++)
		if (str_append(out, r->text.data + r->lines[low].at, r->lines[low].len) < 0)
			return -1;
	return 0;
}
