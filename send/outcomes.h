/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What became of journal messages: lines for outcome/N.  They are written once a turn, and durable within a second.  A line that cannot be
 * written stays in memory, and nothing more of its file is handed out until it could be.
 */
#ifndef DEADDROP_OUTCOMES_H
#define DEADDROP_OUTCOMES_H

#include "file.h"
#include "loop.h"

struct send;
struct mail;
struct target;
struct outcome;

struct outcomes {
	struct list dirty, unsynced;
	struct loop_timer sync, again;
};

void outcomes_init(struct send *s);
/* Before the first message of a file is handed out: outcome/N is there and has room.  False: not now. */
bool outcomes_reserve(struct send *s, struct file *f);
/* Notes and logs what was answered for a target of a mail, wherever the mail stands. */
void outcomes_note(struct send *s, struct mail *m, struct target *t, const struct outcome *o, const char *key, bool attempted);
/* Notes that the sender is told, now, that a target waits for what is away; no attempt was made. */
void outcomes_note_told(struct send *s, struct mail *m, struct target *t, const struct outcome *o);
/* Notes that a target's attempt was not answered and may have succeeded. */
void outcomes_note_lost(struct send *s, struct mail *m, struct target *t);
/* Notes that a message of the journal is elsewhere: in deferred/, or in dead/. */
int outcomes_note_moved(struct send *s, struct file *f, uint32_t index, bool dead);
/* Nothing more of the file is read or handed out for a second. */
void outcomes_block(struct send *s, struct file *f);
/* The same, and the log tells what could not be done (errno): "open journal". */
void outcomes_trouble(struct send *s, struct file *f, const char *what);
void outcomes_turn(struct send *s);			/* writes what is pending */
int outcomes_flush(struct send *s, struct file *f);	/* the same for one file, now.  0, or -1: it is blocked */
int outcomes_sync(struct send *s, struct file *f);	/* and makes it durable; what failed is done again by timer */
void outcomes_sync_all(struct send *s);

#endif
