/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The files of the journal that this queue has made and not let go of (deaddrop-spool(5), moves 1 and 4).
 *
 * A segment is made (O_EXCL, locked, NULs, synced, its directory synced), appended to by its user, closed (nothing more will be
 * appended) and then finished: end mark, cut, unlocked.  Finishing waits for the submitters: for each answer that has not left yet
 * the segment is held; where a submitter is gone before it had its answer, the segment is kept without an end mark for as long
 * as it may ask, so that a queue that starts meanwhile still finds its key.
 */
#ifndef DEADDROP_SEGMENT_H
#define DEADDROP_SEGMENT_H

#include "commit.h"
#include "id.h"

#define SEGMENT_OPEN_MAX 512		/* descriptors; of more, the oldest are let go without an end mark */

struct segment_set;

struct segment {
	struct segment *next;		/* the set's, in the order of names */
	struct segment_set *set;
	struct id_name name;
	uint64_t mark;
	int fd;				/* -1: let go */
	uint64_t length;		/* bytes on stable storage */
	uint64_t blank;			/* blocks are written ahead up to here */
	uint64_t first_blank;		/* as it was made */
	uint32_t records;		/* places taken in it */
	unsigned holds;
	uint64_t keep_until;		/* boot time; 0: nobody is gone */
	bool closed;
	bool broken;			/* it may not get an end mark */
	bool busy;			/* its job is under way */
	struct commit_job job;
	void (*made)(void *arg, struct segment *segment);
	void *made_arg;
};

struct segment_ops {
	void (*finished)(void *arg, struct id_name name, uint64_t length);	/* has its end mark */
	void (*expired)(void *arg);			/* segment_oldest has grown without that: tell whom it concerns */
	void (*failed)(void *arg, struct id_name name, int error);		/* could not be finished; for the log */
};

struct segment_set {
	struct loop *loop;
	struct commit *maker;
	int dir;
	uint64_t newest;		/* microseconds of the newest name */
	uint64_t hold;			/* for how long keys are asked for */
	const struct segment_ops *ops;
	void *arg;
	struct segment *first;
	struct loop_timer timer;
	unsigned open;			/* closed ones with a descriptor */
};

void segment_set_init(struct segment_set *set, struct loop *loop, struct commit *maker, int dir, uint64_t newest, uint64_t hold,
    const struct segment_ops *ops, void *arg);
/* At the end, when the maker's thread is gone: files as they are, memory freed; empty ones are removed. */
void segment_set_free(struct segment_set *set);

/* Begins to make one with blank bytes of NULs written; made() is called in the loop, with fd -1 and job.error where it failed (segment_discard it then).
 * NULL with errno: no memory or no random bytes. */
struct segment *segment_make(struct segment_set *set, uint64_t blank, void (*made)(void *arg, struct segment *segment), void *arg);
/* Makes one at once and leaves it to the caller to sync the directory.  NULL with errno. */
struct segment *segment_open(struct segment_set *set);

void segment_hold(struct segment *segment);
void segment_release(struct segment *segment);
void segment_keep(struct segment *segment);	/* a submitter is gone without its answer */
void segment_close(struct segment *segment);	/* nothing more will be appended; the set owns it from here on.  Without records on disk it is removed */
void segment_discard(struct segment *segment);	/* nobody was told of anything in it: removes it; it may not be busy */

/* All names older than this belong to files that have an end mark or whose keys nobody asks for, as far as this queue made them. */
struct id_name segment_oldest(const struct segment_set *set);

/* Lets go of what is still waited for (to end): without an end mark.  False while jobs are under way. */
bool segment_set_settle(struct segment_set *set);

#endif
