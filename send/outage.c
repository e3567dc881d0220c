/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "outage.h"

#include <string.h>

#include "crc32c.h"
#include "text.h"

#define WORD "%a "
#define LENGTH_MAX (UINT64_C(10) * 365 * 86400 * 1000000)	/* so that sums are numbers */

static uint64_t
gap(const struct outage_span *before, const struct outage_span *after)
{
	uint64_t start = after->end - (after->length < after->end ? after->length : after->end);

	return start > before->end ? start - before->end : 0;
}

void
outage_add(struct outage *o, uint64_t end, uint64_t length)
{
	size_t least = 0;

	if (length == 0)
		return;
	if (o->count == OUTAGE_SPANS) {
		for (size_t i = 1; i + 1 < o->count; i++)
			if (gap(&o->spans[i], &o->spans[i + 1]) < gap(&o->spans[least], &o->spans[least + 1]))
				least = i;
		o->spans[least] = (struct outage_span){ o->spans[least + 1].end, o->spans[least].length + o->spans[least + 1].length };
		o->count--;
		memmove(&o->spans[least + 1], &o->spans[least + 2], (o->count - least - 1) * sizeof(o->spans[0]));
	}
	o->spans[o->count++] = (struct outage_span){ end, length < LENGTH_MAX ? length : LENGTH_MAX };
}

uint64_t
outage_total(const struct outage *o)
{
	uint64_t total = 0;

	for (size_t i = 0; i < o->count; i++)
		total += o->spans[i].length;
	return total;
}

uint64_t
outage_behind(const struct outage *o, uint64_t from)
{
	uint64_t total = 0;

	for (size_t i = 0; i < o->count; i++) {
		uint64_t behind = o->spans[i].end > from ? o->spans[i].end - from : 0;

		total += behind < o->spans[i].length ? behind : o->spans[i].length;
	}
	return total;
}

int
outage_line_write(struct str *out, const struct outage_line *line)
{
	struct str body = STR_INIT(OUTAGE_LINE_MAX);
	int result = -1;

	if (text_encode(&body, line->name) == 0
	    && str_printf(&body, " %llu %llu ", (unsigned long long)line->failures, (unsigned long long)line->next) == 0
	    && text_encode(&body, line->status) == 0 && str_add_char(&body, ' ') == 0 && text_encode(&body, line->text) == 0)
		result = 0;
	for (size_t i = 0; i < line->outage.count && result == 0; i++)
		result = str_printf(&body, " %llu %llu", (unsigned long long)line->outage.spans[i].end, (unsigned long long)line->outage.spans[i].length);
	if (result == 0)
		result = str_add(out, WORD) < 0 || str_add_hex(out, crc32c(0, body.data, body.len), 8) < 0 || str_add_char(out, ' ') < 0
		    || str_add_span(out, str_span(&body)) < 0 || str_add_char(out, '\n') < 0 ? -1 : 0;
	str_free(&body);
	return result;
}

/* A word, decoded to the end of words, which has room for all of the line. */
static int
take_word(struct span *rest, struct str *words, struct span *value)
{
	struct span word;
	size_t at = words->len;

	if (!span_word(rest, ' ', &word) || text_decode(words, word) < 0)
		return -1;
	*value = (struct span){ words->data + at, words->len - at };
	return 0;
}

static int
take_number(struct span *rest, uint64_t *number)
{
	struct span word;

	return span_word(rest, ' ', &word) ? span_decimal(word, UINT64_MAX, number) : -1;
}

static int
take_body(struct span rest, struct outage_line *line, struct str *words)
{
	uint64_t end, length;

	*line = (struct outage_line){ .failures = 0 };
	str_cut(words, 0);
	if (str_reserve(words, rest.len) < 0 || take_word(&rest, words, &line->name) < 0 || take_number(&rest, &line->failures) < 0
	    || take_number(&rest, &line->next) < 0 || take_word(&rest, words, &line->status) < 0 || take_word(&rest, words, &line->text) < 0)
		return -1;
	while (rest.len > 0) {
		if (take_number(&rest, &end) < 0 || take_number(&rest, &length) < 0)
			return -1;
		outage_add(&line->outage, end, length);
	}
	return line->name.len > 0 ? 1 : -1;
}

int
outage_line_read(struct span *rest, struct outage_line *line, struct str *words)
{
	struct span body, crc;
	uint64_t value;

	if (!span_word(rest, '\n', &body))
		return 0;
	if (!span_starts(body, WORD) || body.len > OUTAGE_LINE_MAX)
		return -1;
	body = span_skip(body, sizeof(WORD) - 1);
	if (!span_word(&body, ' ', &crc) || crc.len != 8 || span_hex(crc, UINT32_MAX, &value) < 0 || crc32c(0, body.data, body.len) != value)
		return -1;
	return take_body(body, line, words);
}
