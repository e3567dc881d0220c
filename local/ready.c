/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ready.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "pipe.h"

/* The stage must be a member of a drop's group to give files to it. */
static int join_group(struct jail *jail, const struct drop *drop, struct str *error)
{
	if (!jail->change_user || !drop->has_group || drop->group == jail->gid)
		return 0;
	for (size_t i = 0; i < jail->group_count; i++)
		if (jail->groups[i] == drop->group)
			return 0;
	if (jail->group_count == sizeof jail->groups / sizeof jail->groups[0]) {
		str_printf(error, "drop %s: too many groups", drop->name);
		return -1;
	}
	jail->groups[jail->group_count++] = drop->group;
	return 0;
}

/* Behind a chroot, where all is mail, the directory above: so a drop's directory that is replaced, or mounted anew, can be used again. */
static int allow_root(struct sandbox *box, const struct drop *drop, struct str *error)
{
	const char *path = drop->above ? drop->above : drop->inside;

	for (size_t i = 0; i < box->path_count; i++)
		if (!strcmp(box->paths[i].path, path))
			return 0;
	if (!sandbox_allow(box, path, SANDBOX_READ | SANDBOX_WRITE))
		return 0;
	str_printf(error, "drop %s: more than %d paths; put several drops below one", drop->name, SANDBOX_PATHS_MAX);
	return -1;
}

int ready_drop(const struct drop *drop, struct stage *stage, struct str *error)
{
	struct jail *jail = stage_jail(stage);
	struct drop_owner owner = { (uid_t)-1, (gid_t)-1 };

	if (!drop->inside)
		return 0;
	if (jail->change_user)
		owner = (struct drop_owner){ jail->uid, jail->gid };
	if (join_group(jail, drop, error) < 0 || allow_root(stage_sandbox(stage), drop, error) < 0)
		return EX_CONFIG;
	return drop->kind->prepare(drop, &owner, error) < 0 ? EX_CANTCREAT : 0;
}

/* A program runs as the stage's user where no other is named, and never as root. */
int ready_program(struct drop *drop, struct stage *stage, struct str *error)
{
	const struct jail *jail = stage_jail(stage);

	if (drop->kind != &pipe_kind || drop->as_recipient)
		return 0;
	if (!drop->pipe)
		drop->pipe = calloc(1, sizeof *drop->pipe);
	if (!drop->pipe)
		return str_add(error, strerror(ENOMEM)), -1;
	if (!drop->pipe->has_user && jail->change_user) {
		drop->pipe->has_user = true;
		drop->pipe->uid = jail->uid;
		drop->pipe->gid = jail->gid;
	}
	if (drop->pipe->has_user ? drop->pipe->uid : geteuid())
		return 0;
	str_printf(error, "drop %s: a program is not run as root: user NAME was expected", drop->name);
	return -1;
}

int ready_check(struct drop *drop, struct stage *stage, struct str *error)
{
	if (drop->as_recipient && geteuid() != 0)
		return str_printf(error, "drop %s: as recipient needs root", drop->name), EX_CONFIG;
	if (ready_program(drop, stage, error) < 0 ||
	    ((drop->inside || drop->kind == &pipe_kind) && drop->kind->check && drop->kind->check(drop, error) < 0))
		return EX_CONFIG;
	return 0;
}
