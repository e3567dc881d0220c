/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drop.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "jail.h"
#include "maildir.h"

#define FOLDER_MAX 200			/* bytes of a folder's name: with a dot and a reader's additions it stays below NAME_MAX */

const struct drop_kind *const drop_kinds[] = { &maildir_kind, NULL };

static void free_one(struct drop *drop)
{
	if (!drop)
		return;
	free(drop->name);
	free(drop->path);
	free(drop->folder);
	free(drop);
}

void drop_free(struct drop_table *table)
{
	for (struct drop *next, *drop = table->first; drop; drop = next) {
		next = drop->next;
		free_one(drop);
	}
	free(table->source);
	*table = (struct drop_table){ 0 };
}

static bool name_is_fit(struct span name)
{
	if (!name.len || name.len > DROP_NAME_MAX || *name.data == '-' || *name.data == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		if (c <= ' ' || c == '/' || c == ':' || c == 0x7f)
			return false;
	}
	return true;
}

static struct drop *find_name(const struct drop_table *table, struct span name)
{
	for (struct drop *drop = table->first; drop; drop = drop->next)
		if (span_is(name, drop->name))
			return drop;
	return NULL;
}

/* Last, so that --check reports them in the file's order. */
static void append(struct drop_table *table, struct drop *drop)
{
	struct drop **end = &table->first;

	while (*end)
		end = &(*end)->next;
	*end = drop;
}

static struct drop *new_drop(const char *name, const struct drop_kind *kind, const char *path)
{
	struct drop *drop = calloc(1, sizeof *drop);

	if (!drop)
		return NULL;
	drop->kind = kind;
	drop->mode = DROP_MODE;
	drop->name = strdup(name);
	drop->path = strdup(path);
	if (drop->name && drop->path)
		return drop;
	free_one(drop);
	return NULL;
}

static const struct drop_kind *find_kind(const char *name)
{
	for (size_t i = 0; drop_kinds[i]; i++)
		if (!strcmp(drop_kinds[i]->name, name))
			return drop_kinds[i];
	return NULL;
}

static int parse_option(struct drop *drop, const struct conf_node *node, size_t at, struct str *error)
{
	const struct drop_option *option = drop->kind->options;

	while (option->name && strcmp(option->name, node->words[at].text))
		option++;
	if (!option->name)
		return conf_error(node, error, "a %s drop has no option %s", drop->kind->name, node->words[at].text);
	if (at + 1 == node->count)
		return conf_error(node, error, "%s wants a value", option->name);
	return option->parse(drop, node, &node->words[at + 1], error);
}

static int finish_drop(struct drop_table *table, struct drop *drop, const struct conf_node *node, struct str *error)
{
	if (*drop->path != '/')
		return conf_error(node, error, "drop %s: an absolute path was expected, not %s", drop->name, drop->path);
	drop->inside = jail_inside(table->chroot, drop->path);
	if (!drop->inside)
		return conf_error(node, error, "drop %s: %s lies outside the chroot %s", drop->name, drop->path, table->chroot);
	for (size_t at = 4; at < node->count; at += 2)
		if (parse_option(drop, node, at, error) < 0)
			return -1;
	return 0;
}

/* drop NAME KIND PATH [OPTION VALUE]... */
static int handle_drop(void *arg, const struct conf_node *node, struct str *error)
{
	struct drop_table *table = arg;
	const char *name = node->words[1].text;
	const struct drop_kind *kind = find_kind(node->words[2].text);
	struct drop *drop;

	if (!name_is_fit(span_of(name)))
		return conf_error(node, error, "%s: a drop's name has no blank, slash or colon and begins with neither - nor .", name);
	if (find_name(table, span_of(name)))
		return conf_error(node, error, "there is a drop %s already", name);
	if (!kind)
		return conf_error(node, error, "no kind of drop is called %s; maildir was expected", node->words[2].text);
	drop = new_drop(name, kind, node->words[3].text);
	if (!drop)
		return conf_error(node, error, "%s", strerror(ENOMEM));
	if (finish_drop(table, drop, node, error) < 0) {
		free_one(drop);
		return -1;
	}
	append(table, drop);
	return 0;
}

int drop_read(struct drop_table *table, const char *file, struct str *error)
{
	static const struct conf_verb verbs[] = {
		{ "drop", 3, 64, false, handle_drop },
		{ NULL, 0, 0, false, NULL },
	};
	struct conf *conf = conf_load(file, error);
	int result;

	if (!conf)
		return -1;
	table->source = strdup(file);
	result = table->source ? conf_walk(conf->first, verbs, table, error) : -1;
	if (!result && !table->first) {
		str_cut(error, 0);
		str_printf(error, "%s: there is no drop; a line like \"drop inbox maildir /var/mail/Maildir\" was expected", file);
		result = -1;
	}
	conf_free(conf);
	return result;
}

int drop_add_maildir(struct drop_table *table, const char *name, const char *path, mode_t mode, struct str *error)
{
	struct str host = STR_INIT(65536);
	struct drop *drop = NULL;

	if (table->chroot && *path != '/')
		str_printf(&host, "%s/", table->chroot);
	if (!str_add(&host, path))
		drop = new_drop(name, &maildir_kind, host.data);
	str_free(&host);
	if (!drop) {
		str_add(error, strerror(ENOMEM));
		return -1;
	}
	drop->mode = mode;
	drop->inside = jail_inside(table->chroot, drop->path);
	if (!drop->inside) {
		str_printf(error, "%s lies outside the chroot %s", path, table->chroot);
		free_one(drop);
		return -1;
	}
	append(table, drop);
	if (!table->source)
		table->source = strdup("the command line");
	return table->source ? 0 : -1;
}

const struct drop *drop_find(const struct drop_table *table, struct span target)
{
	struct span name;

	return span_word(&target, '/', &name) ? find_name(table, name) : NULL;
}

bool drop_argument(struct span target, struct span *argument)
{
	const char *slash = target.len ? memchr(target.data, '/', target.len) : NULL;

	if (!slash)
		return false;
	*argument = span_skip(target, (size_t)(slash - target.data) + 1);
	return true;
}

/* An argument was captured from an address that anybody may have made up. */
static bool argument_is_safe(const struct drop *drop, struct span argument)
{
	if (!argument.len || argument.len > FOLDER_MAX || *argument.data == '-' || *argument.data == '.')
		return false;
	for (size_t i = 0; i < argument.len; i++) {
		unsigned char c = (unsigned char)argument.data[i];

		if (c < ' ' || c == 0x7f || c == '/')
			return false;
		if (c == '.' && (!drop->nested || i + 1 == argument.len || argument.data[i + 1] == '.'))
			return false;
	}
	return true;
}

static int put_folder(const struct drop *drop, struct span argument, struct str *out)
{
	const char *from = drop->folder;

	for (const char *mark; (mark = strstr(from, "$1")); from = mark + 2)
		if (str_append(out, from, (size_t)(mark - from)) < 0 || str_add_span(out, argument) < 0)
			return -1;
	return str_add(out, from);
}

int drop_folder(const struct drop *drop, struct span target, struct str *out, struct outcome *why)
{
	struct span argument = span_of("");
	bool given = drop_argument(target, &argument);
	bool wanted = drop->folder && strstr(drop->folder, "$1");

	if (given && !wanted) {
		outcome_set(why, OUTCOME_LATER, "4.3.5", "drop %s takes no argument", drop->name);
		return -1;
	}
	if (wanted && !given) {
		outcome_set(why, OUTCOME_LATER, "4.3.5", "drop %s wants an argument", drop->name);
		return -1;
	}
	if (wanted && !argument_is_safe(drop, argument)) {
		outcome_set(why, OUTCOME_NEVER, "5.1.3", "not to be used as a folder's name: %.*s", (int)argument.len, argument.data);
		return -1;
	}
	if (!drop->folder)
		return 0;
	if (put_folder(drop, argument, out) < 0 || out->len > FOLDER_MAX) {
		outcome_set(why, OUTCOME_NEVER, "5.1.3", "the folder's name is too long");
		return -1;
	}
	return 0;
}

/* What is not the argument must itself be fit for a folder's name: checked with a harmless argument in its place. */
int drop_parse_folder(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	const char *at = value->text;
	bool bad = !*at || *at == '.' || *at == '-' || strchr(at, '/') || strstr(at, "..") || value->len > FOLDER_MAX;

	for (; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f || (*at == '$' && at[1] != '1'))
			bad = true;
	if (bad || at[-1] == '.')
		return conf_error(node, error, "folder: a name like lists.$1 was expected, without slash and empty parts");
	free(drop->folder);
	drop->folder = strdup(value->text);
	return drop->folder ? 0 : conf_error(node, error, "%s", strerror(ENOMEM));
}

int drop_parse_nested(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	return conf_bool(value, &drop->nested) < 0 ? conf_error(node, error, "nested: yes or no was expected") : 0;
}

int drop_parse_group(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	const struct group *group = getgrnam(value->text);
	uint64_t number;

	if (group)
		drop->group = group->gr_gid;
	else if (!span_decimal(span_of(value->text), (gid_t)-2, &number))
		drop->group = (gid_t)number;
	else
		return conf_error(node, error, "there is no group %s", value->text);
	drop->has_group = true;
	return 0;
}

int drop_parse_mode(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	if (conf_mode(value, &drop->mode) < 0 || drop->mode & ~(mode_t)0666 || (drop->mode & 0600) != 0600)
		return conf_error(node, error, "mode: one from 0600 to 0666 was expected, like 0660");
	return 0;
}
