/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boxes that are one directory with a file for each message: MH folders, and directories of files.  What they have in common: a
 * message is written to a file whose name
 * readers pass over, synced, given its name without replacing anything, and the directory is synced once for all of a batch.
 */
#ifndef DEADDROP_LOCAL_SINGLE_H
#define DEADDROP_LOCAL_SINGLE_H

#include "drop.h"

struct single_box {			/* a directory, open for a batch */
	const struct drop *drop;
	struct str folder;		/* empty: the drop's path itself */
	int fd;
	bool give_group;		/* files have to be given the drop's group */
	bool dirty;
	int sync_error;
	uint64_t highest;		/* MH: the highest number; 0: not looked for yet */
	struct str placed;		/* MH: the numbers that the batch used, in decimal, each with its NUL */
};

struct single_ops {
	/* The name while it is being written: the same for each attempt. */
	int (*temporary)(struct str *out, const struct deliver_job *job, const char *host);
	/* Gives the file its name, which is appended.  1: it was there before.  0, or -1 with errno. */
	int (*place)(struct single_box *box, const struct deliver_job *job, const char *temporary, const char *host, struct str *name);
	/* All are durable.  May be NULL. */
	void (*settle)(struct single_box *box);
	/* Whether an earlier attempt's file is there, and its name.  thorough: it was unclear; else only what costs nothing.  1, 0, or
	 * -1 with errno. */
	int (*find)(struct single_box *box, const struct deliver_job *job, const char *temporary, const char *host, bool thorough, struct str *name);
};

/* single_box.c: 0, or -1 with the job's result set */
int single_box_open(struct single_box *box, struct deliver_job *job);
void single_box_close(struct single_box *box);
void single_box_trouble(struct deliver_job *job, int error, const struct single_box *box);	/* box may be NULL */

void *single_open(const struct drop_host *host, const struct single_ops *ops);
void single_close(void *state);
void single_deliver(void *state, struct deliver_job **jobs, size_t count);
void single_look_up(void *state, struct deliver_job **jobs, size_t count, signed char *found);
int single_prepare(const struct drop *drop, const struct drop_owner *owner, struct str *error);
int single_check(const struct drop *drop, struct str *error);

#endif
