/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directive limit: what a drop may be given at once, and in a time. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "drop.h"
#include "plan.h"
#include "text.h"

#define NUMBER_MAX 1000000

void
drop_rules_free(struct drop_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		str_free(&rules->all[i].name);
	free(rules->all);
	*rules = (struct drop_rules){ NULL, 0 };
}

/* 60/min */
static int
take_rate(const char *text, struct drop_limits *limits)
{
	static const struct { const char *name; uint64_t time; } units[] = {
		{ "s", 1 }, { "sec", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "hour", 3600 }, { "d", 86400 }, { "day", 86400 },
	};
	struct span rest = span_of(text), number;

	if (!span_word(&rest, '/', &number) || span_decimal(number, NUMBER_MAX, &limits->rate) < 0 || limits->rate == 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (span_is(rest, units[i].name)) {
			limits->rate_time = units[i].time * CLOCK_SECOND;
			return 0;
		}
	return -1;
}

static int
take_limits(struct drop_limits *limits, const struct conf_node *node, struct str *error)
{
	for (size_t n = 2; n + 1 < node->count; n += 2) {
		const char *word = node->words[n].text;
		const struct conf_word *value = &node->words[n + 1];

		if (strcmp(word, "concurrency") == 0 && conf_number(value, NUMBER_MAX, &limits->concurrency) == 0 && limits->concurrency > 0)
			continue;
		if (strcmp(word, "connections") == 0 && conf_number(value, NUMBER_MAX, &limits->connections) == 0 && limits->connections > 0)
			continue;
		if (strcmp(word, "rate") != 0 || take_rate(value->text, limits) < 0)
			return conf_error(node, error, "expected concurrency or connections and a number, or rate and a number in a time such as 60/min, not \"%s %s\"",
			    word, value->text);
	}
	return 0;
}

int
drop_rule_add(struct drop_rules *rules, const struct conf_node *node, struct str *error)
{
	struct span drop = { node->words[1].text, node->words[1].len }, name, rest;
	struct drop_rule *all;

	if (!text_is_clean(drop, PLAN_DROP_LEN) || !plan_split(drop, &name, &rest) || memchr(drop.data, '/', drop.len) != NULL)
		return conf_error(node, error, "expected a drop such as imap:phone, without an argument, not %s", node->words[1].text);
	if (node->count % 2 != 0)
		return conf_error(node, error, "expected a value after %s", node->words[node->count - 1].text);
	for (size_t i = 0; i < rules->count; i++)
		if (span_equal(str_span(&rules->all[i].name), drop))
			return conf_error(node, error, "the limits of %s are said twice", node->words[1].text);
	all = rules->count < DROP_MOST ? realloc(rules->all, (rules->count + 1) * sizeof(*all)) : NULL;
	if (all == NULL)
		return conf_error(node, error, "expected limits for at most %d drops", DROP_MOST);
	rules->all = all;
	all[rules->count] = (struct drop_rule){ .name = STR_INIT(PLAN_DROP_LEN) };
	if (str_add_span(&all[rules->count++].name, drop) < 0)
		return conf_error(node, error, "no memory");
	return take_limits(&all[rules->count - 1].limits, node, error);
}
