/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flight: jobs that were handed out.  A job is one message at one drop with up to 100 of its recipients; its key finds it again when the
 * deliverer answers.
 */
#ifndef DEADDROP_FLIGHT_H
#define DEADDROP_FLIGHT_H

#include "channel.h"
#include "drop.h"
#include "mail.h"
#include "record.h"

#define FLIGHT_INLINE 61440U	/* bytes of a message that go inline */
#define FLIGHT_MEMORY (512U * 1024)	/* and of one that is copied into memory where its file holds others too */

struct send;

struct job {
	struct job *chain;
	struct list order;
	struct channel *channel;
	struct mail *mail;
	struct drop *drop;		/* or NULL */
	struct id_key key;
	uint64_t sent;			/* boot time; or of its last sign of life */
	size_t bytes;			/* of a copy in memory that its deliverer holds; counted among those in flight */
	uint32_t count, answered;
	uint32_t targets[MAIL_PART];	/* places in the mail's targets, in the order of the job's R frames */
};

/* The message as it was read just now; the spans live in a buffer that the next reading overwrites. */
struct source {
	struct record record;
	struct span body;		/* all of it if it is at most FLIGHT_INLINE, else at least so much */
	int fd;				/* lent */
	uint64_t body_offset;		/* in fd */
	bool alone;			/* the file holds nothing of other messages */
};

/* Hands out all that is due of the mail: at only, or at every drop (only NULL).  What finds no room is queued. */
void flight_dispatch(struct send *s, struct mail *m, const struct source *source, struct channel *only);
/* A K, Z or X frame of a deliverer.  NULL, or why it is none. */
const char *flight_answer(struct channel *c, struct frame frame);
/* A deliverer's sign of life for a job.  NULL, or why it is none. */
const char *flight_alive(struct channel *c, struct span value);
/* The process ends with jobs that were not answered: that is noted. */
void flight_give_up(struct send *s);
/* The connection is gone: its jobs are unclear and wait at the queue's head. */
void flight_lost(struct channel *c);
#endif
