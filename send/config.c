/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "conf.h"
#include "config.h"

#define LONGEST (366 * 86400 * CLOCK_SECOND)	/* no wait and no limit beyond it: it keeps sums of waits far from overflow */

void
config_init(struct config *config)
{
	retry_default(&config->retry);
	plan_init(&config->plan);
	config->has_retry = false;
}

void
config_free(struct config *config)
{
	plan_free(&config->plan);
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
	struct retry r = { .until = config->retry.until };

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

static const struct conf_verb verbs[] = {
	{ "default", 1, PLAN_DROPS_MAX, false, handle_default },
	{ "retry", 1, RETRY_WAITS_MAX + 2, false, handle_retry },
	{ .name = NULL },
};

int
config_load(struct config *config, const char *file, struct str *error)
{
	if (file != NULL) {
		struct conf *conf = conf_load(file, error);
		int result;

		if (conf == NULL)
			return -1;
		result = conf_walk(conf->first, verbs, config, error);
		conf_free(conf);
		if (result < 0)
			return -1;
	}
	if (plan_default(&config->plan) < 0) {
		str_cut(error, 0);
		str_add(error, "no memory");
		return -1;
	}
	return 0;
}
