/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repair.h"

#include <string.h>

/*
 * What may be held: "\r" within a line; at a line's start ".", ".\r", "\r" and, under REPAIR_DOTS_LAST, ".\n" (a dot line that is
 * dropped if the input ends here).
 */

void repair_init(struct repair *r, enum repair_dots dots)
{
	*r = (struct repair){ .dots = dots };
}

static size_t release(struct repair *r, char *out)
{
	size_t n = r->count;

	memcpy(out, r->held, n);
	r->count = 0;
	if (n > 0)
		r->in_line = r->held[n - 1] != '\n';
	return n;
}

static void hold(struct repair *r, char c)
{
	r->held[r->count++] = c;
}

/* A byte that what is held has been waiting for.  True: the byte is used up; false: it is to be seen again, with nothing held. */
static bool decide(struct repair *r, char c, char *out, size_t *used)
{
	bool dot = r->held[0] == '.';

	if (c == '\n' && r->held[r->count - 1] == '\r')
		r->count--;				/* CR LF is LF */
	else if (c == '\r' && dot && r->count == 1) {
		hold(r, c);
		return true;
	} else if (dot && c == '.' && r->count == 1 && r->dots == REPAIR_DOTS_SMTP) {
		r->count = 0;				/* the second dot is seen again, as text */
		r->in_line = true;
		return false;
	} else if (c != '\n' || r->count != 1 || !dot) {
		*used += release(r, out + *used);
		return false;
	}
	if (r->count == 1 && dot) {			/* a lone dot */
		if (r->dots == REPAIR_DOTS_LAST) {
			hold(r, '\n');
			return true;
		}
		r->count = 0;
		r->ended = true;
		return true;
	}
	out[(*used)++] = '\n';
	r->in_line = false;
	return true;
}

/* Bytes from the head of data that need no look: within a line up to its end. */
static size_t plain(struct repair *r, const char *data, size_t len)
{
	const char *lf = memchr(data, '\n', len);
	size_t n = lf ? (size_t)(lf - data) + 1 : len;
	const char *cr = memchr(data, '\r', n);

	if (cr)
		return (size_t)(cr - data);
	r->in_line = !lf;
	return n;
}

size_t repair_feed(struct repair *r, const char *data, size_t len, char *out)
{
	size_t i = 0, used = 0, n;

	while (i < len && !r->ended) {
		if (r->count > 0) {
			i += decide(r, data[i], out, &used);
			continue;
		}
		if (data[i] == '\r' || (data[i] == '.' && !r->in_line && r->dots != REPAIR_DOTS_KEPT)) {
			hold(r, data[i++]);
			continue;
		}
		n = plain(r, data + i, len - i);
		if (n > 0 && data[i + n - 1] != '\n')
			r->in_line = true;
		memcpy(out + used, data + i, n);
		used += n;
		i += n;
	}
	return used;
}

size_t repair_finish(struct repair *r, char out[static REPAIR_EXTRA])
{
	bool dot = r->count > 0 && r->held[0] == '.';

	if (r->ended || dot) {
		/* ".", ".\r" and ".\n" that nothing follows; a dot within a line is never held */
		r->count = 0;
		r->ended = true;
		return 0;
	}
	return release(r, out);
}
