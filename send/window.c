/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <unistd.h>

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
	if (str_reserve(&w->bytes, size) < 0)
		return -1;
	while (w->bytes.len < size) {
		ssize_t n = pread(fd, w->bytes.data + w->bytes.len, size - w->bytes.len, (off_t)(offset + w->bytes.len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		w->bytes.len += (size_t)n;
	}
	w->bytes.data[w->bytes.len] = '\0';
	return 0;
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
