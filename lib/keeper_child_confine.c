/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the keeper's process and those that it forks get rid of what they inherited: descriptors, signals, powers. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "jail.h"
#include "keeper_internal.h"

static void default_signals(void)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		(void)signal(signal_number, SIG_DFL);	/* those that cannot be changed refuse, which is fine */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int keeper_child_strip(int keep)
{
	default_signals();
	if (keep != KEEPER_SOCKET) {
		if (dup2(keep, KEEPER_SOCKET) < 0)
			return -1;
	}
	if (fcntl(KEEPER_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	descriptors_close(KEEPER_SOCKET + 1, NULL);
	return 0;
}

/* The socket first, or its number might be one of those that are laid over. */
int keeper_child_close(int fd)
{
	int null;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, KEEPER_SOCKET);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0 || null < 0)
		return -1;
	for (int i = 0; i < KEEPER_SOCKET; i++) {
		if (i == null ? fcntl(i, F_SETFD, 0) < 0 : dup2(null, i) < 0)
			return -1;
	}
	return keeper_child_strip(fd);
}

/* Would this user be refused?  Asked with her effective ids; what is not there at all demands nothing. */
static bool refused(const struct keeper_item *item)
{
	int mode = item->verb == KEEPER_CONNECT || item->flags != O_RDONLY ? W_OK : R_OK;
	const char *slash = strrchr(item->path, '/');
	char *directory;
	bool result;

	if (item->verb == KEEPER_RUN || item->verb == KEEPER_BECOME || faccessat(AT_FDCWD, item->path, mode, AT_EACCESS) == 0)
		return false;
	if (errno != ENOENT || (item->flags & O_CREAT) == 0 || slash == NULL)
		return errno == EACCES || errno == EPERM;
	directory = strndup(item->path, (size_t)(slash - item->path) + 1);
	result = directory == NULL || faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0;
	free(directory);
	return result;
}

static bool has_foreign_command(const struct keeper_list *list, uid_t uid, gid_t gid)
{
	bool found = false;

	for (size_t i = 0; i < list->count && !found; i++)
		found = list->items[i].verb == KEEPER_BECOME || (list->items[i].verb == KEEPER_RUN && (list->items[i].command.uid != uid || list->items[i].command.gid != gid));
	return found;
}

static bool demands_root(const struct keeper_list *list, uid_t uid, gid_t gid)
{
	gid_t own = getegid();
	bool demanded = false;

	if (has_foreign_command(list, uid, gid))
		return true;
	if (setgroups(1, &gid) < 0 || setresgid((gid_t)-1, gid, (gid_t)-1) < 0 || setresuid((uid_t)-1, uid, (uid_t)-1) < 0)
		demanded = true;
	for (size_t i = 0; i < list->count && !demanded; i++)
		demanded = refused(&list->items[i]);
	if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresgid((gid_t)-1, own, (gid_t)-1) < 0)
		return false;		/* no root to stay */
	return demanded;
}

/* A user other than root must not find a way back. */
int keeper_child_be(uid_t uid, gid_t gid)
{
	if (geteuid() == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
			return -1;
	}
	errno = EPERM;
	if (getuid() != uid || geteuid() != uid || getegid() != gid)
		return -1;
	return uid != 0 && setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -1 : 0;
}

bool keeper_child_can_be(uid_t uid, gid_t gid)
{
	gid_t own = getegid();
	bool good = setgroups(1, &gid) == 0 && setresgid((gid_t)-1, gid, (gid_t)-1) == 0 && setresuid((uid_t)-1, uid, (uid_t)-1) == 0;

	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 && setresgid((gid_t)-1, own, (gid_t)-1) == 0 && good;
}

/* Of root's powers those that the list's verbs need.  A command that is root's own keeps them all. */
static int keep_capabilities(const struct keeper_list *list)
{
	uint32_t keep = JAIL_CAP_FILES_ANY | (list->names ? JAIL_CAP_BECOME : 0);

	for (size_t i = 0; i < list->count; i++) {
		const struct keeper_item *item = &list->items[i];

		if (item->verb == KEEPER_RUN && item->command.uid == 0)
			return 0;
		if (item->verb == KEEPER_RUN || item->verb == KEEPER_BECOME)
			keep |= JAIL_CAP_BECOME | JAIL_CAP_LIMITS;
	}
	return jail_keep_capabilities(keep);
}

static int confine(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error)
{
	struct jail jail = { .change_user = true, .uid = uid, .gid = gid, .groups = { gid }, .group_count = 1 };

	if (geteuid() == 0 && uid != 0 && !demands_root(list, uid, gid))
		return jail_enter(&jail, error);
	if (geteuid() != 0 || keep_capabilities(list) == 0)
		return 0;
	(void)str_printf(error, "keeper: capabilities: %s", strerror(errno));
	return -1;
}

int keeper_child_confine(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error)
{
	const struct rlimit none = { 0, 0 };

	if (geteuid() != 0 && has_foreign_command(list, geteuid(), getegid())) {
		(void)str_add(error, "keeper: to start commands, or to deliver, as another user it must be root");
		return -1;
	}
	(void)umask(0);			/* a file's mode is the list's */
	if (chdir("/") == 0 && setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0)
		return confine(list, uid, gid, error);
	(void)str_printf(error, "keeper: %s", strerror(errno));
	return -1;
}

