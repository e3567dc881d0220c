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

/* Bytes from the head of data that need no look, of those before the next CR: up to a line that begins with a dot which may mean something. */
static size_t plain(const struct repair *r, const char *data, size_t len)
{
	const char *at = data, *end = data + len;

	while (r->dots != REPAIR_DOTS_KEPT && (at = memchr(at, '\n', (size_t)(end - at))) != NULL && ++at < end)
		if (*at == '.')
			return (size_t)(at - data);
	return len;
}

/* A CR whose next byte is at hand. */
static void line_end(struct repair *r, bool lf, char *out)
{
	*out = lf ? '\n' : '\r';
	r->in_line = !lf;
}

size_t repair_feed(struct repair *r, const char *data, size_t len, char *out)
{
	const char *cr = NULL;		/* the first at or behind i; each is looked for once, so that many of them cost no more than few */
	size_t i = 0, used = 0, n;

	while (i < len && !r->ended) {
		if (r->count > 0) {
			i += decide(r, data[i], out, &used);
			continue;
		}
		if (data[i] == '\r' && i + 1 < len) {
			line_end(r, data[i + 1] == '\n', out + used++);
			i += data[i + 1] == '\n' ? 2 : 1;
			continue;
		}
		if (data[i] == '\r' || (data[i] == '.' && !r->in_line && r->dots != REPAIR_DOTS_KEPT)) {
			hold(r, data[i++]);
			continue;
		}
		if ((!cr || cr < data + i) && !(cr = memchr(data + i, '\r', len - i)))
			cr = data + len;
		n = plain(r, data + i, (size_t)(cr - data) - i);
		r->in_line = data[i + n - 1] != '\n';
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
