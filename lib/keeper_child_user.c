/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Becoming a user whom a request named.  What looks her up is a process of its own that is still root and will be her: it has read no
 * mail, and a user database that hangs holds up
 * nobody else. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper_internal.h"

#define LOCAL_MAX 256

/* Anybody may have made the name up. */
static bool is_fit(const char *name)
{
	if (name[0] == '\0' || name[0] == '-' || name[0] == '.' || name[0] == '+' || strlen(name) > LOCAL_MAX)
		return false;
	for (; *name != '\0'; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f || *name == '/' || *name == ':')
			return false;
	return true;
}

static int keep(const struct passwd *found, struct keeper_user *user)
{
	user->uid = found->pw_uid;
	user->gid = found->pw_gid;
	if (str_add(&user->name, found->pw_name) < 0 || str_add(&user->home, found->pw_dir) < 0 ||
	    str_add(&user->shell, found->pw_shell[0] == '/' ? found->pw_shell : "/bin/sh") < 0)
		return errno;
	return 0;
}

/* 0, ESRCH, or EAGAIN where the database did not answer. */
static int look_up(const char *name, struct keeper_user *user)
{
	const struct passwd *found;

	errno = 0;
	found = getpwnam(name);
	if (found != NULL)
		return keep(found, user);
	/* What C libraries say when there is just no such user */
	return errno == 0 || errno == ENOENT || errno == ESRCH || errno == EBADF || errno == EPERM ? ESRCH : EAGAIN;
}

/* The name itself, then without its extension. */
static int look_up_both(const char *name, const char *local, struct keeper_user *user)
{
	char *cut;
	int why = look_up(name, user);
	size_t len = strcspn(name, "+");

	if (why != ESRCH || name[len] == '\0')
		return why;
	cut = strndup(name, len);
	if (cut == NULL)
		return ENOMEM;
	why = look_up(cut, user);
	free(cut);
	if (why == 0 && str_add(&user->extension, local + len + 1) < 0)
		return errno;
	return why;
}

static int find(const char *local, struct keeper_user *user)
{
	char *lower;
	int why;

	if (!is_fit(local))
		return ESRCH;
	why = look_up_both(local, local, user);
	if (why != ESRCH)
		return why;
	lower = strdup(local);
	if (lower == NULL)
		return ENOMEM;
	for (char *at = lower; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	why = strcmp(lower, local) == 0 ? ESRCH : look_up_both(lower, local, user);
	free(lower);
	return why;
}

int keeper_child_become(const char *local, uid_t least_uid, struct keeper_user *user)
{
	int why;

	*user = (struct keeper_user){ .name = STR_INIT(LOCAL_MAX), .home = STR_INIT(4096), .shell = STR_INIT(4096), .extension = STR_INIT(LOCAL_MAX) };
	why = find(local, user);
	if (why != 0)
		return why;
	if (user->uid == 0 || user->gid == 0 || user->uid < least_uid || user->uid == KEEPER_NOBODY)
		return EPERM;
	if (initgroups(user->name.data, user->gid) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 || setresuid(user->uid, user->uid, user->uid) < 0)
		return errno;
	if (getuid() != user->uid || geteuid() != user->uid || getegid() != user->gid || setuid(0) == 0)
		return EPERM;
	return user->home.data[0] != '/' ? ENOENT : chdir(user->home.data) < 0 ? errno : 0;
}

static char *variable(const char *name, const struct str *value)
{
	struct str text = STR_INIT(8192);

	return str_printf(&text, "%s=%s", name, value->data) < 0 ? NULL : text.data;
}

/* In the place of what the command's own environment says of her; the process goes before the strings do. */
int keeper_child_user_environment(const struct keeper_user *user, char **env)
{
	const struct { const char *name; const struct str *value; } facts[] = {
		{ "HOME", &user->home }, { "USER", &user->name }, { "LOGNAME", &user->name }, { "SHELL", &user->shell }, { "EXTENSION", &user->extension },
	};

	_Static_assert(sizeof facts / sizeof facts[0] == KEEPER_USER_ENV, "room in the environment");
	for (size_t i = 0; i < KEEPER_USER_ENV; i++) {
		size_t len = strlen(facts[i].name), at = 0;

		while (env[at] != NULL && (strncmp(env[at], facts[i].name, len) != 0 || env[at][len] != '='))
			at++;
		env[at] = variable(facts[i].name, facts[i].value);
		if (env[at] == NULL)
			return ENOMEM;
	}
	return 0;
}
