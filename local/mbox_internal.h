/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of mbox share; nobody else includes it. */
#ifndef DEADDROP_LOCAL_MBOX_INTERNAL_H
#define DEADDROP_LOCAL_MBOX_INTERNAL_H

#include "batch.h"
#include "mbox.h"
#include "mbox_find.h"
#include "mbox_lock.h"
#include "mbox_note.h"
#include "mbox_render.h"

struct appender {
	const struct drop_host *host;
	struct mailbox *boxes;
	bool bare;
};

struct mailbox {			/* a file, and the jobs of a batch that lead there */
	struct work work;
	struct mailbox *next;
	struct appender *appender;
	enum work_next (*state)(struct mailbox *box);
	const struct drop *drop;
	struct str name;		/* of the file in its directory */
	int directory, fd;
	struct mbox_lock lock;
	uint64_t give_up;		/* when to stop waiting for the locks */
	struct mbox_find find;
	uint64_t base;			/* the file's length before us, all of it durable */
	uint64_t length;		/* where the message in hand begins */
	uint64_t end;			/* what has been written */
	uint32_t crc, crc_before;	/* of what was, up to end and up to length */
	uint64_t reserved;		/* there is room up to here */
	bool stuck;			/* a part of a message could not be cut off again */
	size_t at;			/* the job in hand */
	bool writing;
	struct mbox_render render;
	struct str piece;
	size_t count;
	struct deliver_job *jobs[BATCH_JOBS_MAX];
	bool over[BATCH_JOBS_MAX];	/* its result is set */
};

/* The steps, from the locks to the answers (mbox_box.c): the box is freed with the last. */
enum work_next mbox_box_step(struct work *work);
void mbox_box_begin(struct mailbox *box);	/* name and directory are set */
void mbox_box_free(struct mailbox *box);

/* Cuts off what was never answered, and makes durable what there is; sets base.  0, or -1 with errno (mbox_recover.c). */
int mbox_recover(struct mailbox *box);

/* Sees to it that there is room for the job in hand, and for those behind it if it can be.  0, or -1 with errno (mbox_room.c). */
int mbox_room(struct mailbox *box);

#endif
