/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "split.h"

#include <string.h>

enum line { LINE_UNKNOWN, LINE_EMPTY, LINE_FIELD, LINE_CONTINUED, LINE_FROM, LINE_TEXT };

/* Judges a line by its beginning.  The rule for fields is message_next's, so that all stages see the same header. */
static enum line judge(struct span line, bool first)
{
	size_t i = 0, limit = line.len < SPLIT_NAME_MAX ? line.len : SPLIT_NAME_MAX;
	bool from;

	if (line.len == 0)
		return LINE_UNKNOWN;
	if (line.data[0] == '\n')
		return LINE_EMPTY;
	if (line.data[0] == ' ' || line.data[0] == '\t')
		return first ? LINE_TEXT : LINE_CONTINUED;
	from = first && (span_starts(line, "From ") || span_starts(line, ">From "));
	if (from && line.data[0] == '>')
		return LINE_FROM;
	while (i < limit && line.data[i] > ' ' && line.data[i] < 0x7f && line.data[i] != ':')
		i++;
	if (i == 0)
		return LINE_TEXT;
	while (i < limit && (line.data[i] == ' ' || line.data[i] == '\t'))
		i++;
	if (i < limit)
		return line.data[i] == ':' ? LINE_FIELD : from ? LINE_FROM : LINE_TEXT;
	return limit < SPLIT_NAME_MAX ? LINE_UNKNOWN : LINE_TEXT;
}

void split_init(struct split *s)
{
	*s = (struct split){ .field = STR_INIT(SPLIT_FIELD_MAX + 2 * SPLIT_NAME_MAX) };
}

void split_free(struct split *s)
{
	str_free(&s->field);
}

/* What was shown can go now. */
static void forget(struct split *s)
{
	str_shift(&s->field, s->given);
	s->line -= s->given;
	s->given = 0;
}

/* Shows the head of field up to end. */
static struct span show(struct split *s, size_t end)
{
	s->given = end;
	return (struct span){ s->field.data, end };
}

static enum split_event end_header(struct split *s, size_t from, struct span *bytes)
{
	s->over = true;
	*bytes = span_skip(str_span(&s->field), from);
	return SPLIT_BODY;
}

/* The field before the current line is complete: its last piece. */
static enum split_event show_field(struct split *s, struct span *bytes)
{
	bool parts = s->parts;

	*bytes = show(s, s->line);
	s->parts = false;
	return parts ? SPLIT_REST : SPLIT_FIELD;
}

/* Decides about the current line, if its beginning tells.  SPLIT_MORE: nothing to show. */
static enum split_event decide(struct split *s, struct span *bytes)
{
	struct span line = span_skip(str_span(&s->field), s->line);
	enum line kind = judge(line, !s->seen);

	if (kind == LINE_UNKNOWN)
		return SPLIT_MORE;
	if (kind == LINE_CONTINUED) {
		s->known = true;
		return SPLIT_MORE;
	}
	if (kind == LINE_FROM) {
		s->known = s->skipping = true;
		return SPLIT_MORE;
	}
	if (s->line > 0)			/* the line is judged again when it stands alone */
		return show_field(s, bytes);
	if (kind == LINE_FIELD) {
		s->known = s->seen = true;
		s->parts = false;
		return SPLIT_MORE;
	}
	return end_header(s, kind == LINE_EMPTY ? 1 : 0, bytes);
}

/* How much of the input may be looked at: a line's end is a border, and so is the length that judges it. */
static size_t piece(const struct split *s, struct span in)
{
	size_t max = s->known ? SPLIT_NAME_MAX : SPLIT_NAME_MAX - (s->field.len - s->line);
	size_t n = in.len < max ? in.len : max;
	const char *lf = memchr(in.data, '\n', n);

	return lf ? (size_t)(lf - in.data) + 1 : n;
}

/* Goes on after bytes of a line that is known to belong to the field.  SPLIT_MORE: nothing to show. */
static enum split_event advance(struct split *s, struct span *bytes)
{
	bool ends = s->field.len > s->line && s->field.data[s->field.len - 1] == '\n';
	enum split_event event = s->parts ? SPLIT_REST : SPLIT_PART;

	if (s->skipping)
		str_cut(&s->field, s->line);
	if (ends) {
		s->known = s->skipping = false;
		s->line = s->field.len;
	}
	if (s->field.len <= SPLIT_FIELD_MAX)
		return SPLIT_MORE;
	s->parts = true;
	s->line = s->field.len;
	*bytes = show(s, s->field.len);
	return event;
}

enum split_event split_next(struct split *s, struct span *in, struct span *bytes)
{
	enum split_event event;
	size_t n;

	forget(s);
	for (;;) {
		event = SPLIT_MORE;
		if (!s->known && s->field.len > s->line)
			event = decide(s, bytes);
		if (event == SPLIT_MORE && s->known)
			event = advance(s, bytes);
		if (event != SPLIT_MORE || in->len == 0)
			return event;
		n = piece(s, *in);
		if (str_append(&s->field, in->data, n) < 0)
			return SPLIT_NO_MEMORY;
		*in = span_skip(*in, n);
	}
}

enum split_event split_end(struct split *s, struct span *bytes)
{
	struct span none = { "", 0 }, newline = { "\n", 1 };
	enum split_event event;

	if (s->over) {
		*bytes = none;
		return SPLIT_BODY;
	}
	event = split_next(s, &none, bytes);
	if (event != SPLIT_MORE)
		return event;
	if (s->known && !s->skipping) {			/* a field without its newline */
		event = split_next(s, &newline, bytes);
		if (event != SPLIT_MORE)
			return event;
	} else if (!s->known && s->field.len > s->line) {	/* a line too short to be anything but text */
		if (s->line > 0)
			return show_field(s, bytes);
		return end_header(s, 0, bytes);
	}
	if (s->line > 0 || s->parts)
		return show_field(s, bytes);
	return end_header(s, s->field.len, bytes);
}
