/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "exposed.h"

#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#define PLACE_MAX 4096

/* Root's group is no more than root. */
static bool is_private(const struct exposed *exposed, const struct stat *about)
{
	bool ours = about->st_gid == 0 || about->st_gid == exposed->group;

	return !S_ISREG(about->st_mode) || (about->st_mode & (ours ? 0026U : 0066U)) == 0;
}

static void add_who(struct str *line, const struct stat *about)
{
	const struct group *group;

	if ((about->st_mode & 06) != 0) {
		(void)str_add(line, "everybody");
		return;
	}
	group = getgrgid(about->st_gid);
	if (group != NULL)
		(void)str_printf(line, "group %s", group->gr_name);
	else
		(void)str_printf(line, "group %lu", (unsigned long)about->st_gid);
}

/* Once for each file: many accounts may share one. */
static bool is_told(const struct exposed *exposed, const char *path)
{
	struct str end = STR_INIT(2 * PLACE_MAX);
	bool told = str_printf(&end, " chmod 0600 %s\n", path) == 0 && strstr(exposed->lines.data, end.data) != NULL;

	str_free(&end);
	return told;
}

void exposed_file(struct exposed *exposed, const char *where, const char *path)
{
	struct str line = STR_INIT(4 * PLACE_MAX);
	struct stat about;

	if (stat(path, &about) < 0 || is_private(exposed, &about) || is_told(exposed, path))
		return;
	(void)str_printf(&line, "%s: %s is for its owner alone, but can be %s by ", where, path, (about.st_mode & 044) != 0 ? "read" : "changed");
	add_who(&line, &about);
	(void)str_printf(&line, " (mode %04o): chmod 0600 %s\n", (unsigned)about.st_mode & 07777, path);
	(void)str_add_span(&exposed->lines, str_span(&line));
	str_free(&line);
}

static bool has_sibling(const struct conf_node *first, const char *directive)
{
	for (; first != NULL; first = first->next)
		if (directive != NULL && strcmp(first->words[0].text, directive) == 0)
			return true;
	return false;
}

static void look_at(struct exposed *exposed, const struct conf_node *node, size_t word)
{
	const char *file = node->conf->file, *slash = strrchr(file, '/');
	const char *path = word == 0 ? file : word < node->count ? conf_path(&node->words[word]) : NULL;
	struct str where = STR_INIT(PLACE_MAX), full = STR_INIT(PLACE_MAX);

	if (path == NULL)
		return;
	(void)str_printf(&where, "%s:%u", file, node->line);
	if (word != 0 && path[0] != '/' && slash != NULL)
		(void)str_append(&full, file, (size_t)(slash - file) + 1);
	if (str_add(&full, path) == 0)
		exposed_file(exposed, where.data, full.data);
	str_free(&where);
	str_free(&full);
}

/* As deep as the grammar allows groups within groups. */
static void walk(struct exposed *exposed, const struct conf_node *first, const struct exposed_rule *rules)
{
	for (const struct conf_node *node = first; node != NULL; node = node->next) {
		for (const struct exposed_rule *rule = rules; rule->directive != NULL; rule++)
			if (strcmp(node->words[0].text, rule->directive) == 0 && !has_sibling(first, rule->unless))
				look_at(exposed, node, rule->word);
		walk(exposed, node->children, rules);
	}
}

void exposed_look(struct exposed *exposed, const struct conf *conf, const struct exposed_rule *rules)
{
	walk(exposed, conf->first, rules);
}
