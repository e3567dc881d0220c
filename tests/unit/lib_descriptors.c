/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each case closes in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"

#define HIGH 900

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A kernel before 5.9, or a container's filter: close_range answers ENOSYS. */
static int without_close_range(void)
{
	struct { unsigned short code; unsigned char yes, no; unsigned k; } code[] = {
		{ 0x20, 0, 0, 0 }, { 0x15, 0, 1, 436 }, { 0x06, 0, 0, 0x00050000U | ENOSYS }, { 0x06, 0, 0, 0x7fff0000U },
	};
	struct { unsigned short len; void *code; } program = { 4, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0 || syscall(SYS_seccomp, 1U, 0U, &program) < 0)
		return -1;
	return syscall(436, ~0U, ~0U, 0U) < 0 && errno == ENOSYS ? 0 : -1;
}

enum way { BY_RANGE, BY_LIST };

static int close_in(enum way way)
{
	struct rlimit limit = { HIGH + 1, HIGH + 1 };
	struct descriptors told = { .count = 0 };

	for (int fd = 3; fd < 40; fd++)
		if (dup2(0, fd) < 0)
			return 1;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || dup2(0, HIGH) < 0 || descriptors_add(&told, 21) < 0 || descriptors_add(&told, 3) < 0 || descriptors_add(&told, 20) < 0)
		return 2;
	if (way != BY_RANGE && without_close_range() < 0)
		return 3;
	descriptors_close(3, &told);
	for (int fd = 0; fd <= HIGH; fd++) {
		bool kept = fd < 3 || fd == 3 || fd == 20 || fd == 21;

		if (is_open(fd) != kept)
			return 10 + (fd < 200 ? fd : 200);
	}
	descriptors_close(3, NULL);
	return is_open(3) || is_open(21) || !is_open(2) ? 5 : 0;
}

static int status_of(enum way way)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(close_in(way));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void closes(void **state)
{
	(void)state;
	assert_int_equal(status_of(BY_RANGE), 0);
}

static void closes_on_old_kernels(void **state)
{
	(void)state;
	assert_int_equal(status_of(BY_LIST), 0);
}

static void told(void **state)
{
	struct descriptors fds = { .count = 0 };

	(void)state;
	assert_false(descriptors_has(NULL, 3));
	assert_int_equal(descriptors_add(&fds, -1), -1);
	for (int i = DESCRIPTORS_TOLD_MAX; i > 0; i--)
		assert_int_equal(descriptors_add(&fds, 2 * i), 0);
	assert_int_equal(descriptors_add(&fds, 1), -1);
	assert_true(descriptors_has(&fds, 2) && descriptors_has(&fds, 2 * DESCRIPTORS_TOLD_MAX) && !descriptors_has(&fds, 3));
	for (size_t i = 1; i < fds.count; i++)
		assert_true(fds.fds[i - 1] < fds.fds[i]);
}

static void named(void **state)
{
	static const struct { const char *text; int fd; } cases[] = {
		{ "/dev/fd/63", 63 }, { "--config=/dev/fd/5", 5 }, { "/proc/self/fd/7", 7 }, { "/dev/fd/", -1 }, { "/dev/fd/x", -1 }, { "/dev/fd/99999999999", -1 },
		{ "/dev/fd", -1 }, { "63", -1 }, { "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(descriptors_named(cases[i].text), cases[i].fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closes), cmocka_unit_test(closes_on_old_kernels), cmocka_unit_test(told), cmocka_unit_test(named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
