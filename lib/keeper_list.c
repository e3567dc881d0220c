/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "keeper_internal.h"

#define VECTOR_MAX 256
#define VALUE_MAX 4096

struct keeper_list *keeper_list_new(void)
{
	return calloc(1, sizeof (struct keeper_list));
}

static void free_vector(char *const *vector)
{
	for (size_t i = 0; vector != NULL && vector[i] != NULL; i++)
		free(vector[i]);
	free((void *)(uintptr_t)vector);
}

static void free_item(struct keeper_item *item)
{
	free(item->path);
	free_vector(item->command.argv);
	free_vector(item->command.env);
	free_vector(item->command.env_names);
	free((void *)(uintptr_t)item->command.directory);
}

void keeper_list_free(struct keeper_list *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		free_item(&list->items[i]);
	free(list);
}

/* NULL is copied as an empty vector. */
static char *const *copy_vector(char *const *vector)
{
	size_t count = 0;
	char **copy;

	while (vector != NULL && vector[count] != NULL)
		count++;
	if (count > VECTOR_MAX) {
		errno = E2BIG;
		return NULL;
	}
	copy = calloc(count + 1, sizeof *copy);
	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = strdup(vector[i]);
		if (copy[i] == NULL) {
			free_vector(copy);
			copy = NULL;
		}
	}
	if (copy == NULL)
		errno = ENOMEM;
	return copy;
}

/* Takes the item over, or frees what it holds. */
static int add(struct keeper_list *list, struct keeper_item *item)
{
	int why;

	if (item->path != NULL && list->count < KEEPER_ITEMS_MAX) {
		list->items[list->count] = *item;
		return (int)list->count++;
	}
	why = item->path == NULL ? ENOMEM : ENOSPC;
	free_item(item);
	errno = why;
	return -1;
}

int keeper_add_file(struct keeper_list *list, const char *path, int flags, mode_t mode)
{
	struct keeper_item item = { .verb = KEEPER_OPEN, .flags = flags, .mode = mode };

	if (path[0] != '/' || (flags != O_RDONLY && flags != (O_WRONLY | O_APPEND | O_CREAT))) {
		errno = EINVAL;
		return -1;
	}
	item.path = strdup(path);
	return add(list, &item);
}

int keeper_add_socket(struct keeper_list *list, const char *path)
{
	struct keeper_item item = { .verb = KEEPER_CONNECT };

	if (path[0] != '/' || strlen(path) >= sizeof ((struct sockaddr_un *)NULL)->sun_path) {
		errno = path[0] != '/' ? EINVAL : ENAMETOOLONG;
		return -1;
	}
	item.path = strdup(path);
	return add(list, &item);
}

static int add_command(struct keeper_list *list, struct keeper_item *item, const struct keeper_command *command)
{
	const char *directory = command->directory != NULL ? command->directory : "/";

	if (directory[0] != '/' || (item->function == NULL && (command->argv == NULL || command->argv[0] == NULL || command->argv[0][0] != '/'))) {
		errno = EINVAL;
		return -1;
	}
	item->command = *command;
	item->command.argv = copy_vector(command->argv);
	item->command.env = copy_vector(command->env);
	item->command.env_names = copy_vector(command->env_names);
	item->command.directory = strdup(directory);
	if (item->command.argv != NULL && item->command.env != NULL && item->command.env_names != NULL && item->command.directory != NULL)
		item->path = strdup(item->function == NULL ? command->argv[0] : "");
	return add(list, item);
}

int keeper_add_command(struct keeper_list *list, const struct keeper_command *command)
{
	return add_command(list, &(struct keeper_item){ .verb = KEEPER_RUN }, command);
}

int keeper_add_recipient(struct keeper_list *list, const struct keeper_recipient *recipient)
{
	struct keeper_item item = { .verb = KEEPER_BECOME, .function = recipient->function, .arg = recipient->arg, .least_uid = recipient->least_uid };

	return add_command(list, &item, &recipient->command);
}

int keeper_allow_names(struct keeper_list *list)
{
	list->names = true;
	return 0;
}

void keeper_set_sandbox(struct keeper_list *list, enum sandbox_mode mode)
{
	list->sandbox = mode;
}

void keeper_set_forget(struct keeper_list *list, void (*fn)(void *arg), void *arg)
{
	list->forget = fn;
	list->forget_arg = arg;
}

bool keeper_list_empty(const struct keeper_list *list)
{
	return list->count == 0 && !list->names;
}

/* Environment of a request */

static bool is_named(const char *name, const char *string, size_t len)
{
	return strncmp(name, string, len) == 0 && name[len] == '\0';
}

/* A value that begins like a shell function has been one to some shells. */
static bool clean_value(const char *value)
{
	if (strlen(value) > VALUE_MAX || strncmp(value, "()", 2) == 0)
		return false;
	for (; *value != '\0'; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	return true;
}

bool keeper_list_clean(char *const *names, char *const *env, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strcspn(env[i], "=");
		bool known = false;

		for (size_t k = 0; names[k] != NULL && !known; k++)
			known = is_named(names[k], env[i], len);
		if (!known || env[i][len] != '=' || !clean_value(env[i] + len + 1))
			return false;
		for (size_t k = 0; k < i; k++)
			if (strncmp(env[k], env[i], len + 1) == 0)
				return false;
	}
	return true;
}
