/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The jail: chroot, user, groups, no_new_privs, resource limits.  The only user of the chroot and setuid families, apart from the keeper's process.
 */
#ifndef DEADDROP_JAIL_H
#define DEADDROP_JAIL_H

#include <sys/types.h>

#include "str.h"

struct jail {
	const char *root;		/* NULL: no chroot */
	bool change_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[32];		/* supplementary */
	size_t group_count;
	uint64_t max_files;		/* RLIMIT_NOFILE; 0: leave */
	uint64_t max_memory;		/* RLIMIT_AS; 0: leave */
	uint64_t max_file_size;		/* RLIMIT_FSIZE; 0: leave */
	bool no_processes;		/* RLIMIT_NPROC 0 (threads of a stage that needs them are made before) and no core file */
};

/* "USER", "USER:GROUP" or numbers; looks up the user, its group and supplementary groups (which a GROUP given does not take away); before the chroot.
 * -1: error says what is missing. */
int jail_parse_user(struct jail *jail, const char *text, struct str *error);
/* Enters: chroot, resource limits, user, capabilities (all of them, the bounding set too; a root that stays root keeps those for other people's files and no more),
 * no_new_privs, not dumpable, no core file.  0, or -1 with error; a process that got -1 must exit.  Verifies afterwards that the way back is closed. */
int jail_enter(const struct jail *jail, struct str *error);
/* For a root that stays one: of its capabilities these are left (bits as in capget(2)), of the bounding set, too.  0, or -1 with errno. */
#define JAIL_CAP_FILES_ANY 0x6U		/* DAC_OVERRIDE, DAC_READ_SEARCH: files and sockets of other people */
#define JAIL_CAP_BECOME 0xe0U		/* KILL, SETGID, SETUID: processes as other people */
#define JAIL_CAP_LIMITS 0x1000000U	/* SYS_RESOURCE: limits above those there are */
int jail_keep_capabilities(uint32_t keep);
/* The path inside the chroot of a path of the host: behind root's prefix.  NULL where it lies outside, is relative or has a "..".  root may be NULL: path itself.
 * Points into path, or is "/". */
const char *jail_inside(const char *root, const char *path);

#endif
