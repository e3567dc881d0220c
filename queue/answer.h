/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The answers to submitters, and who waits for them.  A segment is held until the K of each of its messages has been written to its submitter's
 * socket, and kept where the submitter went away before that.
 */
#ifndef DEADDROP_ANSWER_H
#define DEADDROP_ANSWER_H

#include "intake.h"

int answer_say(struct peer *peer, char type, struct keys_key key, const char *text);	/* 0, or -1: the peer is gone */

/* The peer's message with a key that is known already is complete (question false), or it asks for the key (true): answers, now or when it is settled. */
void answer_known(struct peer *peer, struct keys_entry *entry, bool question);
void answer_unknown(struct peer *peer, struct keys_key key);	/* to a question: N */

/* The functions of journal_ops, with a struct intake. */
void answer_settled(void *intake, struct submission *submission, struct segment *segment, const char *why);
void answer_committed(void *intake, const struct segment *segment);

void answer_turn(struct intake *intake);	/* releases segments whose answers have left */
void answer_gone(struct peer *peer);		/* its connection is gone: segments it was owed answers for are kept */

#endif
