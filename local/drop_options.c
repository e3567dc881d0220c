/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options of drops that several kinds share. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "drop_internal.h"

/* What is not the argument must itself be fit for a folder's name: checked with a harmless argument in its place. */
static int parse_folder(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	const char *at = value->text;
	bool bad = !*at || *at == '.' || *at == '-' || strchr(at, '/') || strstr(at, "..") || value->len > DROP_FOLDER_MAX;

	for (; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f || (*at == '$' && at[1] != '1'))
			bad = true;
	if (bad || at[-1] == '.')
		return conf_error(node, error, "folder: a name like lists.$1 was expected, without slash and empty parts");
	free(drop->folder);
	drop->folder = strdup(value->text);
	return drop->folder ? 0 : conf_error(node, error, "%s", strerror(ENOMEM));
}

static int parse_nested(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	return conf_bool(value, &drop->nested) < 0 ? conf_error(node, error, "nested: yes or no was expected") : 0;
}

static int parse_group(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
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

static int parse_mode(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	if (conf_mode(value, &drop->mode) < 0 || drop->mode & ~(mode_t)0666 || (drop->mode & 0600) != 0600)
		return conf_error(node, error, "mode: one from 0600 to 0666 was expected, like 0660");
	drop->has_mode = true;
	return 0;
}

int drop_parse_as(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	if (strcmp(value->text, "recipient"))
		return conf_error(node, error, "as: recipient was expected");
	drop->as_recipient = true;
	return 0;
}

int drop_parse_least_uid(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	uint64_t number;

	if (conf_number(value, UINT32_MAX - 1, &number) < 0 || !number)
		return conf_error(node, error, "least-uid: a number from 1 was expected");
	drop->least_uid = (uid_t)number;
	return 0;
}

int drop_parse_lock(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	if (conf_duration(value, &drop->lock_wait) < 0 || !drop->lock_wait || drop->lock_wait > 3600 * CLOCK_SECOND)
		return conf_error(node, error, "lock: how long to wait, up to an hour, was expected, like 30s");
	return 0;
}

const struct drop_option drop_box_options[] = {
	{ "folder", parse_folder },
	{ "nested", parse_nested },
	{ "group", parse_group },
	{ "mode", parse_mode },
	{ "as", drop_parse_as },
	{ "least-uid", drop_parse_least_uid },
	{ NULL, NULL },
};
