/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"

#define USER 61234
#define GROUP 61235

#define NEED_ROOT() do { if (geteuid() != 0) { print_message("[  NOTE  ] not root: nothing to see here\n"); skip(); } } while (0)

/* Runs fn in a child: its return value is the exit status. */
static int in_child(int (*fn)(const void *arg), const void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void parse_user(void **state)
{
	struct str error = STR_INIT(1024);
	struct jail jail = { 0 };

	(void)state;
	assert_int_equal(jail_parse_user(&jail, "daemon", &error), 0);
	assert_true(jail.change_user);
	assert_int_equal(jail.uid, 1);
	assert_int_equal(jail.gid, 1);
	assert_true(jail.group_count >= 1);
	jail = (struct jail){ 0 };
	assert_int_equal(jail_parse_user(&jail, "1:61235", &error), 0);
	assert_int_equal(jail.uid, 1);
	assert_int_equal(jail.gid, 61235);
	jail = (struct jail){ 0 };
	assert_int_equal(jail_parse_user(&jail, "61234:daemon", &error), 0);
	assert_int_equal(jail.uid, USER);
	assert_int_equal(jail.gid, 1);
	assert_int_equal(jail.group_count, 1);
	assert_int_equal(error.len, 0);
	str_free(&error);
}

static void parse_user_bad(void **state)
{
	static const char *const bad[] = { "", ":", "daemon:", ":daemon", "no-such-user-here", "daemon:no-such-group-here", "61234", "4294967295:1", "-1:1", "1:-1" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct str error = STR_INIT(1024);
		struct jail jail = { 0 };

		assert_int_equal(jail_parse_user(&jail, bad[i], &error), -1);
		assert_true(error.len > 0);
		assert_false(jail.change_user);
		str_free(&error);
	}
}

static void inside(void **state)
{
	static const struct { const char *root, *path, *inside; } cases[] = {
		{ NULL, "/a/b", "/a/b" }, { NULL, "a", "a" }, { "/", "/a/b", "/a/b" }, { "/srv", "/srv/a", "/a" }, { "/srv/", "/srv/a", "/a" },
		{ "/srv/x", "/srv/x", "/" }, { "/srv/x", "/srv/x/", "/" }, { "//srv/./x/", "/srv//x/a//b", "/a//b" }, { "/srv/x", "/srv/xy", NULL },
		{ "/srv/x", "/srv", NULL }, { "/srv/x", "/other", NULL }, { "/srv/x", "x", NULL }, { "/srv/x", "", NULL },
		{ "/srv/x", "/srv/x/../y", NULL }, { "/srv/x", "/srv/x/..", NULL }, { "/srv/x", "/srv/x/..a", "/..a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *found = jail_inside(cases[i].root, cases[i].path);

		if (cases[i].inside == NULL)
			assert_null(found);
		else
			assert_string_equal(found, cases[i].inside);
	}
}

/* A line of /proc/self/status, which must be open from before a chroot. */
static bool status_is(int fd, const char *name, const char *value)
{
	char text[8192];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	const char *line;

	if (n <= 0)
		return false;
	text[n] = '\0';
	line = strstr(text, name);
	if (line == NULL)
		return false;
	line += strlen(name);
	line += strspn(line, ": \t");
	return strncmp(line, value, strlen(value)) == 0;
}

static int confined(const void *arg)
{
	const struct jail *jail = arg;
	struct str error = STR_INIT(1024);
	int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	gid_t groups[4];
	struct rlimit limit;

	if (jail_enter(jail, &error) < 0) {
		fprintf(stderr, "%s\n", error.data);
		return 1;
	}
	str_free(&error);
	if (access("/inside", F_OK) < 0 || access("/etc/passwd", F_OK) == 0)
		return 2;
	if (getuid() != USER || geteuid() != USER || getgid() != GROUP || getegid() != GROUP)
		return 3;
	if (getgroups(4, groups) != 2 || setuid(0) == 0 || setgid(0) == 0 || setgroups(0, groups) == 0 || chroot("/") == 0)
		return 4;
	if (prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 5;
	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max != 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != 77 || limit.rlim_max != 77)
		return 6;
	if (fork() >= 0)
		return 7;
	if (!status_is(status, "CapEff", "0000000000000000") || !status_is(status, "CapPrm", "0000000000000000") ||
	    !status_is(status, "CapInh", "0000000000000000") || !status_is(status, "CapAmb", "0000000000000000") ||
	    !status_is(status, "CapBnd", "0000000000000000") || !status_is(status, "NoNewPrivs", "1"))
		return 8;
	return 0;
}

static void enter_as_root(void **state)
{
	char root[] = "/tmp/jail.XXXXXX", file[64];
	struct jail jail = { .change_user = true, .uid = USER, .gid = GROUP, .groups = { GROUP, GROUP + 1 }, .group_count = 2, .max_files = 77, .no_processes = true };
	int fd;

	(void)state;
	NEED_ROOT();
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	(void)snprintf(file, sizeof file, "%s/inside", root);
	fd = open(file, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	close(fd);
	jail.root = root;
	assert_int_equal(in_child(confined, &jail), 0);
	unlink(file);
	rmdir(root);
}

static int stays_root(const void *arg)
{
	struct str error = STR_INIT(1024);
	int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (jail_enter(arg, &error) < 0)
		return 1;
	str_free(&error);
	if (geteuid() != 0 || !status_is(status, "NoNewPrivs", "1") || !status_is(status, "CapEff", "000000000000001f") || !status_is(status, "CapBnd", "000000000000001f"))
		return 2;
	if (chroot("/") == 0 || setuid(1) == 0)
		return 3;
	return 0;
}

static void root_without_user(void **state)
{
	struct jail jail = { 0 };

	(void)state;
	NEED_ROOT();
	assert_int_equal(in_child(stays_root, &jail), 0);
}

static int as_somebody(const void *arg)
{
	struct jail jail = { 0 };
	struct str error = STR_INIT(1024);
	int entered;

	(void)arg;
	if (geteuid() == 0 && (setgid(GROUP) < 0 || setuid(USER) < 0))
		return 1;
	if (jail_enter(&jail, &error) < 0)
		return 2;
	jail = (struct jail){ .change_user = true, .uid = getuid(), .gid = getgid() };
	if (jail_enter(&jail, &error) < 0)
		return 3;
	jail.uid++;
	entered = jail_enter(&jail, &error);
	if (entered == 0 || strstr(error.data, "change of user") == NULL)
		return 4;
	str_free(&error);
	return 0;
}

static void unprivileged(void **state)
{
	(void)state;
	assert_int_equal(in_child(as_somebody, NULL), 0);
}

static int fails(const void *arg)
{
	struct str error = STR_INIT(1024);
	int result = jail_enter(arg, &error);
	bool named = strstr(error.data, "/no/such/root") != NULL;

	str_free(&error);
	return result == -1 && named ? 0 : 1;
}

static void missing_root(void **state)
{
	struct jail jail = { .root = "/no/such/root" };

	(void)state;
	assert_int_equal(in_child(fails, &jail), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_user), cmocka_unit_test(parse_user_bad), cmocka_unit_test(inside), cmocka_unit_test(enter_as_root),
		cmocka_unit_test(root_without_user), cmocka_unit_test(unprivileged), cmocka_unit_test(missing_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
