/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deaddrop-send's state: what its nouns share.  One turn of the loop goes through them in order (send.c): what came in from the sockets
 * has been taken; then channels' queues, the journal's reader, outcomes, moves, removals, listings.
 */
#ifndef DEADDROP_SEND_H
#define DEADDROP_SEND_H

#include "admin.h"
#include "announce.h"
#include "bounce.h"
#include "channel.h"
#include "config.h"
#include "deferred.h"
#include "earlier.h"
#include "explain.h"
#include "file.h"
#include "mail.h"
#include "mark.h"
#include "move.h"
#include "outages.h"
#include "outcomes.h"
#include "plan.h"
#include "reader.h"
#include "removal.h"
#include "schedule.h"
#include "stage.h"
#include "status.h"
#include "table.h"
#include "window.h"

#define SEND_BYTES_MAX (64U * 1024 * 1024)	/* of messages in flight */

struct send {
	struct stage *stage;
	struct loop *loop;
	struct log *log;
	struct ctrl_hub *hub;

	/* options */
	const char *spool_path, *admin_group;
	uint64_t in_flight_max, journal_wait;
	uint64_t job_timeout;		/* no job takes longer: after that its deliverer is taken for dead */
	bool once;

	struct explain explain;		/* by hand: say where mail would go */
	struct config config;
	struct admin_rights rights;
	struct str paths[SPOOL_PLACES];	/* of the spool's directories, for the sandbox */
	struct str status_path;
	struct spool spool;
	int lock_fd;
	struct mark mark;
	struct earlier earlier;
	struct table table;
	struct files files;
	struct window window;		/* for messages that are read again; the reader has its own */
	struct replay replay;		/* of one file's outcomes, for the same */
	const struct file *replay_file;
	uint64_t replay_lines;
	size_t flying;			/* mails in memory */
	size_t flying_bytes;

	struct reader reader;
	struct outcomes outcomes;
	struct deferred deferred;
	struct schedule schedule;
	struct mover mover;
	struct removal removal;
	struct channels channels;
	struct drops drops;
	struct outages outages;
	struct announce announce;
	struct admin admin;
	struct bounces bounces;
	struct status status;
	struct loop_timer rescan, drain_limit, mark_again;

	struct plan_trace watch;	/* patterns that reach their limits get into the log */

	bool draining;
	bool put_off;			/* something was deferred by this run */
	bool mark_failed;		/* the mark could not be written: nothing is handed out */
	bool unnoted;			/* an outcome may be missing on the disk: the mark must not be lowered */
	uint64_t started;		/* boot time */
};

void *send_create(void);
void send_destroy(void *self);
int send_start(void *self, struct stage *stage, struct str *error);
void send_drain(void *self, struct stage *stage);
void send_rest(void *self);

/* Whether one more message may be taken into memory. */
bool send_has_room(const struct send *s);
/* Whether hand-outs dated usec are covered by the mark; writes it where they are not. */
bool send_mark_covers(struct send *s, uint64_t usec);
/* The end of a run: where all that may have been delivered has a line on the disk, the mark is lowered, so that what waits is not unclear to the next process. */
void send_settle_mark(struct send *s);
/* Looks into the journal directory for files that nobody announced. */
void send_rescan(struct send *s);
/* The message's lines in outcome/N, with those that are not written yet.  0 or -1 with errno. */
int send_file_lines(struct send *s, struct file *f, uint32_t index, struct str *lines);
void send_forget_lines(struct send *s, const struct file *f);	/* nobody asks for them any more: they take as much memory as they are long */

#endif
