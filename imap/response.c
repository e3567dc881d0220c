/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "response.h"

#include <string.h>

static const struct { const char *name; enum response_status status; } statuses[] = {
	{ "OK", RESPONSE_OK }, { "NO", RESPONSE_NO }, { "BAD", RESPONSE_BAD }, { "BYE", RESPONSE_BYE }, { "PREAUTH", RESPONSE_PREAUTH },
};

void response_init(struct response_parser *parser)
{
	*parser = (struct response_parser){ .bytes = STR_SECRET(RESPONSE_MAX) };
}

void response_free(struct response_parser *parser)
{
	str_wipe(&parser->bytes);
}

static enum response_status status_of(struct span word)
{
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (span_is_nocase(word, statuses[i].name))
			return statuses[i].status;
	return RESPONSE_NONE;
}

/* "[CODE argument] text"; a bracket that is not closed belongs to the text. */
static void read_text(struct response *response, struct span rest)
{
	const char *close = rest.len && *rest.data == '[' ? memchr(rest.data, ']', rest.len) : NULL;

	if (close) {
		struct span code = { rest.data + 1, (size_t)(close - rest.data) - 1 };

		span_word(&code, ' ', &response->code);
		response->argument = code;
		rest = span_skip(rest, (size_t)(close - rest.data) + 1);
	}
	response->text = span_trim(rest);
}

static bool read_tagged(struct response *response, struct span rest)
{
	struct span word;

	if (!response->tag.len || !span_word(&rest, ' ', &word))
		return false;
	response->kind = RESPONSE_TAGGED;
	response->status = status_of(word);
	read_text(response, rest);
	return response->status == RESPONSE_OK || response->status == RESPONSE_NO || response->status == RESPONSE_BAD;
}

static bool read_untagged(struct response *response, struct span rest)
{
	struct span word;

	if (!span_word(&rest, ' ', &word))
		return false;
	response->status = status_of(word);
	if (response->status != RESPONSE_NONE) {
		response->kind = RESPONSE_STATUS;
		read_text(response, rest);
		return true;
	}
	response->kind = RESPONSE_DATA;
	response->numbered = span_decimal(word, UINT32_MAX, &response->number) == 0;
	if (response->numbered && !span_word(&rest, ' ', &word))
		return false;
	response->word = word;
	response->data = rest;
	return word.len > 0;
}

/* The line end is off; what is before it may hold literals. */
static bool read_response(struct response *response, struct span bytes)
{
	struct span rest = bytes;

	*response = (struct response){ .kind = RESPONSE_CONTINUE };
	if (bytes.len && *bytes.data == '+' && (bytes.len == 1 || bytes.data[1] == ' ')) {
		response->text = span_skip(bytes, 2);
		return true;
	}
	if (!span_word(&rest, ' ', &response->tag))
		return false;
	return span_is(response->tag, "*") ? read_untagged(response, rest) : read_tagged(response, rest);
}

/* "{123}" or "~{123}" at the end of data announces a literal; in texts for people it means nothing. */
static bool announces_literal(struct span bytes, struct span line, uint64_t *length)
{
	struct response probe;
	const char *open = NULL;

	if (line.len < 3 || line.data[line.len - 1] != '}')
		return false;
	for (const char *at = line.data + line.len - 2; at >= line.data && !open; at--) {
		if (*at == '{')
			open = at;
		else if ((*at < '0' || *at > '9') && *at != '+')
			return false;
	}
	if (!open)
		return false;

	struct span digits = { open + 1, (size_t)(line.data + line.len - 1 - open) - 1 };

	if (digits.len && digits.data[digits.len - 1] == '+')
		digits.len--;
	return span_decimal(digits, UINT32_MAX, length) == 0 && read_response(&probe, bytes) && probe.kind == RESPONSE_DATA;
}

static struct span without_end(struct span line)
{
	if (line.len && line.data[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* A line of the response is whole.  True: so is the response. */
static enum response_result end_line(struct response_parser *parser, struct response *response)
{
	struct span bytes = without_end(str_span(&parser->bytes));
	struct span line = parser->line < bytes.len ? span_skip(bytes, parser->line) : (struct span){ "", 0 };
	uint64_t length;

	if (announces_literal(bytes, line, &length)) {
		if (length > RESPONSE_MAX)
			return RESPONSE_BROKEN;
		parser->literal = length;
		parser->line = parser->bytes.len + (size_t)length;
		return RESPONSE_MORE;
	}
	parser->whole = true;
	return read_response(response, bytes) ? RESPONSE_WHOLE : RESPONSE_BROKEN;
}

static enum response_result take_line(struct response_parser *parser, struct span *rest, struct response *response)
{
	const char *newline = memchr(rest->data, '\n', rest->len);
	size_t len = newline ? (size_t)(newline - rest->data) + 1 : rest->len;

	if (str_append(&parser->bytes, rest->data, len) < 0 || parser->bytes.len - parser->line > RESPONSE_LINE_MAX)
		return RESPONSE_BROKEN;
	*rest = span_skip(*rest, len);
	return newline ? end_line(parser, response) : RESPONSE_MORE;
}

enum response_result response_feed(struct response_parser *parser, struct span bytes, size_t *used, struct response *response)
{
	enum response_result result = RESPONSE_MORE;
	struct span rest = bytes;

	if (parser->whole) {
		str_cut(&parser->bytes, 0);
		parser->line = 0;
		parser->whole = false;
	}
	while (rest.len && result == RESPONSE_MORE) {
		if (parser->literal) {
			size_t len = rest.len < parser->literal ? rest.len : (size_t)parser->literal;

			if (str_append(&parser->bytes, rest.data, len) < 0)
				return RESPONSE_BROKEN;
			parser->literal -= len;
			rest = span_skip(rest, len);
			continue;
		}
		result = take_line(parser, &rest, response);
	}
	*used = bytes.len - rest.len;
	return result;
}

/* ---- tokens ---- */

static bool read_quoted(struct span *data, struct str *value)
{
	for (size_t i = 1; i < data->len; i++) {
		char c = data->data[i];

		if (c == '"') {
			*data = span_skip(*data, i + 1);
			return true;
		}
		if (c == '\\' && ++i < data->len)
			c = data->data[i];
		if (str_add_char(value, c) < 0)
			return false;
	}
	return false;
}

static bool read_literal(struct span *data, struct str *value)
{
	const char *close = memchr(data->data, '}', data->len);
	struct span digits, rest;
	uint64_t length;

	if (!close)
		return false;
	digits = (struct span){ data->data + 1, (size_t)(close - data->data) - 1 };
	if (digits.len && digits.data[digits.len - 1] == '+')
		digits.len--;
	rest = span_skip(*data, (size_t)(close - data->data) + 1);
	if (rest.len && *rest.data == '\r')
		rest = span_skip(rest, 1);
	if (!rest.len || *rest.data != '\n' || span_decimal(digits, UINT32_MAX, &length) < 0 || length > rest.len - 1)
		return false;
	if (str_append(value, rest.data + 1, (size_t)length) < 0)
		return false;
	*data = span_skip(rest, 1 + (size_t)length);
	return true;
}

/* Brackets belong to an atom with all that is in them: BODY[HEADER.FIELDS (Received)]. */
static bool read_atom(struct span *data, struct str *value)
{
	size_t i = 0, depth = 0;

	for (; i < data->len; i++) {
		char c = data->data[i];

		if (!depth && (c == ' ' || c == '(' || c == ')' || c == '\r' || c == '\n'))
			break;
		if (c == '[')
			depth++;
		else if (c == ']' && depth)
			depth--;
	}
	if (!i || str_append(value, data->data, i) < 0)
		return false;
	*data = span_skip(*data, i);
	return true;
}

enum response_token response_next(struct span *data, struct str *value)
{
	str_cut(value, 0);
	while (data->len && *data->data == ' ')
		*data = span_skip(*data, 1);
	if (!data->len)
		return RESPONSE_END;
	switch (*data->data) {
	case '(':
		*data = span_skip(*data, 1);
		return RESPONSE_OPEN;
	case ')':
		*data = span_skip(*data, 1);
		return RESPONSE_CLOSE;
	case '"':
		return read_quoted(data, value) ? RESPONSE_STRING : RESPONSE_END;
	case '~':
		*data = span_skip(*data, 1);
		return data->len && *data->data == '{' && read_literal(data, value) ? RESPONSE_STRING : RESPONSE_END;
	case '{':
		return read_literal(data, value) ? RESPONSE_STRING : RESPONSE_END;
	default:
		return read_atom(data, value) ? RESPONSE_ATOM : RESPONSE_END;
	}
}
