/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a submitter may say on queue.ctrl, and when (deaddrop-control(7)).
 */
#ifndef DEADDROP_VERBS_H
#define DEADDROP_VERBS_H

#include "intake.h"

/* One frame.  NULL, or how the peer broke the protocol. */
const char *verbs_frame(struct peer *peer, struct frame frame);
/* Answers the message at hand before its end: the rest of it will be passed over.  type is Z or X. */
void verbs_refuse(struct peer *peer, char type, const char *why);
/* A peer that waits: lets its large message stream if it may now. */
void verbs_resume(struct peer *peer);

#endif
