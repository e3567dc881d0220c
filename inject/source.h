/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The message on a descriptor, repaired (repair.h), piece by piece; once more from its start where it is a file. */
#ifndef DEADDROP_SOURCE_H
#define DEADDROP_SOURCE_H

#include <sys/types.h>

#include "repair.h"

struct source {
	struct repair repair;
	enum repair_dots dots;
	int fd;
	bool seekable;
	bool over;
	off_t start;
	char *raw, *out;
};

/* ignore_dots: -i.  dot: --dot.  0 or -1 with errno. */
int source_open(struct source *source, int fd, bool ignore_dots, bool dot);
void source_close(struct source *source);
/* 1: bytes, which live until the next call (they may be none); 0: the end; -1 with errno. */
int source_read(struct source *source, struct span *bytes);
int source_rewind(struct source *source);	/* -1: it cannot be read again */

#endif
