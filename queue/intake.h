/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The connections of queue.ctrl: who is there, what each is doing, and what all of them hold in memory.
 *
 * The protocol's verbs are in verbs.c, the answers in answer.c; both work on the structures here.
 */
#ifndef DEADDROP_INTAKE_H
#define DEADDROP_INTAKE_H

#include "ctrl.h"
#include "journal.h"
#include "large.h"
#include "limits.h"
#include "log.h"

enum peer_state {			/* bits, for the verbs' table */
	PEER_BETWEEN = 1,		/* messages */
	PEER_ENVELOPE = 2,
	PEER_BODY = 4,
	PEER_SKIP = 8,			/* the message was answered early; the rest of it is passed over */
	PEER_KNOWN = 16			/* its key is known: passed over too, but answered at its end */
};

struct intake;

struct peer {				/* one connection; outlives it while its messages are on their way to the disk */
	struct peer *next, *prev;	/* of those that are connected */
	struct intake *intake;
	struct ctrl *ctrl;		/* NULL: gone */
	struct limits_user *user;
	struct submission_origin origin;
	uint64_t serial;		/* never used again, unlike addresses */
	unsigned refs;
	bool trusted;
	bool greeted;			/* its hello was seen */
	bool ended;			/* it sends no more, but may read */
	bool waits;			/* not read from until fewer large messages stream */
	enum peer_state state;
	struct submission *current;	/* in PEER_ENVELOPE and PEER_BODY */
	struct keys_key key;		/* of the message at hand */
	uint64_t heard;			/* boot time of the last frame, or of the accepting */
	uint64_t begun;			/* boot time of the message's M */
	unsigned pending;		/* complete messages and questions that await their answer */
	/* answers that may not have left yet: segments that are held for them */
	struct peer *next_owing;
	bool owing;
	struct segment **debts;
	size_t debt_count, debt_room;
	uint64_t owing_since;		/* boot time */
};

struct intake_door {			/* a listening socket */
	struct intake *intake;
	struct ctrl_listener *listener;
	int fd;
	bool trusted;
};

#define INTAKE_DOORS 16

struct intake {
	struct loop *loop;
	struct ctrl_hub *hub;
	struct log *log;
	const struct limits *limits;
	struct keys *keys;
	struct journal *journal;
	struct large_set large;
	struct limits_users users;
	struct limits_space space;
	struct intake_door doors[INTAKE_DOORS];
	size_t door_count;
	struct peer *first;		/* the connected, newest first */
	unsigned connected;
	unsigned pending;		/* of all peers, gone ones included */
	unsigned streams;
	uint64_t served;		/* connections so far */
	uint64_t bytes;			/* of messages in memory */
	bool paused;			/* because of them */
	bool stream_ended;		/* those who wait may go on */
	bool draining;
	uint64_t drain_until;		/* boot time; then nobody is waited for who takes no answers */
	struct peer *owing;
	struct loop_timer watchdog, answers;
	void (*told)(void *arg, const struct segment *segment);	/* answers have left: announce */
	void *told_arg;
};

int intake_open(struct intake *intake, int fd, bool trusted);	/* listens; 0 or -1 with errno */
void intake_turn(struct intake *intake);	/* at a turn's end, before journal_turn */
void intake_drain(struct intake *intake);	/* accepts nothing more; connections go as soon as what is complete is answered */
void intake_end(struct intake *intake);		/* frees what is left; the threads are gone */

/* For verbs.c and answer.c. */
void intake_account(struct intake *intake, struct peer *peer);	/* the current message's memory has changed */
void intake_forget(struct intake *intake, struct peer *peer, struct submission *submission);	/* takes it out of the accounts and frees it */
void intake_wait(struct peer *peer);		/* until its large message may stream */
void intake_unref(struct peer *peer);
void intake_watch(struct intake *intake);	/* somebody may be too slow from now on */

#endif
