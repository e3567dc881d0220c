/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "filter_field.h"

#include <string.h>

#include "address.h"
#include "message.h"
#include "words.h"

#define VALUE_MAX (4U * 1024 * 1024)
#define LINE_LEN 78

static bool
same_nocase(struct span a, struct span b)
{
	for (size_t i = 0; a.len == b.len && i < a.len; i++) {
		char x = a.data[i], y = b.data[i];

		if ((x >= 'A' && x <= 'Z' ? x + 32 : x) != (y >= 'A' && y <= 'Z' ? y + 32 : y))
			return false;
	}
	return a.len == b.len;
}

/* Number of replacements, or -1. */
static int
replace(const struct filter_rule *rule, struct span subject, struct str *out)
{
	struct regex_match match = { .count = 1, .at = { subject } };

	if (rule->regex != NULL)
		return regex_replace(rule->regex, rule->replacement, true, subject, out);
	if (!same_nocase(subject, str_span(&rule->literal)))
		return 0;
	return regex_template_expand(rule->replacement, &match, out) < 0 ? -1 : 1;
}

static bool
is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c >= 0x7f || (c < ' ' && c != '\t'))
			return false;
		/* What looks like an encoded word would be decoded by the reader. */
		if (c == '=' && i + 1 < text.len && text.data[i + 1] == '?')
			return false;
	}
	return true;
}

/* ASCII folded at its blanks, so that no line is longer than it must be. */
static int
put_folded(struct str *out, struct span text)
{
	size_t line = 20;		/* of the name */
	struct span word;
	bool first = true;
	int bad = 0;

	while (span_word(&text, ' ', &word)) {
		bool fold = !first && word.len > 0 && line + 1 + word.len > LINE_LEN;

		if (!first)
			bad |= str_add(out, fold ? "\n " : " ");
		bad |= str_add_span(out, word);
		line = (fold ? 1 : line + 1) + word.len;
		first = false;
	}
	return bad;
}

/* Controls of what was decoded, or put in, never reach a header line. */
static void
blank_controls(struct str *s)
{
	for (size_t i = 0; i < s->len; i++)
		if ((unsigned char)s->data[i] < ' ' || s->data[i] == 0x7f)
			s->data[i] = ' ';
}

int
filter_field_text(const struct filter_rule *rule, struct span value, struct str *out)
{
	struct str line = STR_INIT(VALUE_MAX), text = STR_INIT(3 * VALUE_MAX), changed = STR_INIT(VALUE_MAX);
	struct span trimmed;
	int count = -1;

	if (message_unfold(&line, value) == 0 && words_decode(&text, str_span(&line)) == 0)
		count = replace(rule, str_span(&text), &changed);
	if (count > 0) {
		blank_controls(&changed);
		trimmed = span_trim(str_span(&changed));
		if (span_equal(trimmed, span_trim(str_span(&text))))
			count = 0;
		else if ((is_plain(trimmed) ? put_folded(out, trimmed) : words_encode(out, trimmed)) < 0)
			count = -1;
	}
	str_free(&line);
	str_free(&text);
	str_free(&changed);
	return count > 0 ? 1 : count;
}

/* What was put in may be an address, or one with a name of its own. */
static int
put_address(struct str *out, const struct address *a, struct span changed)
{
	struct str plain = STR_INIT(4096);
	struct span rest = changed;
	struct address parsed;
	int result = -1;

	if (memchr(changed.data, '<', changed.len) != NULL) {
		result = str_add_span(out, changed);
	} else if (address_next(&rest, &parsed) != 1 || address_plain(&plain, parsed.spec) < 0) {
		result = str_add_span(out, changed);	/* the operator's word: not an address, but what he wants there */
	} else if (a->angle && span_trim(a->name).len > 0) {
		result = str_add_span(out, span_trim(a->name));
		if (result == 0)
			result = str_printf(out, " <%.*s>", (int)changed.len, changed.data);
	} else {
		result = str_add_span(out, changed);
	}
	str_free(&plain);
	return result;
}

/* One address.  1: changed, 0, -1.  Nothing is appended where nothing is left of it. */
static int
filter_address(const struct filter_rule *rule, const struct address *a, struct str *out)
{
	struct str plain = STR_INIT(4096), changed = STR_INIT(VALUE_MAX);
	struct span trimmed;
	int count = 0;

	if (address_plain(&plain, a->spec) == 0)
		count = replace(rule, str_span(&plain), &changed);
	if (count > 0) {
		blank_controls(&changed);
		trimmed = span_trim(str_span(&changed));
		if (span_equal(trimmed, str_span(&plain)))
			count = 0;
		else if (trimmed.len > 0 && put_address(out, a, trimmed) < 0)
			count = -1;
	}
	str_free(&plain);
	str_free(&changed);
	return count > 0 ? 1 : count;
}

int
filter_field_addresses(const struct filter_rule *rule, struct span value, struct str *out)
{
	struct span rest = value;
	struct address a;
	int changed = 0, kind, bad = 0;

	while ((kind = address_next(&rest, &a)) != 0) {
		struct str one = STR_INIT(VALUE_MAX);
		int result = kind > 0 ? filter_address(rule, &a, &one) : 0;

		if (result < 0) {
			str_free(&one);
			return -1;
		}
		changed |= result;
		if (result == 0)
			bad |= str_add_span(&one, span_trim(a.whole));
		if (one.len > 0) {
			if (out->len > 0)
				bad |= str_add(out, ",\n\t");
			bad |= str_add_span(out, str_span(&one));
		}
		str_free(&one);
	}
	return bad != 0 ? -1 : changed;
}
