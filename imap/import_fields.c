/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "import_fields.h"

#include <string.h>

#include "sasl_hash.h"
#include "str.h"

#define VALUE_MAX 500			/* bytes of a field that count */
#define NAMES 4

static const char *const names[NAMES] = { "Message-ID", "Date", "From", "Subject" };

static struct span take_line(struct span *rest)
{
	const char *end = memchr(rest->data, '\n', rest->len);
	struct span line = { rest->data, end ? (size_t)(end - rest->data) + 1 : rest->len };

	*rest = span_skip(*rest, line.len);
	return line;
}

static void add_value(struct str *value, struct span text)
{
	for (size_t i = 0; i < text.len && value->len < VALUE_MAX; i++)
		if ((unsigned char)text.data[i] > ' ')
			str_add_char(value, (unsigned char)text.data[i] < 0x80 ? text.data[i] : 'X');	/* as Cyrus IMAP does */
}

/* Which of the fields a line begins, or NAMES. */
static size_t find_name(struct span line, size_t *skip)
{
	const char *colon = memchr(line.data, ':', line.len);

	if (colon) {
		*skip = (size_t)(colon - line.data) + 1;
		for (size_t i = 0; i < NAMES; i++)
			if (span_is_nocase(span_trim((struct span){ line.data, *skip - 1 }), names[i]))
				return i;
	}
	return NAMES;
}

static void collect(struct span header, struct str values[NAMES], bool seen[NAMES])
{
	size_t field = NAMES, skip;

	while (header.len) {
		struct span line = take_line(&header);

		if (!span_trim(line).len && *line.data != ' ' && *line.data != '\t')
			return;
		if (*line.data == ' ' || *line.data == '\t') {
			if (field < NAMES)
				add_value(&values[field], line);
			continue;
		}
		field = find_name(line, &skip);
		if (field < NAMES && seen[field])
			field = NAMES;
		if (field == NAMES)
			continue;
		seen[field] = true;
		add_value(&values[field], span_skip(line, skip));
	}
}

static int digest_of(struct span text, unsigned char digest[IMPORT_DIGEST])
{
	unsigned char full[SASL_HASH_MAX];

	if (sasl_hash_digest(SASL_HASH_SHA256, text, full) < 0)
		return -1;
	memcpy(digest, full, IMPORT_DIGEST);
	return 0;
}

int import_fields_digest(struct span header, unsigned char digest[IMPORT_DIGEST], bool *has_id)
{
	struct str values[NAMES] = { STR_INIT(VALUE_MAX), STR_INIT(VALUE_MAX), STR_INIT(VALUE_MAX), STR_INIT(VALUE_MAX) }, all = STR_INIT((VALUE_MAX + 1) * NAMES);
	bool seen[NAMES] = { false };
	int result;

	collect(header, values, seen);
	for (size_t i = 0; i < NAMES; i++) {
		str_add_span(&all, str_span(&values[i]));
		str_add_char(&all, '\n');
	}
	*has_id = values[0].len > 0;
	result = digest_of(str_span(&all), digest);
	for (size_t i = 0; i < NAMES; i++)
		str_free(&values[i]);
	str_free(&all);
	return result;
}

int import_fields_chain(unsigned char digest[IMPORT_DIGEST], struct span bytes)
{
	struct str all = STR_INIT(IMPORT_DIGEST + bytes.len);
	int result = -1;

	if (!str_append(&all, digest, IMPORT_DIGEST) && !str_add_span(&all, bytes))
		result = digest_of(str_span(&all), digest);
	str_free(&all);
	return result;
}
