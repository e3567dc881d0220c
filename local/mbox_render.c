/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mbox_render.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "trace.h"

static const char from[] = "From ";

void mbox_render_begin(struct mbox_render *render, const struct deliver_job *job, enum mbox_style style)
{
	*render = (struct mbox_render){ .job = job, .style = style, .line_begins = true, .last = '\n' };
}

/* A blank in the address would end it for a reader. */
int mbox_render_from(struct str *out, const struct deliver_job *job)
{
	time_t seconds = (time_t)(job->arrival / CLOCK_SECOND);
	struct tm when;
	char date[64];

	if (!localtime_r(&seconds, &when) || !strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &when)) {
		errno = EOVERFLOW;
		return -1;
	}
	if (str_add(out, from) < 0)
		return -1;
	for (const char *at = job->sender.len ? job->sender.data : "MAILER-DAEMON"; *at; at++)
		if (str_add_char(out, *at == ' ' ? '-' : *at) < 0)
			return -1;
	if (str_add_char(out, ' ') < 0)
		return -1;
	return str_add(out, date);
}

static int put_byte(struct mbox_render *render, struct str *out, char c)
{
	if (render->line_begins) {
		if (c == from[render->held]) {
			render->held++;
			if (from[render->held])
				return 0;
			render->held = 0;
			render->line_begins = false;
			render->last = ' ';
			/* One more ">" among those of a line's begin: before or behind them is the same. */
			if ((!render->quoted || render->style == MBOX_RD) && str_add_char(out, '>') < 0)
				return -1;
			return str_add(out, from);
		}
		if (str_append(out, from, render->held) < 0)
			return -1;
		render->line_begins = c == '>' && !render->held;
		render->quoted = render->line_begins;
		render->held = 0;
	}
	if (c == '\n') {
		render->line_begins = true;
		render->quoted = false;
	}
	render->last = c;
	return str_add_char(out, c);
}

/* In most pieces nothing is to be quoted: lines that cannot begin so are taken whole. */
static int put_bytes(struct mbox_render *render, struct str *out, const char *bytes, size_t count)
{
	const char *end = bytes + count;

	while (bytes < end) {
		const char *newline;

		if (!render->line_begins) {
			newline = memchr(bytes, '\n', (size_t)(end - bytes));
			if (str_append(out, bytes, (size_t)((newline ? newline : end) - bytes)) < 0)
				return -1;
			if (newline != bytes)
				render->last = (newline ? newline : end)[-1];
			bytes = newline ? newline : end;
			if (!newline)
				break;
		}
		if (put_byte(render, out, *bytes++) < 0)
			return -1;
	}
	return 0;
}

static int put_begin(struct mbox_render *render, struct str *out)
{
	render->begun = true;
	if (render->style == MBOX_BARE)
		return 0;
	if (mbox_render_from(out, render->job) < 0 || str_add_char(out, '\n') < 0)
		return -1;
	return trace_put(out, render->job);
}

static int put_end(struct mbox_render *render, struct str *out)
{
	render->ended = true;
	if (render->style == MBOX_BARE)
		return 0;
	if (render->held) {
		if (str_append(out, from, render->held) < 0)
			return -1;
		render->last = from[render->held - 1];
	}
	if (render->last != '\n' && str_add_char(out, '\n') < 0)
		return -1;
	return str_add_char(out, '\n');
}

int mbox_render_more(struct mbox_render *render, struct str *out)
{
	char piece[MBOX_PIECE];
	ssize_t got;

	if (render->ended)
		return 0;
	if (!render->begun && put_begin(render, out) < 0)
		return -1;
	got = deliver_job_read(render->job, render->at, piece, sizeof piece);
	if (got < 0)
		return -1;
	render->at += (uint64_t)got;
	if (!got)
		return put_end(render, out) < 0 ? -1 : 0;
	return (render->style == MBOX_BARE ? str_append(out, piece, (size_t)got) : put_bytes(render, out, piece, (size_t)got)) < 0 ? -1 : 1;
}
