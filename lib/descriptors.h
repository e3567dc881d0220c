/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptors that a process was started with.  Who starts a program may have left files, locks and sockets of its own open in it; what nobody told it of is
 * closed before anything of somebody else's is read.
 */
#ifndef DEADDROP_DESCRIPTORS_H
#define DEADDROP_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

#define DESCRIPTORS_TOLD_MAX 64

struct descriptors {			/* those to keep, in ascending order; initialise with { 0 } */
	int fds[DESCRIPTORS_TOLD_MAX];
	size_t count;
};

int descriptors_add(struct descriptors *told, int fd);		/* -1: negative, or too many */
bool descriptors_has(const struct descriptors *told, int fd);
/* The number of a path like /dev/fd/3 or /proc/self/fd/3, as shells write it for <( ); -1: text holds none. */
int descriptors_named(const char *text);
/* Closes all from first on but those in told, which may be NULL. */
void descriptors_close(int first, const struct descriptors *told);

#endif
