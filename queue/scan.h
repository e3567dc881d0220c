/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal at queue's start (deaddrop-spool(5), what the next start does): what an interrupted queue left is removed or made durable, and the submission keys
 * of files that it had not finished are learnt.
 */
#ifndef DEADDROP_SCAN_H
#define DEADDROP_SCAN_H

#include "keys.h"
#include "log.h"

struct scan {
	struct keys *keys;
	struct log *log;
	uint64_t now;			/* boot time, for the keys */
	uint64_t newest;		/* microseconds of the newest name seen */
};

/* Opens the directory and takes its lock.  0, or a sysexits code with error. */
int scan_open(const char *path, int *dir, int *lock, struct str *error);
/* Goes through it.  0, or a sysexits code with error. */
int scan_journal(struct scan *scan, int dir, struct str *error);

#endif
