/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Journal files as send knows them: what is committed, how far they have been read, which of their messages are not final, and the
 * outcomes that belong to them.  Found by name, kept in the order of names; a bounded number of them has descriptors open.
 */
#ifndef DEADDROP_FILE_H
#define DEADDROP_FILE_H

#include "list.h"
#include "replay.h"
#include "spool.h"
#include "table.h"

#define FILES_OPEN_MAX 192	/* files that may have descriptors: one for the journal and one for the outcomes each */

struct file {
	struct id_name name;
	char text[ID_NAME_LEN + 1];
	struct file *chain;		/* of the hash table */
	struct list order;		/* all, by name */
	struct list ready;		/* has bytes that may be read, by name */
	struct list recent;		/* has a descriptor, latest used last */
	struct list dirty;		/* has pending outcomes */
	struct list unsynced;		/* has outcomes that are written and not durable */
	struct list leaving;		/* has messages that may have to move */
	struct list done;		/* nothing is left to do but to remove it */
	int fd, outcome_fd;

	uint64_t mark;
	uint64_t announced;		/* what queue said in this process's life */
	uint64_t committed;		/* the largest committed length that is known */
	uint64_t usable;		/* how far it may be read: announced, or all of it where it is looked at */
	uint64_t durable;		/* how far it may be acted on: announced, or synced by send after reading */
	uint64_t read;			/* where the next record stands */
	uint32_t next_index;
	bool marked;			/* mark is known */
	bool ended;			/* queue is done with it and no key of it is asked for */
	bool look;			/* its length is to be looked at before it is read on */
	bool behind;			/* counted in the reader's behind */
	bool quiet;			/* unlocked when it was looked at: nobody writes to it any more */
	bool read_done;			/* there is nothing more in it */
	bool foreign;			/* cannot be understood; left as it is until the next start */
	bool unlinked;			/* journal/N is removed, perhaps not durably */
	bool old;			/* was there when send started */
	uint64_t old_until;		/* and what queue told of it first: records beyond are new.  0: nothing was told */
	bool damaged;

	uint32_t open;			/* messages that were read and are not final here */
	struct entry *entries;		/* those that wait, and gone ones */
	uint32_t waiting;		/* entries that LEAVE or are to be BURIED and are not flying */
	uint64_t move_due;		/* wall clock: the earliest retry among them */
	uint64_t move_after;		/* boot time: not before, for a move failed */
	uint64_t seen;			/* boot time */

	struct str pending;		/* outcome lines that are not written yet */
	uint64_t outcome_len, reserved;
	uint64_t lines;			/* how often lines were added: tells a replay's age */
	bool mended;			/* the end of outcome/N was looked at */
	bool blocked;			/* something of it could not be read or written: nothing is handed out, till it is tried again */
	bool troubled;			/* the log tells of it */
	bool rewrite;			/* a sync of its outcomes failed: nobody knows what reached the disk */
};

struct files {
	const struct spool *spool;
	struct file **buckets;
	size_t bucket_count, count, open;
	struct list order, ready, recent;
};

int files_init(struct files *fs, const struct spool *spool);	/* 0 or -1 ENOMEM */
void files_free(struct files *fs);
struct file *files_find(const struct files *fs, struct id_name name);
struct file *files_get(struct files *fs, struct id_name name, uint64_t now);	/* finds or makes; NULL: no memory */
void files_drop(struct files *fs, struct file *f);
void files_ready(struct files *fs, struct file *f);		/* puts it into the list of what can be read, at its place */
struct file *files_next_ready(const struct files *fs);

int file_open(struct files *fs, struct file *f);		/* its descriptor, read-only, lent; -1 with errno */
int file_open_outcomes(struct files *fs, struct file *f, bool create);	/* the same of outcome/N, for appending and reading */
void file_close_outcomes(struct file *f);		/* its name leads to another file now */
/* Whether queue still holds it.  -1 with errno. */
int file_is_locked(struct files *fs, struct file *f);
struct span file_name(const struct file *f);

/* The list of entries that wait in the file */
void file_list(struct file *f, struct entry *e);
void file_sweep(struct file *f, struct table *t);		/* lets the gone ones go */

#endif
