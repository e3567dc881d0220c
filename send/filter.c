/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter_field.h"
#include "message.h"

#define DROPS_MAX 16

struct filter {
	struct filter_rule rule;
	struct str name;		/* of the field */
	struct str drops[DROPS_MAX];
	size_t drop_count;
	bool except;			/* all drops but these */
	bool keep;
	struct str file;
	unsigned line;
};

struct filter_list {
	struct filter *all;
	size_t count;
	bool discards;			/* some filter can */
};

struct filter_list *
filter_list_new(void)
{
	return calloc(1, sizeof(struct filter_list));
}

void
filter_list_free(struct filter_list *list)
{
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		struct filter *f = &list->all[i];

		regex_free(f->rule.regex);
		regex_template_free(f->rule.replacement);
		str_free(&f->rule.literal);
		str_free(&f->name);
		str_free(&f->file);
		for (size_t n = 0; n < f->drop_count; n++)
			str_free(&f->drops[n]);
	}
	if (list != NULL)
		free(list->all);
	free(list);
}

/* From, To and Subject: a message without one of them is none. */
static bool
is_vital(struct span name)
{
	return span_is_nocase(name, "from") || span_is_nocase(name, "to") || span_is_nocase(name, "subject");
}

static int
take_pattern(struct filter *f, const struct conf_node *node, struct str *error)
{
	const struct conf_word *word = &node->words[2], *text = &node->words[3];
	struct str why = STR_INIT(1024);
	size_t at = 0, captures = 0;
	bool good = true;

	if (!conf_is_pattern(word))
		return conf_error(node, error, "expected a word or a /regular expression/ (with \\/ for a slash), not %s", word->text);
	if (word->kind == CONF_PLAIN) {
		good = str_set(&f->rule.literal, (struct span){ word->text, word->len }) == 0;
	} else {
		f->rule.regex = regex_new((struct span){ word->text, word->len }, word->kind == CONF_REGEX_NOCASE ? REGEX_NOCASE : 0, &why, &at);
		if (f->rule.regex == NULL) {
			conf_error(node, error, "%s: %s (at byte %zu)", word->raw, why.data, at);
			str_free(&why);
			return -1;
		}
		captures = regex_captures(f->rule.regex);
	}
	f->rule.replacement = good ? regex_template_new((struct span){ text->text, text->len }, captures, &why) : NULL;
	if (f->rule.replacement == NULL)
		conf_error(node, error, "\"%s\": %s", text->text, why.data);
	str_free(&why);
	return f->rule.replacement != NULL ? 0 : -1;
}

static bool
is_field_name(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == ':')
			return false;
	return len > 0 && len < 200;
}

static int
take_drops(struct filter *f, const struct conf_node *node, size_t n, struct str *error)
{
	struct span name, rest;

	for (; n < node->count && f->drop_count < DROPS_MAX; n++) {
		struct span drop = { node->words[n].text, node->words[n].len };

		if (!plan_split(drop, &name, &rest))
			break;
		f->drops[f->drop_count] = (struct str)STR_INIT(PLAN_DROP_LEN);
		if (str_set(&f->drops[f->drop_count++], drop) < 0)
			return conf_error(node, error, "no memory");
	}
	return n == node->count && f->drop_count > 0 ? 0 : conf_error(node, error, "expected 1 to %d drops such as imap:phone at the end", DROPS_MAX);
}

/* filter FIELD PATTERN REPLACEMENT [keep] [except DROP... | only DROP...] */
int
filter_list_add(struct filter_list *list, const struct conf_node *node, struct str *error)
{
	struct filter *f = realloc(list->all, (list->count + 1) * sizeof(*f));
	size_t n = 4;

	if (f == NULL)
		return conf_error(node, error, "no memory");
	list->all = f;
	f += list->count++;
	*f = (struct filter){ .name = STR_INIT(256), .file = STR_INIT(4096), .line = node->line, .rule.literal = STR_INIT(8192) };
	if (!is_field_name(node->words[1].text) || str_add(&f->name, node->words[1].text) < 0 || str_add(&f->file, node->conf->file) < 0)
		return conf_error(node, error, "expected a header field's name, not \"%s\"", node->words[1].text);
	if (take_pattern(f, node, error) < 0)
		return -1;
	if (n < node->count && strcmp(node->words[n].text, "keep") == 0) {
		f->keep = true;
		n++;
	}
	list->discards |= !f->keep && is_vital(str_span(&f->name));
	if (n == node->count)
		return 0;
	f->except = strcmp(node->words[n].text, "except") == 0;
	if (!f->except && strcmp(node->words[n].text, "only") != 0)
		return conf_error(node, error, "expected keep, except or only, not \"%s\"", node->words[n].text);
	return take_drops(f, node, n + 1, error);
}

static bool
is_for(const struct filter *f, struct span drop)
{
	for (size_t i = 0; i < f->drop_count; i++)
		if (span_equal(str_span(&f->drops[i]), drop))
			return !f->except;
	return f->drop_count == 0 || f->except;
}

static bool
is_addresses(struct span name)
{
	return span_is_nocase(name, "from") || span_is_nocase(name, "to") || span_is_nocase(name, "cc");
}

/* One field through all its filters: value holds its raw value, and the new one where it changed. */
static enum filter_result
filter_field(const struct filter_list *list, const struct message_field *field, struct span drop, const struct plan_query *query, struct str *value)
{
	enum filter_result result = FILTER_SAME;
	struct str next = STR_INIT(value->max);

	for (size_t i = 0; i < list->count && result < FILTER_DISCARD; i++) {
		const struct filter *f = &list->all[i];
		int changed;

		if (!span_is_nocase(field->name, f->name.data) || !is_for(f, drop))
			continue;
		str_cut(&next, 0);
		changed = (is_addresses(field->name) ? filter_field_addresses : filter_field_text)(&f->rule, str_span(value), &next);
		if (changed < 0 && errno == ELOOP) {
			plan_say(query, f->file.data, f->line, PLAN_LIMIT, field->name);
			continue;
		}
		if (changed < 0 || (changed > 0 && str_set(value, str_span(&next)) < 0)) {
			result = FILTER_ERROR;
			break;
		}
		if (changed == 0)
			continue;
		result = FILTER_CHANGED;
		plan_say(query, f->file.data, f->line, "filter", str_span(value));
		if (span_trim(str_span(value)).len == 0 && is_vital(field->name) && !f->keep)
			result = FILTER_DISCARD;
	}
	str_free(&next);
	return result;
}

static enum filter_result
put_field(const struct filter_list *list, const struct message_field *field, struct span drop, const struct plan_query *query, struct str *out)
{
	struct str value = STR_INIT(4U * 1024 * 1024);
	enum filter_result result = FILTER_ERROR;
	int bad = 0;

	if (str_add_span(&value, field->value) == 0)
		result = filter_field(list, field, drop, query, &value);
	if (result == FILTER_SAME) {
		bad = str_add_span(out, field->whole);
	} else if (result == FILTER_CHANGED && span_trim(str_span(&value)).len > 0) {
		bad |= str_add_span(out, field->name);
		bad |= str_add(out, ": ");
		bad |= str_add_span(out, span_trim(str_span(&value)));
		bad |= str_add_char(out, '\n');
	}
	str_free(&value);
	return bad != 0 ? FILTER_ERROR : result;
}

enum filter_result
filter_list_apply(const struct filter_list *list, struct span header, struct span drop, const struct plan_query *query, struct str *out)
{
	enum filter_result result = FILTER_SAME, one;
	struct message_field field;
	struct span rest = header;
	size_t len = out->len;

	while (list != NULL && message_next(&rest, &field)) {
		one = put_field(list, &field, drop, query, out);
		if (one > result)
			result = one;
		if (one >= FILTER_DISCARD)
			break;
	}
	if (result == FILTER_CHANGED && str_add_span(out, rest) < 0)
		result = FILTER_ERROR;
	if (result != FILTER_CHANGED)
		str_cut(out, len);
	return result;
}

bool
filter_list_discards(const struct filter_list *list, const struct plan_query *query, struct span drop)
{
	struct str out = STR_INIT(16U * 1024 * 1024);
	struct plan_query quiet = { query->record, query->body, NULL, query->watch };
	struct span header = query->body;
	bool discards;

	if (list == NULL || !list->discards || span_is(drop, PLAN_DISCARD))
		return false;
	header.len = message_header_length(header);
	discards = filter_list_apply(list, header, drop, &quiet, &out) == FILTER_DISCARD;
	if (discards)
		plan_say(query, NULL, 0, "discarded by a filter", drop);
	str_free(&out);
	return discards;
}
