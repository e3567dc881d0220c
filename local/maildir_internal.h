/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of maildir share; nobody else includes it. */
#ifndef DEADDROP_LOCAL_MAILDIR_INTERNAL_H
#define DEADDROP_LOCAL_MAILDIR_INTERNAL_H

#include "batch.h"
#include "copy.h"
#include "folder.h"
#include "maildir.h"

#define MAILDIR_DRAFTS_MAX 256
#define MAILDIR_IDLE (2 * CLOCK_SECOND)	/* once or twice that without mail, and a folder is closed */

struct maildir_draft {				/* a file that is being written */
	struct deliver_job *job;
	struct folder *folder;
	int fd;				/* -1: nothing is open any more */
	bool there;			/* it stands in new */
	int sync_error;			/* of the file, 0 or an errno */
	struct copy copy;
};

struct maildir_large {				/* a message that is written in steps */
	struct work work;
	struct maildir *maildir;
	struct maildir_large *next;
	struct maildir_draft draft;
};

/* Those whose names stand in new while the sync of new is still to come: the next batch's sync brings them along, and where none follows it is made in the
 * turn after. */
struct maildir_named {
	struct work work;
	bool working;			/* it is in the list of works */
	bool fresh;			/* named in this turn */
	size_t count;
	struct maildir_draft drafts[MAILDIR_DRAFTS_MAX];
};

struct maildir {
	struct work sweep;
	bool sweeping;			/* it is in the list of works */
	const struct drop_host *host;
	struct folder_cache *folders;
	struct str name, trace;		/* of the job in hand */
	bool no_rename;			/* the file system cannot rename without replacing */
	struct maildir_large *larges;
	size_t count;
	struct maildir_draft drafts[MAILDIR_DRAFTS_MAX];
	struct maildir_named named;
};

/* Writes them, makes them durable and gives them their names (maildir_write.c); named.work does the rest. */
void maildir_write(struct maildir *m, struct deliver_job **jobs, size_t count);
enum work_next maildir_settle(struct work *work);	/* named.work's step */
/* The folder of the draft's job, in use from here on: where the batch in hand fills the cache of folders it is finished first.  0, or
 * -1 with the job's result set. */
int maildir_open_folder(struct maildir *m, struct maildir_draft *draft);
void maildir_forget_larges(struct maildir *m);

#endif
