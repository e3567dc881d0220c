/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record.h"

#include <string.h>

#include "crc32c.h"
#include "record_line.h"
#include "text.h"

#define VERSION_DIGITS 9

/* Compares as much of text as there is.  True: nothing speaks against it yet. */
static bool begins(struct span data, const char *text)
{
	size_t len = strlen(text);

	return memcmp(data.data, text, data.len < len ? data.len : len) == 0;
}

static bool hex_field(const char *line, size_t at, size_t len, uint64_t *value)
{
	return span_hex((struct span){ line + at, len }, UINT64_MAX, value) == 0;
}

static bool decimal_field(const char *line, size_t at, size_t len, uint64_t *value)
{
	return span_decimal((struct span){ line + at, len }, UINT64_MAX, value) == 0;
}

/* The version behind "%deaddrop " or "%deaddrop-end ": RECORD_WHOLE stands for ours. */
static enum record_kind read_version(struct span at)
{
	size_t n = 0;

	while (n < at.len && n < VERSION_DIGITS && at.data[n] >= '0' && at.data[n] <= '9')
		n++;
	if (n > 0 && at.data[0] == '0')
		return RECORD_BAD;
	if (n == at.len)
		return RECORD_MORE;
	if (n == 0 || at.data[n] != ' ')
		return RECORD_BAD;
	return n == 1 && at.data[0] == '1' ? RECORD_WHOLE : RECORD_VERSION;
}

static enum record_kind read_end(const char *line, struct record *record)
{
	uint64_t mark, length, crc;

	if (!hex_field(line, RECORD_END_AT_MARK, RECORD_MARK_LEN, &mark) || line[RECORD_END_AT_LENGTH - 1] != ' ' ||
	    !decimal_field(line, RECORD_END_AT_LENGTH, RECORD_LENGTH_LEN, &length) || line[RECORD_END_AT_CRC - 1] != ' ' ||
	    !hex_field(line, RECORD_END_AT_CRC, RECORD_CRC_LEN, &crc) || line[RECORD_END_LINE - 1] != '\n')
		return RECORD_BAD;
	if (crc != record_line_crc(line, RECORD_END_LINE, RECORD_END_AT_CRC))
		return RECORD_BAD;
	*record = (struct record){ .mark = mark, .committed = length };
	return RECORD_END;
}

/* Takes "name VALUE\n" from the head of *rest. */
static bool take_line(struct span *rest, const char *name, size_t max, struct span *value)
{
	size_t len = strlen(name);
	const char *end;

	if (rest->len <= len || memcmp(rest->data, name, len) != 0 || rest->data[len] != ' ')
		return false;
	end = memchr(rest->data + len, '\n', rest->len - len);
	if (end == NULL)
		return false;
	*value = (struct span){ rest->data + len + 1, (size_t)(end - rest->data) - len - 1 };
	if (!text_is_clean(*value, max))
		return false;
	*rest = span_skip(*rest, (size_t)(end - rest->data) + 1);
	return true;
}

static bool is_key(struct span key)
{
	if (span_is(key, "-"))
		return true;
	if (key.len != RECORD_KEY_LEN)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (!((key.data[i] >= '0' && key.data[i] <= '9') || (key.data[i] >= 'a' && key.data[i] <= 'f')))
			return false;
	return true;
}

/* "NAME=NUMBER", as the last word of *text, which is cut off. */
static bool cut_number(struct span *text, const char *name, uint64_t max, uint64_t *value)
{
	size_t at = text->len, len = strlen(name);
	struct span word;

	while (at > 0 && text->data[at - 1] != ' ')
		at--;
	word = span_skip(*text, at);
	if (at == 0 || !span_starts(word, name) || span_decimal(span_skip(word, len), max, value) < 0)
		return false;
	text->len = at - 1;
	return true;
}

static bool read_origin(struct span value, struct record *record)
{
	uint64_t uid, pid;

	if (!cut_number(&value, "pid=", INT32_MAX, &pid) || !cut_number(&value, "uid=", UINT32_MAX, &uid))
		return false;
	if (value.len == 0 || memchr(value.data, ' ', value.len) != NULL)
		return false;
	record->origin = value;
	record->uid = (uid_t)uid;
	record->pid = (pid_t)pid;
	return true;
}

/* Takes the "word NAME VALUE" lines that stand at the head of *rest. */
static bool take_attributes(struct span *rest, const char *word, struct span *lines)
{
	const char *begin = rest->data;

	while (span_starts(*rest, word)) {
		struct span line, name;

		if (!take_line(rest, word, ENVELOPE_NAME_MAX + 1 + ENVELOPE_VALUE_MAX, &line))
			return false;
		/* The blank must be there even before an empty value. */
		if (memchr(line.data, ' ', line.len) == NULL || !span_word(&line, ' ', &name) || !envelope_is_name(name) ||
		    line.len > ENVELOPE_VALUE_MAX)
			return false;
	}
	*lines = (struct span){ begin, (size_t)(rest->data - begin) };
	return true;
}

static bool take_recipients(struct span *rest, struct record *record)
{
	const char *begin = rest->data;
	struct span address, attributes;

	while (span_starts(*rest, "rcpt ")) {
		if (!take_line(rest, "rcpt", ENVELOPE_ADDRESS_MAX, &address) || address.len == 0 ||
		    !take_attributes(rest, "rattr", &attributes))
			return false;
		record->recipient_count++;
	}
	record->recipients = (struct span){ begin, (size_t)(rest->data - begin) };
	return record->recipient_count > 0;
}

/* The lines below the first one. */
static bool read_lines(struct span rest, struct record *record)
{
	struct span id, arrival, committed, origin;

	return take_line(&rest, "id", ID_TEXT_MAX, &id) && id_parse(id, &record->id) == 0 &&
	    take_line(&rest, "arrival", 20, &arrival) && span_decimal(arrival, UINT64_MAX, &record->arrival) == 0 &&
	    take_line(&rest, "committed", 20, &committed) && span_decimal(committed, INT64_MAX, &record->committed) == 0 &&
	    take_line(&rest, "key", RECORD_KEY_LEN, &record->key) && is_key(record->key) &&
	    take_line(&rest, "origin", ENVELOPE_VALUE_MAX, &origin) && read_origin(origin, record) &&
	    take_attributes(&rest, "attr", &record->attributes) &&
	    take_line(&rest, "sender", ENVELOPE_ADDRESS_MAX, &record->sender) && take_recipients(&rest, record) &&
	    rest.len == 1 && rest.data[0] == '\n';
}

/* The whole first line is there. */
static enum record_kind read_header(const char *data, size_t len, struct record *record, size_t *need)
{
	uint64_t mark, header_len, body_len, header_crc, body_crc;
	struct record read = { 0 };

	if (!hex_field(data, RECORD_AT_MARK, RECORD_MARK_LEN, &mark) || data[RECORD_AT_HLEN - 1] != ' ' ||
	    !decimal_field(data, RECORD_AT_HLEN, RECORD_HLEN_LEN, &header_len) || data[RECORD_AT_BLEN - 1] != ' ' ||
	    !decimal_field(data, RECORD_AT_BLEN, RECORD_LENGTH_LEN, &body_len) || data[RECORD_AT_HCRC - 1] != ' ' ||
	    !hex_field(data, RECORD_AT_HCRC, RECORD_CRC_LEN, &header_crc) || data[RECORD_AT_BCRC - 1] != ' ' ||
	    !hex_field(data, RECORD_AT_BCRC, RECORD_CRC_LEN, &body_crc) || data[RECORD_LINE - 1] != '\n')
		return RECORD_BAD;
	if (header_len < RECORD_HEADER_MIN || header_len > RECORD_HEADER_MAX)
		return RECORD_BAD;
	if (len < header_len) {
		*need = header_len;
		return RECORD_MORE;
	}
	if (header_crc != record_line_crc(data, header_len, RECORD_AT_HCRC))
		return RECORD_BAD;
	read.mark = mark;
	read.header_len = (uint32_t)header_len;
	read.body_len = body_len;
	read.body_crc = (uint32_t)body_crc;
	if (!read_lines((struct span){ data + RECORD_LINE, header_len - RECORD_LINE }, &read))
		return RECORD_BAD;
	*record = read;
	return RECORD_WHOLE;
}

enum record_kind record_read(const char *data, size_t len, struct record *record, size_t *need)
{
	struct span all = { data, len };
	enum record_kind kind;
	bool end;

	*need = 0;
	if (len == 0 || data[0] == '\0')
		return RECORD_BLANK;
	end = len >= strlen(RECORD_WORD) && begins(all, RECORD_END_WORD);
	if (!end && !begins(all, RECORD_WORD))
		return RECORD_BAD;
	kind = read_version(span_skip(all, strlen(end ? RECORD_END_WORD : RECORD_WORD)));
	if (kind == RECORD_WHOLE && len < (end ? RECORD_END_LINE : RECORD_LINE))
		kind = RECORD_MORE;
	/* While it can still be either, the shorter one is asked for: it may be the last of the file. */
	if (kind == RECORD_MORE)
		*need = end || len < strlen(RECORD_WORD) ? RECORD_END_LINE : RECORD_LINE;
	if (kind != RECORD_WHOLE)
		return kind;
	return end ? read_end(data, record) : read_header(data, len, record, need);
}

bool record_next_recipient(struct span *rest, struct span *address, struct span *attributes)
{
	return take_line(rest, "rcpt", ENVELOPE_ADDRESS_MAX, address) && take_attributes(rest, "rattr", attributes);
}

bool record_next_attribute(struct span *rest, struct span *name, struct span *value)
{
	struct span word;

	if (!span_word(rest, '\n', value) || !span_word(value, ' ', &word))
		return false;
	return span_word(value, ' ', name);
}

struct span record_attribute(struct span attributes, const char *name)
{
	struct span found, value;

	while (record_next_attribute(&attributes, &found, &value))
		if (span_is(found, name))
			return value;
	return (struct span){ "", 0 };
}

size_t record_find(const char *data, size_t len, size_t from, uint64_t mark)
{
	static const char *const heads[] = { RECORD_WORD "1 ", RECORD_END_WORD "1 " };
	char text[RECORD_MARK_LEN];

	record_mark_text(text, mark);
	/* The mark is searched, not the word, which a message may be full of. */
	for (size_t at = from; at < len;) {
		const char *hit = memmem(data + at, len - at, text, RECORD_MARK_LEN);

		if (hit == NULL)
			break;
		for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
			size_t head = strlen(heads[i]);

			if ((size_t)(hit - data) >= from + head && memcmp(hit - head, heads[i], head) == 0)
				return (size_t)(hit - data) - head;
		}
		at = (size_t)(hit - data) + 1;
	}
	return len;
}
