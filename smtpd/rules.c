/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "regex.h"
#include "text.h"

#define LOOPBACK 1U			/* the bit of group 0 */

struct matcher {
	struct regex *regex;		/* or */
	char *literal;			/* compared without regard to case */
};

enum property_kind { HOST, ADDRESS, NET };

struct property {			/* of a group's members */
	struct property *next;
	enum property_kind kind;
	struct matcher matcher;
	struct peer_net net;
};

struct rule {
	struct rule *next;
	unsigned line;
	bool accept, all, tls, auth;
	uint32_t from;			/* 0: anywhere */
	struct matcher matcher;
	unsigned code;
	char text[RULES_TEXT_MAX + 1];
};

struct rules {
	struct { char *name; struct property *first; } groups[RULES_GROUPS];
	size_t group_count;
	struct rule *first, **last;
	bool names;
};

/* ---- patterns ---- */

static int matcher_set(struct matcher *matcher, const struct conf_node *node, const struct conf_word *word, struct str *error)
{
	struct str why = STR_INIT(400);
	size_t offset = 0;

	if (!conf_is_pattern(word))
		return conf_error(node, error, "%s is no pattern: write /.../, with \\/ for a slash in it, or a plain word", word->raw);
	if (word->kind == CONF_PLAIN) {
		matcher->literal = strdup(word->text);
		return matcher->literal ? 0 : conf_error(node, error, "out of memory");
	}
	matcher->regex = regex_new((struct span){ word->text, word->len }, word->kind == CONF_REGEX_NOCASE ? REGEX_NOCASE : 0, &why, &offset);
	if (!matcher->regex)
		(void)conf_error(node, error, "%s: %s at its byte %zu", word->raw, why.data, offset + 1);
	str_free(&why);
	return matcher->regex ? 0 : -1;
}

static void matcher_free(struct matcher *matcher)
{
	regex_free(matcher->regex);
	free(matcher->literal);
}

/* 1, 0, or -1: it costs too much to tell. */
static int matches(const struct matcher *matcher, struct span text)
{
	if (matcher->regex)
		return regex_match(matcher->regex, text, NULL);
	return span_is_nocase(text, matcher->literal);
}

/* ---- life ---- */

struct rules *rules_new(void)
{
	struct rules *rules = calloc(1, sizeof *rules);

	if (!rules)
		return NULL;
	rules->last = &rules->first;
	rules->groups[0].name = strdup("loopback");
	rules->group_count = 1;
	if (rules->groups[0].name)
		return rules;
	free(rules);
	return NULL;
}

static void free_properties(struct property *property)
{
	while (property) {
		struct property *next = property->next;

		matcher_free(&property->matcher);
		free(property);
		property = next;
	}
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->group_count; i++) {
		free(rules->groups[i].name);
		free_properties(rules->groups[i].first);
	}
	while (rules->first) {
		struct rule *rule = rules->first;

		rules->first = rule->next;
		matcher_free(&rule->matcher);
		free(rule);
	}
	free(rules);
}

/* ---- groups ---- */

/* RULES_GROUPS: there is none. */
static size_t find_group(const struct rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->group_count; i++)
		if (!strcmp(rules->groups[i].name, name))
			return i;
	return RULES_GROUPS;
}

static int add_property(struct rules *rules, size_t group, const struct conf_node *node, size_t at, struct str *error)
{
	static const char *const kinds[] = { [HOST] = "host", [ADDRESS] = "address", [NET] = "net" };
	const struct conf_word *word = &node->words[at + 1];
	struct property *property;
	unsigned kind = HOST;

	while (kind <= NET && strcmp(node->words[at].text, kinds[kind]))
		kind++;
	if (kind > NET || at + 1 >= node->count)
		return conf_error(node, error, "expected host PATTERN, address PATTERN or net NETWORK");
	property = calloc(1, sizeof *property);
	if (!property)
		return conf_error(node, error, "out of memory");
	property->kind = kind;
	property->next = rules->groups[group].first;
	rules->groups[group].first = property;
	if (kind != NET) {
		rules->names = rules->names || kind == HOST;
		return matcher_set(&property->matcher, node, word, error);
	}
	if (peer_net_parse(word->text, &property->net))
		return conf_error(node, error, "%s is no network: write 192.0.2.0/24 or 2001:db8::/32", word->text);
	return 0;
}

static_assert(RULES_GROUPS * (RULES_NAME_MAX + 1) <= ENVELOPE_VALUE_MAX, "the names of all groups are one attribute of a message");

/* They go to queue with each message, several of them in one line. */
static bool is_name(struct span name)
{
	return name.len > 0 && text_is_clean(name, RULES_NAME_MAX) && !memchr(name.data, ' ', name.len);
}

int rules_group(void *arg, const struct conf_node *node, struct str *error)
{
	struct rules *rules = arg;
	size_t group = find_group(rules, node->words[1].text);

	if (!group)
		return conf_error(node, error, "loopback is what it is");
	if (!is_name(span_of(node->words[1].text)))
		return conf_error(node, error, "%s: expected a group's name of at most %d bytes, without blanks", node->words[1].raw, RULES_NAME_MAX);
	if (group == RULES_GROUPS) {
		if (rules->group_count == RULES_GROUPS)
			return conf_error(node, error, "too many groups: %d is the most", RULES_GROUPS - 1);
		group = rules->group_count;
		rules->groups[group].name = strdup(node->words[1].text);
		if (!rules->groups[group].name)
			return conf_error(node, error, "out of memory");
		rules->group_count++;
	}
	for (size_t i = 2; i < node->count; i += 2)
		if (add_property(rules, group, node, i, error))
			return -1;
	return 0;
}

int rules_mask(const struct rules *rules, const struct conf_node *node, size_t from, uint32_t *mask, struct str *error)
{
	for (size_t i = from; i < node->count; i++) {
		size_t group = find_group(rules, node->words[i].text);

		if (group == RULES_GROUPS)
			return conf_error(node, error, "there is no group %s above", node->words[i].text);
		*mask |= UINT32_C(1) << group;
	}
	return 0;
}

bool rules_need_names(const struct rules *rules)
{
	return rules->names;
}

static bool has(const struct property *property, const struct peer *peer)
{
	switch (property->kind) {
	case NET:
		return peer_net_has(&property->net, peer);
	case HOST:
		/* a name that nobody has confirmed is no name */
		return peer->name[0] && matches(&property->matcher, span_of(peer->name)) > 0;
	default:
		return matches(&property->matcher, span_of(peer->address)) > 0;
	}
}

uint32_t rules_groups(const struct rules *rules, const struct peer *peer)
{
	uint32_t mask = peer_is_loopback(peer) ? LOOPBACK : 0;

	for (size_t i = 1; i < rules->group_count; i++)
		for (const struct property *p = rules->groups[i].first; p; p = p->next)
			if (has(p, peer))
				mask |= UINT32_C(1) << i;
	return mask;
}

int rules_group_names(const struct rules *rules, uint32_t groups, struct str *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < rules->group_count; i++)
		if ((groups & UINT32_C(1) << i) && ((out->len > start && str_add_char(out, ' ')) || str_add(out, rules->groups[i].name)))
			return -1;
	return 0;
}

/* ---- rules ---- */

static int parse_no(struct rule *rule, const struct conf_node *node, size_t at, struct str *error)
{
	uint64_t code;

	if (rule->accept || conf_number(&node->words[at], 599, &code) || code < 400)
		return conf_error(node, error, rule->accept ? "expected from GROUP, tls or auth, not %s" : "expected from GROUP, tls, auth, or a code of 400 to 599 and a text, not %s",
		    node->words[at].text);
	if (at + 2 != node->count || strlen(node->words[at + 1].text) > RULES_TEXT_MAX)
		return conf_error(node, error, "behind the code one text is expected, in quotes, of at most %d bytes", RULES_TEXT_MAX);
	rule->code = (unsigned)code;
	memcpy(rule->text, node->words[at + 1].text, strlen(node->words[at + 1].text) + 1);
	return 0;
}

static int parse_conditions(struct rules *rules, struct rule *rule, const struct conf_node *node, size_t at, struct str *error)
{
	for (; at < node->count; at++) {
		const char *word = node->words[at].text;

		if (!strcmp(word, "tls")) {
			rule->tls = true;
		} else if (!strcmp(word, "auth")) {
			rule->auth = true;
		} else if (!strcmp(word, "from") && at + 1 < node->count) {
			size_t group = find_group(rules, node->words[++at].text);

			if (group == RULES_GROUPS)
				return conf_error(node, error, "there is no group %s above", node->words[at].text);
			rule->from |= UINT32_C(1) << group;
		} else {
			return parse_no(rule, node, at, error);
		}
	}
	return 0;
}

int rules_rule(void *arg, const struct conf_node *node, struct str *error)
{
	struct rules *rules = arg;
	struct rule *rule = calloc(1, sizeof *rule);
	size_t at = 2;

	if (!rule)
		return conf_error(node, error, "out of memory");
	rule->line = node->line;
	rule->accept = !strcmp(node->words[0].text, "accept");
	rule->code = 550;
	memcpy(rule->text, "No one here by that name.", sizeof "No one here by that name.");
	*rules->last = rule;
	rules->last = &rule->next;
	if (!strcmp(node->words[1].text, "all"))
		rule->all = true;
	else if (strcmp(node->words[1].text, "rcpt") || node->count < 3)
		return conf_error(node, error, "expected rcpt PATTERN or all");
	else if (matcher_set(&rule->matcher, node, &node->words[at++], error))
		return -1;
	return parse_conditions(rules, rule, node, at, error);
}

/* 1, 0, or -1 as matches. */
static int fits(const struct rule *rule, const struct rules_client *client, struct span recipient)
{
	if ((rule->from && !(rule->from & client->groups)) || (rule->tls && !client->tls) || (rule->auth && !client->auth))
		return 0;
	return rule->all ? 1 : matches(&rule->matcher, recipient);
}

unsigned rules_decide(const struct rules *rules, const struct rules_client *client, struct span recipient, struct engine_answer *answer)
{
	for (const struct rule *rule = rules->first; rule; rule = rule->next) {
		int fit = fits(rule, client, recipient);

		if (fit < 0) {
			engine_answer_set(answer, 451, "4.3.0", "The rule for this address cannot be decided");
			return rule->line;
		}
		if (!fit)
			continue;
		if (!rule->accept)
			engine_answer_set(answer, rule->code, rule->code < 500 ? "4.7.1" : "5.7.1", "%s", rule->text);
		return rule->line;
	}
	if (rules->first || !client->trusted)
		engine_answer_set(answer, 550, rules->first ? "5.1.1" : "5.7.1", rules->first ? "No one here by that name." : "Relaying is not permitted");
	return 0;
}
