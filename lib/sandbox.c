/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "sandbox_internal.h"

int sandbox_allow(struct sandbox *box, const char *path, unsigned access)
{
	if (box->path_count >= SANDBOX_PATHS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	box->paths[box->path_count++] = (struct sandbox_path){ path, access };
	return 0;
}

/* A path that is missing is an error without Landlock too: the same configuration must not work on one kernel and fail on the next. */
static int check_paths(const struct sandbox *box, struct str *error)
{
	for (size_t i = 0; i < box->path_count; i++) {
		struct stat about;

		if (stat(box->paths[i].path, &about) == 0)
			continue;
		int number = errno;
		(void)str_printf(error, "%s%s", box->paths[i].path, number == ENOENT ? " does not exist; make it with service/setup or mkdir" : ": ");
		if (number != ENOENT)
			(void)str_add(error, strerror(number));
		errno = number;
		return -1;
	}
	return 0;
}

int sandbox_enter(const struct sandbox *box, int *landlock, struct str *error)
{
	int abi = 0;

	if (landlock != NULL)
		*landlock = 0;
	if (box->mode == SANDBOX_OFF)
		return 0;
	if (check_paths(box, error) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0) {
		(void)str_printf(error, "no_new_privs: %s", strerror(errno));
		return -1;
	}
	/* Landlock cannot only log; and what children may need to read is not known. */
	if (box->mode == SANDBOX_ON && (box->needs & SANDBOX_CHILDREN) == 0)
		abi = sandbox_landlock_enter(box, error);
	if (abi < 0 || sandbox_seccomp_enter(box->mode, box->needs, error) < 0)
		return -1;
	if (landlock != NULL)
		*landlock = abi;
	return 0;
}

int sandbox_parse_mode(const char *text, enum sandbox_mode *mode)
{
	static const struct { const char *name; enum sandbox_mode mode; } modes[] = {
		{ "on", SANDBOX_ON }, { "log", SANDBOX_LOG }, { "off", SANDBOX_OFF },
	};

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		if (strcmp(text, modes[i].name) == 0) {
			*mode = modes[i].mode;
			return 0;
		}
	}
	errno = EINVAL;
	return -1;
}
