/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drop_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discard.h"
#include "files.h"
#include "jail.h"
#include "maildir.h"
#include "mbox.h"
#include "mh.h"
#include "pipe.h"
#include "recipient.h"

/* The last is no kind of its own, but how the others' jobs are done as the recipient: no line can name it. */
const struct drop_kind *const drop_kinds[] = {
	&maildir_kind, &mh_kind, &mbox_kind, &append_kind, &files_kind, &pipe_kind, &discard_kind, &recipient_kind, NULL
};

static void free_one(struct drop *drop)
{
	if (!drop)
		return;
	free(drop->name);
	free(drop->path);
	free(drop->root);
	free(drop->above);
	free(drop->folder);
	free(drop->unseen);
	pipe_free_options(drop->pipe);
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

static bool has_path(const struct drop_kind *kind)
{
	return kind->place == DROP_DIRECTORY || kind->place == DROP_FILE;
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
	drop->index = -1;
	drop->least_uid = DROP_LEAST_UID;
	drop->name = strdup(name);
	drop->path = strdup(path);
	if (drop->name && drop->path)
		return drop;
	free_one(drop);
	return NULL;
}

const struct drop_kind *drop_kind_named(const char *name)
{
	for (size_t i = 0; drop_kinds[i]; i++)
		if (drop_kinds[i] != &recipient_kind && !strcmp(drop_kinds[i]->name, name))
			return drop_kinds[i];
	return NULL;
}

/* A command becomes the recipient in the keeper's hands, without us. */
const struct drop_kind *drop_runner(const struct drop *drop)
{
	return drop->as_recipient && drop->kind != &pipe_kind ? &recipient_kind : drop->kind;
}

/* Splits the path into the directory to be opened and the file in it, where it names a file. */
static int split_path(struct drop *drop)
{
	char *slash;

	drop->leaf = NULL;
	drop->root = strdup(drop->path);
	if (!drop->root)
		return -1;
	if (drop->kind->place != DROP_FILE || drop->folder)
		return 0;
	drop->leaf = strrchr(drop->path, '/') + 1;
	slash = strrchr(drop->root, '/');
	slash[slash == drop->root] = '\0';
	return 0;
}

static int note_above(struct drop *drop)
{
	size_t len = strlen(drop->inside);

	while (len > 1 && drop->inside[len - 1] == '/')
		len--;
	while (len > 1 && drop->inside[len - 1] != '/')
		len--;
	drop->above = strndup(drop->inside, len);
	return drop->above ? 0 : -1;
}

/* What is wrong with the path, or NULL. */
static const char *place(struct drop *drop, const char *chroot, bool relative)
{
	if (!has_path(drop->kind))
		return NULL;
	if (drop->as_recipient && !strncmp(drop->path, "~/", 2))
		return drop->path[2] && strcmp(strrchr(drop->path, '/'), "/") ? NULL : "a path behind ~/ was expected";
	if (*drop->path != '/' && !relative)
		return drop->as_recipient ? "a path that begins with ~/ or / was expected" : "an absolute path was expected (~/ is for drops as recipient)";
	if (drop->as_recipient)
		return NULL;
	if (split_path(drop) < 0)
		return strerror(ENOMEM);
	if (drop->leaf && !*drop->leaf)
		return "a file's path was expected, not a directory's";
	drop->inside = jail_inside(chroot, drop->root);
	if (!drop->inside)
		return "it lies outside the chroot";
	return chroot && note_above(drop) < 0 ? strerror(ENOMEM) : NULL;
}

static const struct drop_option *find_in(const struct drop_option *option, const char *name)
{
	while (option && option->name && strcmp(option->name, name))
		option++;
	return option && option->name ? option : NULL;
}

static const struct drop_option *find_option(const struct drop_kind *kind, const char *name)
{
	const struct drop_option *option = find_in(kind->options, name);

	return option || !has_path(kind) ? option : find_in(drop_box_options, name);
}

static int parse_options(struct drop *drop, const struct conf_node *node, size_t at, struct str *error)
{
	for (; at < node->count; at += 2) {
		const char *name = node->words[at].text;
		const struct drop_option *option = find_option(drop->kind, name);

		if (!option)
			return conf_error(node, error, "a %s drop has no option %s", drop->kind->name, name);
		if (at + 1 == node->count)
			return conf_error(node, error, "%s wants a value", name);
		if (option->parse(drop, node, &node->words[at + 1], error) < 0)
			return -1;
	}
	return 0;
}

static int finish_drop(struct drop_table *table, struct drop *drop, const struct conf_node *node, struct str *error)
{
	size_t first = drop->kind->place == DROP_NOWHERE ? 3 : 4;
	const char *wrong;

	if (parse_options(drop, node, first, error) < 0)
		return -1;
	if (!drop->has_mode)
		drop->mode = drop->as_recipient ? DROP_OWN_MODE : DROP_MODE;
	wrong = place(drop, table->chroot, false);
	if (wrong)
		return conf_error(node, error, "drop %s: %s: %s%s%s", drop->name, drop->path, wrong, table->chroot ? "; the chroot is " : "",
		    table->chroot ? table->chroot : "");
	if (drop->as_recipient && drop->has_group)
		return conf_error(node, error, "drop %s: as recipient it belongs to her and her group", drop->name);
	return 0;
}

static int complain_of_kind(const struct conf_node *node, struct str *error)
{
	struct str names = STR_INIT(1024);
	int result;

	for (size_t i = 0; drop_kinds[i]; i++)
		if (drop_kinds[i] != &recipient_kind)
			str_printf(&names, "%s%s", i ? " " : "", drop_kinds[i]->name);
	result = conf_error(node, error, "no kind of drop is called %s; one of these was expected: %s", node->words[2].text, names.data);
	str_free(&names);
	return result;
}

/* drop NAME KIND [PATH or COMMAND] [OPTION VALUE]... */
static int handle_drop(void *arg, const struct conf_node *node, struct str *error)
{
	struct drop_table *table = arg;
	const char *name = node->words[1].text;
	const struct drop_kind *kind = drop_kind_named(node->words[2].text);
	bool has_place = kind && kind->place != DROP_NOWHERE;
	struct drop *drop;

	if (!name_is_fit(span_of(name)))
		return conf_error(node, error, "%s: a drop's name has no blank, slash or colon and begins with neither - nor .", name);
	if (find_name(table, span_of(name)))
		return conf_error(node, error, "there is a drop %s already", name);
	if (!kind)
		return complain_of_kind(node, error);
	if (has_place && node->count < 4)
		return conf_error(node, error, "drop %s: %s was expected behind %s", name, kind->place == DROP_COMMAND ? "a command" : "a path", kind->name);
	drop = new_drop(name, kind, has_place ? node->words[3].raw : "");
	if (!drop)
		return conf_error(node, error, "%s", strerror(ENOMEM));
	drop->line = node->line;
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
		{ "drop", 2, 64, false, handle_drop },
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

int drop_at_line(const struct drop_table *table, const struct drop *drop, int status, struct str *error)
{
	char *what = status && drop->line ? strdup(error->data) : NULL;

	if (what) {
		str_cut(error, 0);
		(void)str_printf(error, "%s:%u: %s", table->source, drop->line, what);
	}
	free(what);
	return status;
}

static struct drop *add(struct drop_table *table, struct drop *drop, struct str *error)
{
	const char *wrong = drop ? place(drop, table->chroot, true) : strerror(ENOMEM);

	if (!wrong && !table->source) {
		table->source = strdup("the command line");
		wrong = table->source ? NULL : strerror(ENOMEM);
	}
	if (wrong) {
		str_printf(error, "%s: %s%s%s", drop ? drop->path : "drop", wrong, table->chroot ? "; the chroot is " : "", table->chroot ? table->chroot : "");
		free_one(drop);
		return NULL;
	}
	append(table, drop);
	return drop;
}

struct drop *drop_add(struct drop_table *table, const char *name, const struct drop_kind *kind, const char *path, mode_t mode, struct str *error)
{
	struct str host = STR_INIT(65536);
	struct drop *drop = NULL;

	if (table->chroot && *path != '/')
		str_printf(&host, "%s/", table->chroot);
	else if (has_path(kind) && *path != '/')
		str_add(&host, "./");
	if (!str_add(&host, path))
		drop = new_drop(name, kind, host.data);
	str_free(&host);
	if (drop)
		drop->mode = mode;
	return add(table, drop, error);
}

struct drop *drop_at_home(struct drop_table *table, const struct drop *drop, const char *home, struct str *error)
{
	struct str path = STR_INIT(65536);
	struct drop *own = NULL;
	bool fits = strncmp(drop->path, "~/", 2) ? !str_add(&path, drop->path) : !str_printf(&path, "%s%s", home, drop->path + 1);

	if (fits)
		own = new_drop(drop->name, drop->kind, path.data);
	str_free(&path);
	if (own) {
		own->mode = drop->mode;
		own->nested = drop->nested;
		own->mboxo = drop->mboxo;
		own->lock_wait = drop->lock_wait;
		own->folder = drop->folder ? strdup(drop->folder) : NULL;
		own->unseen = drop->unseen ? strdup(drop->unseen) : NULL;
		if (!own->folder != !drop->folder || !own->unseen != !drop->unseen) {
			free_one(own);
			own = NULL;
		}
	}
	return add(table, own, error);
}

const struct drop *drop_of(const struct deliver_job *job)
{
	return job->data;
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
	if (!argument.len || argument.len > DROP_FOLDER_MAX || *argument.data == '-' || *argument.data == '.')
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
	if (put_folder(drop, argument, out) < 0 || out->len > DROP_FOLDER_MAX) {
		outcome_set(why, OUTCOME_NEVER, "5.1.3", "the folder's name is too long");
		return -1;
	}
	return 0;
}
