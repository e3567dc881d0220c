/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "message.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of the line at text, its newline included. */
static size_t line_length(struct span text)
{
	const char *end = text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;

	return end != NULL ? (size_t)(end - text.data) + 1 : text.len;
}

bool message_next(struct span *rest, struct message_field *field)
{
	size_t name = 0, colon, end;

	while (name < rest->len && rest->data[name] > ' ' && rest->data[name] < 0x7f && rest->data[name] != ':')
		name++;
	for (colon = name; colon < rest->len && is_blank(rest->data[colon]); colon++)
		;
	if (name == 0 || colon == rest->len || rest->data[colon] != ':')
		return false;
	end = line_length(*rest);
	while (end < rest->len && is_blank(rest->data[end]))
		end += line_length(span_skip(*rest, end));
	field->whole = (struct span){ rest->data, end };
	field->name = (struct span){ rest->data, name };
	field->value = (struct span){ rest->data + colon + 1, end - colon - 1 };
	*rest = span_skip(*rest, end);
	return true;
}

size_t message_header_length(struct span message)
{
	struct span rest = message;
	struct message_field field;

	while (message_next(&rest, &field))
		;
	if (span_starts(rest, "\n"))
		rest = span_skip(rest, 1);
	else if (span_starts(rest, "\r\n"))
		rest = span_skip(rest, 2);
	return message.len - rest.len;
}

bool message_find(struct span message, const char *name, struct message_field *field)
{
	while (message_next(&message, field))
		if (span_is_nocase(field->name, name))
			return true;
	return false;
}

/* Takes what stands before the next newline (LF or CRLF) of a trimmed value; the newline goes. */
static bool next_part(struct span *rest, struct span *part)
{
	if (!span_word(rest, '\n', part))
		return false;
	if (rest->len > 0 && part->len > 0 && part->data[part->len - 1] == '\r')
		part->len--;
	return true;
}

int message_unfold(struct str *out, struct span value)
{
	struct span rest = span_trim(value), part;
	size_t before = out->len;

	while (next_part(&rest, &part))
		if (str_add_span(out, part) < 0) {
			str_cut(out, before);
			return -1;
		}
	return 0;
}

unsigned message_hops(struct span message)
{
	struct message_field field;
	unsigned hops = 0;

	while (message_next(&message, &field))
		hops += span_is_nocase(field.name, "Received");
	return hops;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether value, unfolded, is text: compared part by part, so that nothing is allocated. */
static bool has_text(struct span value, struct span text)
{
	struct span rest = span_trim(value), part;

	while (next_part(&rest, &part)) {
		if (part.len > text.len)
			return false;
		for (size_t i = 0; i < part.len; i++)
			if (lower(part.data[i]) != lower(text.data[i]))
				return false;
		text = span_skip(text, part.len);
	}
	return text.len == 0;
}

bool message_has_value(struct span message, const char *name, struct span value)
{
	struct message_field field;

	while (message_next(&message, &field))
		if (span_is_nocase(field.name, name) && has_text(field.value, value))
			return true;
	return false;
}
