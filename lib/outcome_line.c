/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "crc32c.h"
#include "outcome.h"
#include "text.h"

#define LINE_HEAD "%o "
#define CRC_DIGITS 8
#define UNCLEAR "unclear"		/* words behind the fields */
#define ASKED "asked"
#define TOLD "told"

static const char *const state_names[] = {
	[OUTCOME_STATE_DONE] = "done",
	[OUTCOME_STATE_FAILED] = "failed",
	[OUTCOME_STATE_TRY_LATER] = "later",
	[OUTCOME_STATE_MOVED] = "moved",
	[OUTCOME_STATE_BOUNCED] = "bounced",
	[OUTCOME_STATE_HELD] = "held",
	[OUTCOME_STATE_REMOVED] = "removed",
};
_Static_assert(sizeof state_names / sizeof *state_names == OUTCOME_STATE_COUNT, "each state has a name");

const char *outcome_state_name(enum outcome_state state)
{
	return state_names[state];
}

/* The fields behind the CRC, in the order of the line.  All are written and read through this table. */
enum field { INDEX, RCPT, STATE, TRY, NEXT, STATUS, DROP, ADDRESS, REASON, FIELDS };

static int put_field(struct str *out, enum field field, const struct outcome_line *line)
{
	switch (field) {
	case INDEX: return str_add_decimal(out, line->index, 1);
	case RCPT: return line->recipient == OUTCOME_ALL ? str_add_char(out, '-') : str_add_decimal(out, line->recipient, 1);
	case STATE: return str_add(out, outcome_state_name(line->state));
	case TRY: return str_add_decimal(out, line->tries, 1);
	case NEXT: return str_add_decimal(out, line->next, 1);
	case STATUS: return text_encode(out, line->status);
	case DROP: return text_encode(out, line->drop);
	case ADDRESS: return text_encode(out, line->address);
	default: return text_encode(out, line->reason);
	}
}

/* As in text_decode's words: no control, no blank, each % before two digits. */
static bool is_word(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.data[i];

		if (c <= 0x20 || c == 0x7f)
			return false;
		if (c == '%' && (word.len - i < 3 || memchr("0123456789ABCDEF", word.data[i + 1], 16) == NULL ||
		    memchr("0123456789ABCDEF", word.data[i + 2], 16) == NULL))
			return false;
	}
	return word.len > 0;
}

static bool get_number(struct span word, uint64_t max, uint64_t *value)
{
	return span_decimal(word, max, value) == 0;
}

static bool get_state(struct span word, enum outcome_state *state)
{
	for (int i = 0; i < OUTCOME_STATE_COUNT; i++)
		if (span_is(word, state_names[i])) {
			*state = (enum outcome_state)i;
			return true;
		}
	return false;
}

static bool get_word(struct span word, struct span *to)
{
	*to = word;
	return is_word(word);
}

static bool get_field(struct span word, enum field field, struct outcome_line *line)
{
	uint64_t number = OUTCOME_ALL;
	bool good;

	switch (field) {
	case INDEX:
		good = get_number(word, UINT32_MAX, &number);
		line->index = (uint32_t)number;
		return good;
	case RCPT:
		good = span_is(word, "-") || get_number(word, OUTCOME_ALL - 1, &number);
		line->recipient = (uint32_t)number;
		return good;
	case STATE: return get_state(word, &line->state);
	case TRY:
		good = get_number(word, UINT32_MAX, &number);
		line->tries = (uint32_t)number;
		return good;
	case NEXT: return get_number(word, UINT64_MAX, &line->next);
	case STATUS: return get_word(word, &line->status);
	case DROP: return get_word(word, &line->drop);
	case ADDRESS: return get_word(word, &line->address);
	default: return get_word(word, &line->reason);
	}
}

static uint32_t line_crc(struct span file, struct span fields)
{
	return crc32c(crc32c(0, file.data, file.len), fields.data, fields.len);
}

int outcome_line_write(struct str *out, struct span file, const struct outcome_line *line)
{
	const size_t before = out->len, fields = before + strlen(LINE_HEAD) + CRC_DIGITS + 1;
	int error = str_add(out, LINE_HEAD "00000000");
	uint32_t crc;

	for (int i = 0; i < FIELDS && error == 0; i++)
		error = str_add_char(out, ' ') < 0 ? -1 : put_field(out, (enum field)i, line);
	if (error == 0 && line->unclear)
		error = str_add(out, line->asked ? " " UNCLEAR " " ASKED : " " UNCLEAR);
	if (error == 0 && line->told)
		error = str_add(out, " " TOLD);
	if (error == 0)
		error = str_add_char(out, '\n');
	if (error == 0 && out->len - before > OUTCOME_LINE_MAX) {
		errno = EMSGSIZE;
		error = -1;
	}
	if (error < 0) {
		str_cut(out, before);
		return -1;
	}
	crc = line_crc(file, (struct span){ out->data + fields, out->len - fields - 1 });
	for (unsigned i = CRC_DIGITS; i > 0; i--, crc >>= 4)
		out->data[before + strlen(LINE_HEAD) + i - 1] = "0123456789abcdef"[crc & 15];
	return 0;
}

/* text: a whole line without its newline; file: NULL where the CRC is known to be right. */
static bool read_line(struct span text, const struct span *file, struct outcome_line *line)
{
	struct span word;
	uint64_t crc;

	if (!span_starts(text, LINE_HEAD))
		return false;
	text = span_skip(text, strlen(LINE_HEAD));
	if (!span_word(&text, ' ', &word) || word.len != CRC_DIGITS || span_hex(word, UINT32_MAX, &crc) < 0 ||
	    (file != NULL && line_crc(*file, text) != crc))
		return false;
	for (int i = 0; i < FIELDS; i++)
		if (!span_word(&text, ' ', &word) || !get_field(word, (enum field)i, line))
			return false;
	line->unclear = line->asked = line->told = false;
	/* What a later version may add behind them is passed over. */
	while (span_word(&text, ' ', &word))
		if (span_is(word, UNCLEAR))
			line->unclear = true;
		else if (span_is(word, ASKED))
			line->asked = true;
		else if (span_is(word, TOLD))
			line->told = true;
	return true;
}

static int take_line(struct span *rest, const struct span *file, struct outcome_line *line)
{
	const struct span all = *rest;
	const char *end, *next;
	size_t len;

	if (all.len == 0)
		return 0;
	len = all.len < OUTCOME_LINE_MAX ? all.len : OUTCOME_LINE_MAX;
	end = memchr(all.data, '\n', len);
	if (end != NULL && read_line((struct span){ all.data, (size_t)(end - all.data) }, file, line)) {
		*rest = span_skip(all, (size_t)(end - all.data) + 1);
		return 1;
	}
	/* A line that was torn has no newline, and the next one written stands right behind it.  No field can hold "%o ". */
	if (end != NULL)
		len = (size_t)(end - all.data) + 1;
	else if (len < all.len)
		len -= strlen(LINE_HEAD) - 1;
	next = memmem(all.data + 1, len - 1, LINE_HEAD, strlen(LINE_HEAD));
	*rest = span_skip(all, next != NULL ? (size_t)(next - all.data) : len);
	return -1;
}

int outcome_line_read(struct span *rest, struct span file, struct outcome_line *line)
{
	return take_line(rest, &file, line);
}

int outcome_line_scan(struct span *rest, struct outcome_line *line)
{
	return take_line(rest, NULL, line);
}
