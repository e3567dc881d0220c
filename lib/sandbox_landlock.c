/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ABI_LEAST 2		/* below it files cannot be renamed or linked across directories at all */
#define CREATE_VERSION 1U
#define RULE_PATH 1

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REGULAR (UINT64_C(1) << 8)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEVICE (UINT64_C(1) << 15)

#define FS_ALL_OF_ABI_2 ((UINT64_C(1) << 14) - 1)
#define FS_OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEVICE)
#define FS_READING (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITING (FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REGULAR | FS_REFER | FS_TRUNCATE)

#define TCP_BIND_AND_CONNECT 3U
#define SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS 3U

struct ruleset { uint64_t files, network, scoped; };
struct path_rule { uint64_t allowed; int32_t parent; } __attribute__((packed));

/* What this kernel can restrict, and how much of the structure it knows. */
static size_t restrict_all(struct ruleset *set, long abi, unsigned needs)
{
	*set = (struct ruleset){ FS_ALL_OF_ABI_2, 0, 0 };
	if (abi >= 3)
		set->files |= FS_TRUNCATE;
	if (abi >= 5)
		set->files |= FS_IOCTL_DEVICE;
	if (abi >= 4 && (needs & SANDBOX_INET) == 0)
		set->network = TCP_BIND_AND_CONNECT;
	if (abi >= 6)
		set->scoped = SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS;
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

static int add_rule(int ruleset, const struct sandbox_path *path, uint64_t handled, struct str *error)
{
	struct path_rule rule = { 0, -1 };
	struct stat about;
	int result = -1, why;

	rule.parent = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.parent >= 0 && fstat(rule.parent, &about) == 0) {
		rule.allowed = ((path->access & SANDBOX_READ) != 0 ? FS_READING : 0) | ((path->access & SANDBOX_WRITE) != 0 ? FS_WRITING : 0);
		rule.allowed &= S_ISDIR(about.st_mode) ? handled : handled & FS_OF_A_FILE;
		result = rule.allowed == 0 ? 0 : (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0U);
	}
	why = errno;
	if (rule.parent >= 0)
		close(rule.parent);
	if (result < 0)
		(void)str_printf(error, "Landlock: %s: %s", path->path, strerror(why));
	return result;
}

int sandbox_landlock_enter(const struct sandbox *box, struct str *error)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_VERSION);
	struct ruleset set;
	size_t size;
	int fd, result = 0;

	if (abi < ABI_LEAST)
		return 0;
	size = restrict_all(&set, abi, box->needs);
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0U);
	if (fd < 0) {
		(void)str_printf(error, "Landlock: %s", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < box->path_count && result == 0; i++)
		result = add_rule(fd, &box->paths[i], set.files, error);
	if (result == 0 && syscall(SYS_landlock_restrict_self, fd, 0U) < 0) {
		(void)str_printf(error, "Landlock: %s", strerror(errno));
		result = -1;
	}
	close(fd);
	return result == 0 ? (int)abi : -1;
}
