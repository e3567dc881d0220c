/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "descriptors.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "span.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define BLIND_MAX 65536			/* without close_range and /proc: a limit may be a thousand million */

int descriptors_add(struct descriptors *told, int fd)
{
	size_t at = told->count;

	if (fd < 0 || told->count == DESCRIPTORS_TOLD_MAX)
		return -1;
	if (descriptors_has(told, fd))
		return 0;
	for (; at > 0 && told->fds[at - 1] > fd; at--)
		told->fds[at] = told->fds[at - 1];
	told->fds[at] = fd;
	told->count++;
	return 0;
}

bool descriptors_has(const struct descriptors *told, int fd)
{
	for (size_t i = 0; told != NULL && i < told->count; i++)
		if (told->fds[i] == fd)
			return true;
	return false;
}

int descriptors_named(const char *text)
{
	static const char *const places[] = { "/dev/fd/", "/proc/self/fd/" };

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		const char *at = strstr(text, places[i]);
		struct span number;
		uint64_t fd;

		if (at == NULL)
			continue;
		at += strlen(places[i]);
		number = (struct span){ at, strspn(at, "0123456789") };
		if (span_decimal(number, INT_MAX, &fd) == 0)
			return (int)fd;
	}
	return -1;
}

/* The kernel's list: what has a high number is found, too, and a high limit costs nothing.  Closing does not disturb the reading. */
static bool close_listed(int first, const struct descriptors *told)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (list == NULL)
		return false;
	while ((entry = readdir(list)) != NULL) {
		uint64_t fd;

		if (span_decimal(span_of(entry->d_name), INT_MAX, &fd) == 0 && (int)fd >= first && (int)fd != dirfd(list) && !descriptors_has(told, (int)fd))
			close((int)fd);
	}
	closedir(list);
	return true;
}

static void close_blindly(int first, const struct descriptors *told)
{
	struct rlimit limit;
	rlim_t last = BLIND_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < last)
		last = limit.rlim_cur;
	for (int fd = first; (rlim_t)fd < last; fd++)
		if (!descriptors_has(told, fd))
			close(fd);
}

static bool close_range_of(unsigned first, unsigned last)
{
	return first > last || syscall(SYS_close_range, first, last, 0U) == 0;
}

void descriptors_close(int first, const struct descriptors *told)
{
	unsigned from = (unsigned)first;
	bool done = true;

	for (size_t i = 0; told != NULL && i < told->count && done; i++) {
		if (told->fds[i] < first)
			continue;
		done = told->fds[i] == 0 || close_range_of(from, (unsigned)told->fds[i] - 1);
		from = (unsigned)told->fds[i] + 1;
	}
	/* since Linux 5.9, and where no filter of a container is in its way */
	if ((!done || !close_range_of(from, ~0U)) && !close_listed(first, told))
		close_blindly(first, told);
}
