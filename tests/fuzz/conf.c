/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as a configuration.  It ends in a tree or in an error that names file and line; each word can be asked for every kind of value,
 * and the tree stays within its limits.
 */
#include <stdlib.h>
#include <string.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_word(const struct conf_word *word)
{
	uint64_t number;
	mode_t mode;
	bool yes;

	if (strlen(word->text) != word->len || word->raw == NULL)
		abort();
	(void)conf_path(word);
	(void)conf_is_pattern(word);
	if (conf_number(word, 1000, &number) == 0 && number > 1000)
		abort();
	(void)conf_bytes(word, &number);
	(void)conf_duration(word, &number);
	if (conf_mode(word, &mode) == 0 && (mode & ~(mode_t)07777) != 0)
		abort();
	(void)conf_bool(word, &yes);
}

static void
walk(const struct conf_node *node, unsigned depth)
{
	if (depth > CONF_DEPTH_MAX)
		abort();
	for (; node != NULL; node = node->next) {
		if (node->count == 0 || node->count > CONF_WORDS_MAX || node->line == 0 || (node->children != NULL && !node->group))
			abort();
		for (size_t i = 0; i < node->count; i++)
			try_word(&node->words[i]);
		walk(node->children, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_verb verbs[] = { { "drop", 1, CONF_MANY, true, NULL }, { NULL, 0, 0, false, NULL } };
	struct str error = STR_INIT(64 * 1024);
	struct conf *conf = conf_parse("f", (struct span){ (const char *)data, size }, &error);

	if (conf == NULL && (error.len < 5 || memcmp(error.data, "f:", 2) != 0))
		abort();
	if (conf != NULL) {
		walk(conf->first, 0);
		/* A table that knows one verb: all else is an error with a place, and this one is cut away before its function would be called. */
		if (conf->first != NULL && strcmp(conf->first->words[0].text, "drop") != 0 &&
		    (conf_walk(conf->first, verbs, NULL, &error) == 0 || memcmp(error.data, "f:", 2) != 0))
			abort();
	}
	conf_free(conf);
	str_free(&error);
	return 0;
}
