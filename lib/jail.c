/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jail.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX (sizeof ((struct jail *)NULL)->groups / sizeof (gid_t))

/* The kernel's capability interface, version 3; the C library has no wrapper for it. */
#define CAPABILITY_VERSION 0x20080522U
#define CAPABILITY_LAST 63
/* What a stage that stays root keeps: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID.  Without them root could not even open the spool of its queue. */
#define CAPABILITY_FILES 0x1fU

struct capability_header { uint32_t version; int pid; };
struct capability_sets { uint32_t effective, permitted, inheritable; };

/* USER and GROUP */

/* (uid_t)-1, which means "leave" to setresuid, is no number of a user. */
static bool parse_number(const char *text, uint32_t *number)
{
	uint64_t value;

	if (span_decimal(span_of(text), UINT32_MAX - 1, &value) < 0)
		return false;
	*number = (uint32_t)value;
	return true;
}

static int set_group(struct jail *jail, const char *name, struct str *error)
{
	const struct group *group;
	uint32_t number;

	if (parse_number(name, &number)) {
		jail->gid = number;
		return 0;
	}
	group = getgrnam(name);
	if (group == NULL) {
		(void)str_printf(error, "no such group: %s", name);
		return -1;
	}
	jail->gid = group->gr_gid;
	return 0;
}

static int set_groups(struct jail *jail, const char *name, struct str *error)
{
	int count = GROUPS_MAX;

	if (getgrouplist(name, jail->gid, jail->groups, &count) < 0) {
		(void)str_printf(error, "user %s is in more than %zu groups", name, GROUPS_MAX);
		return -1;
	}
	jail->group_count = (size_t)count;
	return 0;
}

/* A number without an entry in the user database will do where the group is given too. */
static int set_user(struct jail *jail, const char *name, const char *group, struct str *error)
{
	uint32_t number = 0;
	bool numeric = parse_number(name, &number);
	const struct passwd *user = numeric ? getpwuid(number) : getpwnam(name);

	if (user == NULL && (!numeric || group == NULL)) {
		(void)str_printf(error, numeric ? "no such user: %s (write UID:GID for one that has no entry)" : "no such user: %s", name);
		return -1;
	}
	jail->uid = user != NULL ? user->pw_uid : number;
	if (group != NULL) {
		if (set_group(jail, group, error) < 0)
			return -1;
	} else {
		jail->gid = user->pw_gid;
	}
	if (user != NULL)
		return set_groups(jail, user->pw_name, error);
	jail->groups[0] = jail->gid;
	jail->group_count = 1;
	return 0;
}

int jail_parse_user(struct jail *jail, const char *text, struct str *error)
{
	const char *colon = strchr(text, ':');
	char *name = colon != NULL ? strndup(text, (size_t)(colon - text)) : strdup(text);
	int result;

	if (name == NULL) {
		(void)str_add(error, strerror(errno));
		return -1;
	}
	if (name[0] == '\0' || (colon != NULL && colon[1] == '\0')) {
		(void)str_printf(error, "expected USER or USER:GROUP, found: %s", text);
		result = -1;
	} else {
		result = set_user(jail, name, colon != NULL ? colon + 1 : NULL, error);
	}
	free(name);
	if (result == 0)
		jail->change_user = true;
	return result;
}

/* Entering: steps in their order.  A step returns 0, or -1 with errno. */

static bool is_user(const struct jail *jail)
{
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;

	return getresuid(&real, &effective, &saved) == 0 && getresgid(&real_group, &effective_group, &saved_group) == 0 &&
	    real == jail->uid && effective == jail->uid && saved == jail->uid &&
	    real_group == jail->gid && effective_group == jail->gid && saved_group == jail->gid;
}

static int change_root(const struct jail *jail)
{
	if (jail->root == NULL)
		return 0;
	if (chroot(jail->root) < 0)
		return -1;
	return chdir("/");
}

/* Privileged processes may raise a hard limit, others get what there is. */
static int limit_to(int resource, uint64_t value)
{
	struct rlimit limit;

	if (value == 0)
		return 0;
	limit = (struct rlimit){ (rlim_t)value, (rlim_t)value };
	if (setrlimit(resource, &limit) == 0)
		return 0;
	if (errno != EPERM || getrlimit(resource, &limit) < 0)
		return -1;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit);
}

/* Before the user changes, as some of them are raised. */
static int set_limits(const struct jail *jail)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || limit_to(RLIMIT_NOFILE, jail->max_files) < 0 || limit_to(RLIMIT_AS, jail->max_memory) < 0)
		return -1;
	return limit_to(RLIMIT_FSIZE, jail->max_file_size);
}

/* Needs CAP_SETPCAP, which is gone after the change of user.  Who has not got it needs no dropping either: no_new_privs stops what the set is for. */
static int bound_to(uint32_t keep)
{
	for (unsigned long capability = 0; capability <= CAPABILITY_LAST; capability++) {
		if (capability < 32 && (keep & 1U << capability) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0L, 0L, 0L) == 0)
			continue;
		return errno == EINVAL || errno == EPERM ? 0 : -1;	/* EINVAL: past the last that this kernel knows */
	}
	return 0;
}

static int drop_bounding_set(const struct jail *jail)
{
	return bound_to(!jail->change_user || jail->uid == 0 ? CAPABILITY_FILES : 0);
}

/* What setgroups did is looked at: the kernel may have sorted the list. */
static bool same_groups(const struct jail *jail)
{
	gid_t groups[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, groups);

	if (count < 0)
		return false;
	for (int i = 0; i < count; i++) {
		bool found = false;

		for (size_t k = 0; k < jail->group_count && !found; k++)
			found = groups[i] == jail->groups[k];
		if (!found)
			return false;
	}
	return true;
}

/* One's own user, who could not change the groups, keeps them. */
static int change_user(const struct jail *jail)
{
	if (!jail->change_user || (geteuid() != 0 && is_user(jail)))
		return 0;
	if (setgroups(jail->group_count, jail->groups) < 0 || setresgid(jail->gid, jail->gid, jail->gid) < 0)
		return -1;
	if (!same_groups(jail)) {
		errno = EPERM;
		return -1;
	}
	return setresuid(jail->uid, jail->uid, jail->uid);
}

static int keep_alone(uint32_t keep)
{
	struct capability_header header = { CAPABILITY_VERSION, 0 };
	struct capability_sets sets[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &header, sets) < 0)
		return -1;
	keep &= sets[0].permitted;
	sets[0] = (struct capability_sets){ keep, keep, 0 };
	sets[1] = (struct capability_sets){ 0, 0, 0 };
	if (syscall(SYS_capset, &header, sets) < 0)
		return -1;
#ifdef PR_CAP_AMBIENT
	if (prctl(PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) < 0 && errno != EINVAL)
		return -1;
#endif
	return 0;
}

static int drop_capabilities(const struct jail *jail)
{
	return keep_alone(getuid() == 0 && (!jail->change_user || jail->uid == 0) ? CAPABILITY_FILES : 0);
}

int jail_keep_capabilities(uint32_t keep)
{
	return bound_to(keep) < 0 ? -1 : keep_alone(keep);
}

static int close_the_way_back(const struct jail *jail)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return -1;
	return jail->no_processes ? setrlimit(RLIMIT_NPROC, &none) : 0;
}

/* Tries what an intruder would try.  Each attempt must fail. */
static int verify(const struct jail *jail)
{
	struct capability_header header = { CAPABILITY_VERSION, 0 };
	struct capability_sets sets[2];
	bool good = prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1 && syscall(SYS_capget, &header, sets) == 0 &&
	    (sets[0].permitted & ~CAPABILITY_FILES) == 0 && sets[1].permitted == 0;

	if (good && jail->change_user && jail->uid != 0) {
		good = is_user(jail) && sets[0].permitted == 0 && setresuid((uid_t)-1, 0, (uid_t)-1) < 0 && setresuid(0, 0, 0) < 0 &&
		    (jail->gid == 0 || setresgid((gid_t)-1, 0, (gid_t)-1) < 0);
	}
	if (good)
		return 0;
	errno = EPERM;
	return -1;
}

int jail_enter(const struct jail *jail, struct str *error)
{
	static const struct step { const char *what; int (*fn)(const struct jail *jail); } steps[] = {
		{ "chroot", change_root },
		{ "resource limits", set_limits },
		{ "bounding set", drop_bounding_set },
		{ "change of user", change_user },
		{ "capabilities", drop_capabilities },
		{ "no_new_privs", close_the_way_back },
		{ "the jail is not closed", verify },
	};

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		if (steps[i].fn(jail) == 0)
			continue;
		(void)str_printf(error, "%s%s%s: %s", steps[i].what, i == 0 ? " " : "", i == 0 ? jail->root : "", strerror(errno));
		return -1;
	}
	return 0;
}

/* Paths */

/* The next component behind slashes and lone dots; empty at the end. */
static struct span next_component(const char **path)
{
	struct span part;

	for (;;) {
		const char *at = *path;

		while (*at == '/')
			at++;
		part = (struct span){ at, strcspn(at, "/") };
		if (part.len == 1 && part.data[0] == '.') {
			*path = at + 1;
			continue;
		}
		*path = at + part.len;
		return part;
	}
}

static bool climbs(const char *path)
{
	struct span part;

	while ((part = next_component(&path)).len > 0)
		if (part.len == 2 && part.data[0] == '.' && part.data[1] == '.')
			return true;
	return false;
}

const char *jail_inside(const char *root, const char *path)
{
	struct span want, have;

	if (root == NULL)
		return path;
	if (path[0] != '/' || climbs(path))
		return NULL;
	while ((want = next_component(&root)).len > 0) {
		have = next_component(&path);
		if (have.len != want.len || memcmp(have.data, want.data, want.len) != 0)
			return NULL;
	}
	return *path == '/' ? path : "/";
}
