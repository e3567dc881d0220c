/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper's own sandbox.  A filter and a Landlock domain are inherited through exec and can never be left: where the list has commands there is none, for what a command
 * of the operator's needs nobody knows; the processes that resolve names have theirs even there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper_internal.h"

/* Landlock's paths, and whose memory they are in */
struct places {
	struct sandbox box;
	char *texts[SANDBOX_PATHS_MAX];
	size_t count;
	bool full;
};

static bool has_commands(const struct keeper_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].verb == KEEPER_RUN || list->items[i].verb == KEEPER_BECOME)
			return true;
	return false;
}

/* Without its last component; of the last one "/" is left. */
static void cut_component(char *path)
{
	char *slash = strrchr(path, '/');

	slash[slash == path] = '\0';
}

/*
 * A rule belongs to a directory itself, not to its name, and the one that a token is in is made anew when the service that writes there starts again.  So the one above it is
 * allowed, if that is not the root, or the nearest one that is there.
 */
static int add_around(struct places *places, const char *path, unsigned access)
{
	char *directory = strdup(path), *above;
	struct stat about;

	if (directory == NULL)
		return -1;
	cut_component(directory);
	above = strdup(directory);
	if (above != NULL)
		cut_component(above);
	if (above == NULL || strcmp(above, "/") == 0) {
		free(above);
		above = directory;
	} else {
		free(directory);
	}
	while (strcmp(above, "/") != 0 && (stat(above, &about) < 0 || !S_ISDIR(about.st_mode)))
		cut_component(above);
	for (size_t i = 0; i < places->count; i++) {
		if (strcmp(places->texts[i], above) != 0)
			continue;
		places->box.paths[i].access |= access;
		free(above);
		return 0;
	}
	if (sandbox_allow(&places->box, above, access) < 0) {
		free(above);
		places->full = true;
		return 0;
	}
	places->texts[places->count++] = above;
	return 0;
}

/* As it is named, and, behind a link, as it is. */
static int add_file(struct places *places, const struct keeper_item *item)
{
	bool reading = item->flags == O_RDONLY;
	unsigned access = reading ? SANDBOX_READ : SANDBOX_WRITE;
	char *real = realpath(item->path, NULL);
	int result = add_around(places, item->path, access);

	places->box.needs |= reading ? SANDBOX_READING : SANDBOX_FILES;
	if (result == 0 && real != NULL && strcmp(real, item->path) != 0)
		result = add_around(places, real, access);
	free(real);
	return result;
}

/* Modules of the C library read what they like, and write nothing. */
static int add_names(struct places *places)
{
	places->box.needs |= SANDBOX_INET | SANDBOX_NAMES | SANDBOX_READING;
	return sandbox_allow(&places->box, "/", SANDBOX_READ);
}

static int enter(struct places *places, struct str *error)
{
	/* more directories than there is room for */
	if (places->full) {
		places->box.paths[0] = (struct sandbox_path){ "/", SANDBOX_READ | ((places->box.needs & SANDBOX_FILES) != 0 ? SANDBOX_WRITE : 0) };
		places->box.path_count = 1;
	}
	return sandbox_enter(&places->box, NULL, error);
}

static int leave(struct places *places, int result)
{
	for (size_t i = 0; i < places->count; i++)
		free(places->texts[i]);
	free(places);
	return result;
}

static struct places *begin(const struct keeper_list *list, unsigned needs)
{
	struct places *places = calloc(1, sizeof *places);

	if (places != NULL)
		places->box = (struct sandbox){ .mode = list->sandbox, .needs = needs };
	return places;
}

int keeper_child_sandbox(const struct keeper_list *list, struct str *error)
{
	struct places *places;
	int result = 0;

	if (has_commands(list))
		return 0;
	places = begin(list, SANDBOX_UNIX | (list->names && geteuid() == 0 ? SANDBOX_BECOME : 0));
	if (places == NULL) {
		(void)str_printf(error, "keeper: %s", strerror(ENOMEM));
		return -1;
	}
	for (size_t i = 0; i < list->count && result == 0; i++)
		if (list->items[i].verb == KEEPER_OPEN)
			result = add_file(places, &list->items[i]);
	if (result == 0 && list->names && add_names(places) < 0)
		places->full = true;
	if (result < 0)
		(void)str_printf(error, "keeper: %s", strerror(errno));
	else
		result = enter(places, error);
	return leave(places, result);
}

int keeper_child_sandbox_names(const struct keeper_list *list)
{
	struct str error = STR_INIT(1024);
	struct places *places;
	int result;

	if (!has_commands(list))
		return 0;		/* it has inherited the keeper's */
	places = begin(list, SANDBOX_UNIX);
	result = places == NULL || add_names(places) < 0 ? -1 : enter(places, &error);
	if (places != NULL)
		(void)leave(places, 0);
	str_free(&error);
	return result;
}
