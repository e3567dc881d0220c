/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One file of deferred/: reading it, appending to it, and its end. */
#ifndef DEADDROP_DEFERRED_FILE_H
#define DEADDROP_DEFERRED_FILE_H

#include "flight.h"
#include "spool.h"

struct deferred_file {
	int fd;				/* read-only */
	struct source source;		/* spans lie in the stage's window */
	struct span lines;		/* in the window, or in text */
	struct str text;
	bool torn;			/* the last line is half */
};

/* 0, or -1 with errno; EBADMSG: it is no sound record of this id; ENOTSUP: of an unknown version. */
int deferred_file_open(struct send *s, struct id id, struct deferred_file *file);
int deferred_file_open_in(struct send *s, enum spool_place place, struct id id, struct deferred_file *file);	/* the same in dead/ */
void deferred_file_close(struct deferred_file *file);
/* Appends m->pending.  fd: lent for syncing, to be closed by the caller.  0, or -1 with errno; what was written has left m->pending. */
int deferred_file_append(struct send *s, struct mail *m, int *fd);
/* The message is settled: its lines are durable; it goes, to dead/ if something failed.  0 or -1 with errno */
int deferred_file_settle(struct send *s, struct id id, int fd, bool failed);

#endif
