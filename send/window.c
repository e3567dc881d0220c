/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "read_at.h"
#include "record.h"
#include "window.h"

void
window_init(struct window *w)
{
	*w = (struct window){ .bytes = STR_INIT(RECORD_HEADER_MAX + 2 * WINDOW_BYTES) };
}

void
window_free(struct window *w)
{
	str_free(&w->bytes);
	w->owner = NULL;
}

void
window_forget(struct window *w, const void *owner)
{
	if (w->owner == owner)
		w->owner = NULL;
}

static int
fill(struct window *w, int fd, uint64_t offset, size_t size)
{
	str_cut(&w->bytes, 0);
	if (w->bytes.cap > 2 * WINDOW_BYTES && size <= WINDOW_BYTES)
		str_free(&w->bytes);
	return read_at(&w->bytes, fd, offset, size);
}

int
window_at(struct window *w, const void *owner, int fd, uint64_t offset, size_t want, uint64_t limit, struct span *view)
{
	uint64_t left = offset < limit ? limit - offset : 0;
	size_t size = want > WINDOW_BYTES ? want : WINDOW_BYTES;

	if (want > left)
		want = (size_t)left;
	if (w->owner != owner || offset < w->start || offset - w->start > w->bytes.len || w->bytes.len - (offset - w->start) < want) {
		w->owner = NULL;
		if (fill(w, fd, offset, size < left ? size : (size_t)left) < 0)
			return -1;
		w->owner = owner;
		w->start = offset;
	}
	*view = span_skip(str_span(&w->bytes), (size_t)(offset - w->start));
	return 0;
}
