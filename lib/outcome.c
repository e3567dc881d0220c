/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "outcome.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	enum outcome_verdict verdict;
	char class;
	const char *plain;		/* where no status is known */
} verdicts[] = {
	{ OUTCOME_DONE, '2', "2.0.0" },
	{ OUTCOME_LATER, '4', "4.0.0" },
	{ OUTCOME_NEVER, '5', "5.0.0" },
};
#define VERDICTS (sizeof verdicts / sizeof *verdicts)

bool outcome_is_status(struct span status, enum outcome_verdict *verdict)
{
	struct span part;
	bool known = false;

	if (status.len < 5 || status.len >= OUTCOME_STATUS_MAX || status.data[1] != '.' || status.data[status.len - 1] == '.')
		return false;
	for (size_t i = 0; i < VERDICTS; i++)
		if (status.data[0] == verdicts[i].class) {
			*verdict = verdicts[i].verdict;
			known = true;
		}
	status = span_skip(status, 2);
	for (int i = 0; i < 2; i++) {
		uint64_t number;

		if (!span_word(&status, '.', &part) || part.len > 3 || span_decimal(part, 999, &number) < 0)
			return false;
	}
	return known && status.len == 0;
}

static void set_status(struct outcome *o, enum outcome_verdict verdict, struct span status)
{
	enum outcome_verdict of_status;

	o->verdict = verdict;
	o->clarity = OUTCOME_UNSAID;
	o->drop_down = false;
	if (!outcome_is_status(status, &of_status) || of_status != verdict) {
		/* An unknown verdict is one more way of not knowing: later. */
		status = span_of("4.0.0");
		for (size_t i = 0; i < VERDICTS; i++)
			if (verdicts[i].verdict == verdict)
				status = span_of(verdicts[i].plain);
	}
	memcpy(o->status, status.data, status.len);
	o->status[status.len] = '\0';
}

/* Makes the text fit to be a line's reason: no controls, no character of UTF-8 cut in two. */
static void clean_text(char *text, bool cut)
{
	size_t len = strlen(text), lead = len;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = ' ';
	if (!cut)
		return;
	while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead > 0 && (unsigned char)text[lead - 1] >= 0xc0)
		text[lead - 1] = '\0';
}

void outcome_set(struct outcome *o, enum outcome_verdict verdict, const char *status, const char *format, ...)
{
	va_list args;
	int len;

	set_status(o, verdict, span_of(status));
	va_start(args, format);
	len = vsnprintf(o->text, sizeof o->text, format, args);
	va_end(args);
	if (len < 0)
		o->text[0] = '\0';
	clean_text(o->text, len >= (int)sizeof o->text);
}

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

/* The notes, in one table: how they are written, and what they mean. */
static const struct note {
	const char *text;
	enum outcome_clarity clarity;
	bool drop_down;
} notes[] = {
	{ "unclear=1", OUTCOME_UNCLEAR, false },
	{ "unclear=0", OUTCOME_CLEAR, false },
	{ "drop=down", OUTCOME_UNSAID, true },
};
#define NOTES (sizeof notes / sizeof *notes)

static bool is_note(struct span word)
{
	const char *sign = memchr(word.data, '=', word.len);

	for (size_t i = 0; sign && i < (size_t)(sign - word.data); i++)
		if (!((word.data[i] >= 'a' && word.data[i] <= 'z') || word.data[i] == '-'))
			return false;
	return sign && sign > word.data;
}

/* Splits the notes off a text's end.  What does not look like notes is text, from a deliverer that does not know of them. */
static struct span split_notes(struct span *text)
{
	const char *end = memrchr(text->data, '\n', text->len);
	struct span all = { "", 0 }, rest, word;

	if (!end)
		return all;
	all = rest = span_skip(*text, (size_t)(end - text->data) + 1);
	do {
		if (!span_word(&rest, ' ', &word) || !is_note(word))
			return (struct span){ "", 0 };
	} while (rest.len > 0);
	text->len = (size_t)(end - text->data);
	return all;
}

static void take_notes(struct outcome *o, struct span rest)
{
	struct span word;

	while (o->verdict == OUTCOME_LATER && span_word(&rest, ' ', &word))
		for (size_t i = 0; i < NOTES; i++) {
			if (!span_is(word, notes[i].text))
				continue;
			if (notes[i].clarity != OUTCOME_UNSAID)
				o->clarity = notes[i].clarity;
			o->drop_down |= notes[i].drop_down;
		}
}

int outcome_read(char type, struct span value, struct id_key *key, uint32_t *n, struct outcome *o)
{
	struct span key_text, n_text, status, said;
	enum outcome_verdict of_status;
	uint64_t number;
	size_t len;
	bool known = false;

	for (size_t i = 0; i < VERDICTS; i++)
		known = known || (char)verdicts[i].verdict == type;
	if (!known || !span_word(&value, ' ', &key_text) || !span_word(&value, ' ', &n_text) || !span_word(&value, ' ', &status))
		return invalid();
	if (id_parse_key(key_text, key) < 0 || span_decimal(n_text, OUTCOME_ALL - 1, &number) < 0 ||
	    !outcome_is_status(status, &of_status))
		return invalid();
	*n = (uint32_t)number;
	set_status(o, (enum outcome_verdict)type, status);
	said = split_notes(&value);
	take_notes(o, said);
	len = value.len <= OUTCOME_REASON_MAX ? value.len : OUTCOME_REASON_MAX;
	for (size_t i = 0; i < len; i++)
		o->text[i] = value.data[i] != '\0' ? value.data[i] : ' ';
	o->text[len] = '\0';
	clean_text(o->text, len < value.len);
	return 0;
}

int outcome_value(struct str *out, struct id_key key, uint32_t n, const struct outcome *o)
{
	char text[ID_KEY_MAX], sign = '\n';
	size_t before = out->len;

	id_key_text(key, text);
	if (str_printf(out, "%s %lu %s %s", text, (unsigned long)n, o->status, o->text) < 0)
		return -1;
	for (size_t i = 0; o->verdict == OUTCOME_LATER && i < NOTES; i++) {
		if ((notes[i].clarity == OUTCOME_UNSAID || notes[i].clarity != o->clarity) && !(notes[i].drop_down && o->drop_down))
			continue;
		if (str_printf(out, "%c%s", sign, notes[i].text) < 0) {
			str_cut(out, before);
			return -1;
		}
		sign = ' ';
	}
	return 0;
}
