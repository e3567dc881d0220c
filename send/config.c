/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "alias.h"
#include "clock.h"
#include "conf.h"
#include "config.h"
#include "filter.h"
#include "host.h"
#include "local.h"
#include "route.h"
#include "text.h"

#define LONGEST (366 * 86400 * CLOCK_SECOND)	/* no wait and no limit beyond it: it keeps sums of waits far from overflow */

void
config_init(struct config *config)
{
	retry_default(&config->retry);
	plan_init(&config->plan);
	bounce_rules_default(&config->bounce);
	config->has_retry = false;
	config->postmaster_line = 0;
	config->limits = (struct drop_rules){ NULL, 0 };
	config->least_wait = config->retry.until;
	config->forward = (struct str)STR_INIT(4096);
	config->forward_drops.count = 0;
	config->notes = (struct str)STR_INIT(65536);
	inputs_init(&config->inputs);
}

void
config_free(struct config *config)
{
	plan_free(&config->plan);
	drop_rules_free(&config->limits);
	inputs_free(&config->inputs);
	str_free(&config->forward);
	str_free(&config->notes);
	for (size_t i = 0; i < config->forward_drops.count; i++)
		str_free(&config->forward_drops.all[i]);
}

static int
word_duration(const struct conf_node *node, size_t n, uint64_t *value, struct str *error)
{
	if (n >= node->count || conf_duration(&node->words[n], value) < 0 || *value < CLOCK_SECOND || *value > LONGEST)
		return conf_error(node, error, "expected a time of 1s to 366d, such as 15m, 4h or 5d%s%s", n < node->count ? ", not " : "",
		    n < node->count ? node->words[n].text : "");
	return 0;
}

/* retry 1m 2m 5m until 5d */
static int
handle_retry(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;
	struct retry r = { .until = config->retry.until, .warn = config->retry.warn };

	if (config->has_retry)
		return conf_error(node, error, "retry is said twice");
	for (size_t n = 1; n < node->count; n++) {
		if (strcmp(node->words[n].text, "until") == 0) {
			if (n + 2 != node->count)
				return conf_error(node, error, "expected one time after until");
			if (word_duration(node, n + 1, &r.until, error) < 0)
				return -1;
			break;
		}
		if (r.count == RETRY_WAITS_MAX)
			return conf_error(node, error, "expected at most %d waits", RETRY_WAITS_MAX);
		if (word_duration(node, n, &r.waits[r.count++], error) < 0)
			return -1;
	}
	if (r.count == 0)
		return conf_error(node, error, "expected at least one wait before until");
	config->retry = r;
	config->has_retry = true;
	return 0;
}

/* default local:inbox */
static int
handle_default(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;

	if (config->plan.count > 0)
		return conf_error(node, error, "default is said twice");
	for (size_t n = 1; n < node->count; n++)
		if (plan_add_drop(&config->plan, (struct span){ node->words[n].text, node->words[n].len }) < 0)
			return conf_error(node, error, errno == EINVAL ? "expected a drop such as local:inbox, not %s" : "%s: one drop too many",
			    node->words[n].text);
	return 0;
}

/* postmaster local:inbox */
static int
handle_postmaster(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;
	struct span drop = { node->words[1].text, node->words[1].len }, name, rest;

	if (config->plan.postmaster.len > 0)
		return conf_error(node, error, "postmaster is said twice");
	if (!text_is_clean(drop, PLAN_DROP_LEN) || !plan_split(drop, &name, &rest))
		return conf_error(node, error, "expected a drop such as local:inbox, not %s", node->words[1].text);
	config->postmaster_line = node->line;
	return str_set(&config->plan.postmaster, drop) < 0 ? conf_error(node, error, "no memory") : 0;
}

/* aliases /etc/aliases /etc/aliases.d/lists */
static int
handle_aliases(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;
	struct str why = STR_INIT(16384);
	int result = 0;

	if (config->plan.aliases == NULL && (config->plan.aliases = alias_table_new(&config->inputs)) == NULL)
		return conf_error(node, error, "no memory");
	for (size_t n = 1; n < node->count && result == 0; n++) {
		const char *path = conf_path(&node->words[n]);

		if (path == NULL)
			result = conf_error(node, error, "expected a file; one with blanks in its name must be quoted");
		else if (alias_table_load(config->plan.aliases, path, &why) < 0)
			result = conf_error(node, error, "%s", why.data);
	}
	str_free(&why);
	return result;
}

/* forward /etc/deaddrop/forward local:folder */
static int
handle_forward(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;
	struct alias_drops *drops = &config->forward_drops;
	const char *path = conf_path(&node->words[1]);

	if (config->forward.len > 0)
		return conf_error(node, error, "forward is said twice");
	if (path == NULL || path[0] != '/')
		return conf_error(node, error, "expected a directory; one with blanks in its name must be quoted");
	config->forward_line = node->line;
	for (size_t n = 2; n < node->count; n++) {
		struct span drop = { node->words[n].text, node->words[n].len }, name, rest;

		if (!text_is_clean(drop, PLAN_DROP_LEN) || !plan_split(drop, &name, &rest))
			return conf_error(node, error, "expected a drop such as local:folder, not %s", node->words[n].text);
		drops->all[drops->count] = (struct str)STR_INIT(PLAN_DROP_LEN);
		if (str_add_span(&drops->all[drops->count++], drop) < 0)
			return conf_error(node, error, "no memory");
	}
	return str_add(&config->forward, path) < 0 ? conf_error(node, error, "no memory") : 0;
}

/* local mail.example.org: more names of this host */
static int
handle_local(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;

	for (size_t n = 1; n < node->count; n++)
		if (plan_add_local(&config->plan, (struct span){ node->words[n].text, node->words[n].len }) < 0)
			return conf_error(node, error, "%s: one name too many", node->words[n].text);
	return 0;
}

static int
handle_route(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;

	if (config->plan.routes == NULL && (config->plan.routes = route_list_new(&config->inputs)) == NULL)
		return conf_error(node, error, "no memory");
	return route_list_add(config->plan.routes, node, error);
}

static int
handle_filter(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;

	if (config->plan.filters == NULL && (config->plan.filters = filter_list_new()) == NULL)
		return conf_error(node, error, "no memory");
	return filter_list_add(config->plan.filters, node, error);
}

/* bounce limit 300 return 1M delay 4h local */
static int
handle_bounce(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;

	for (size_t n = 1; n < node->count; n++) {
		const char *word = node->words[n].text;
		const struct conf_word *value = n + 1 < node->count ? &node->words[n + 1] : NULL;

		if (strcmp(word, "local") == 0) {
			config->bounce.local = true;
			continue;
		}
		n++;
		if (strcmp(word, "limit") == 0 && value != NULL && conf_number(value, 100000, &config->bounce.limit) == 0)
			continue;
		if (strcmp(word, "return") == 0 && value != NULL && conf_bytes(value, &config->bounce.largest) == 0
		    && config->bounce.largest <= 16U * 1024 * 1024)
			continue;
		if (strcmp(word, "delay") == 0 && word_duration(node, n, &config->retry.warn, error) == 0)
			continue;
		return error->len > 0 ? -1 : conf_error(node, error,
		    "expected limit and a number to 100000, return and a size to 16M, delay and a time, or local, not \"%s\"", word);
	}
	return 0;
}

static int
handle_limit(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *config = arg;

	return drop_rule_add(&config->limits, node, error);
}

static const struct conf_verb verbs[] = {
	{ "aliases", 1, 64, false, handle_aliases },
	{ "bounce", 1, 7, false, handle_bounce },
	{ "default", 1, PLAN_DROPS_MAX, false, handle_default },
	{ "filter", 3, CONF_MANY, false, handle_filter },
	{ "forward", 1, 1 + ALIAS_FORWARD_DROPS, false, handle_forward },
	{ "limit", 3, 7, false, handle_limit },
	{ "local", 1, 1000, false, handle_local },
	{ "postmaster", 1, 1, false, handle_postmaster },
	{ "retry", 1, RETRY_WAITS_MAX + 2, false, handle_retry },
	{ "route", 3, CONF_MANY, false, handle_route },
	{ .name = NULL },
};

static int
read_forward(struct config *config, const char *file, struct str *error)
{
	struct str why = STR_INIT(8192);
	int result = -1;

	if (config->plan.aliases == NULL)
		config->plan.aliases = alias_table_new(&config->inputs);
	if (config->plan.aliases != NULL)
		result = alias_table_forward(config->plan.aliases, config->forward.data, &config->forward_drops, &config->notes, &why);
	if (result < 0)
		str_printf(error, "%s:%u: %s", file, config->forward_line, why.len > 0 ? why.data : "no memory");
	str_free(&why);
	return result;
}

static int
read_file(struct config *config, const char *file, struct str *error)
{
	struct str text = STR_INIT(CONF_FILE_MAX + 65536U);
	struct conf *conf = NULL;
	int result;

	if (inputs_read(&config->inputs, "config", file, &text, error) == 0)
		conf = conf_parse(file, str_span(&text), error);
	str_free(&text);
	if (conf == NULL)
		return -1;
	result = conf_walk(conf->first, verbs, config, error);
	conf_free(conf);
	if (result == 0 && config->bounce.local && config->plan.postmaster.len == 0) {
		str_cut(error, 0);
		str_printf(error, "%s: expected postmaster and a drop, for bounce local sends reports there", file);
		result = -1;
	}
	if (result == 0 && config->plan.aliases != NULL)
		result = alias_table_finish(config->plan.aliases, &config->plan, error);
	return result == 0 && config->forward.len > 0 ? read_forward(config, file, error) : result;
}

/* The host's names. */
static int
take_names(struct config *config)
{
	struct plan *plan = &config->plan;
	struct span value;

	if (inputs_again(&config->inputs)) {
		if (!inputs_find(&config->inputs, "host", "", &value) || str_add_span(&plan->host, value) < 0)
			return -1;
		return inputs_find(&config->inputs, "names", "", &value) ? str_add_span(&plan->locals, value) : -1;
	}
	if (host_mail_name(&plan->host) < 0 || local_names(plan) < 0)
		return -1;
	return inputs_keep(&config->inputs, "host", "", str_span(&plan->host)) < 0 ? -1 : inputs_keep(&config->inputs, "names", "", str_span(&plan->locals));
}

int
config_load(struct config *config, const char *file, struct str *error)
{
	if (take_names(config) < 0 || inputs_keep(&config->inputs, "file", "config", span_of(file != NULL ? file : "")) < 0)
		goto no_memory;
	if (file != NULL && read_file(config, file, error) < 0)
		return -1;
	config->least_wait = route_list_least_after(config->plan.routes, config->retry.until);
	if (config->retry.warn > 0 && config->retry.warn < config->least_wait)
		config->least_wait = config->retry.warn;
	if (plan_default(&config->plan) == 0)
		return 0;
no_memory:
	str_cut(error, 0);
	str_add(error, "no memory");
	return -1;
}

int
config_load_again(struct config *config, struct str *text, struct str *error)
{
	struct str file = STR_INIT(8192);
	struct span value;
	int result = -1;

	str_free(&config->inputs.text);
	config->inputs.text = *text;
	*text = (struct str)STR_INIT(0);
	config->inputs.again = true;
	if (inputs_find(&config->inputs, "file", "config", &value) && str_add_span(&file, value) == 0)
		result = config_load(config, file.len > 0 ? file.data : NULL, error);
	else
		str_printf(error, "it does not name a configuration");
	str_free(&file);
	return result;
}

int
config_drops(const struct config *config, int (*see)(void *arg, const char *file, unsigned line, struct span drop), void *arg)
{
	const struct plan *plan = &config->plan;

	for (size_t i = 0; i < plan->count; i++)
		if (see(arg, NULL, 0, str_span(&plan->drops[i])) < 0)
			return -1;
	if (plan->postmaster.len > 0 && see(arg, NULL, config->postmaster_line, str_span(&plan->postmaster)) < 0)
		return -1;
	for (size_t i = 0; i < config->limits.count; i++)
		if (see(arg, NULL, 0, str_span(&config->limits.all[i].name)) < 0)
			return -1;
	for (size_t i = 0; i < config->forward_drops.count; i++)
		if (see(arg, NULL, config->forward_line, str_span(&config->forward_drops.all[i])) < 0)
			return -1;
	return route_list_drops(plan->routes, see, arg) < 0 ? -1 : alias_table_drops(plan->aliases, see, arg);
}
