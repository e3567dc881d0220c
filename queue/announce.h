/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Telling send what is committed (deaddrop-control(7), send.ctrl).  Losing an announcement loses no mail, so while send is away they are dropped.
 */
#ifndef DEADDROP_ANNOUNCE_H
#define DEADDROP_ANNOUNCE_H

#include "ctrl.h"
#include "id.h"
#include "log.h"

struct announce;

/* path: send.ctrl, or NULL: nobody is told anything.  connected (may be NULL) is called each time send is there again.  NULL with errno. */
struct announce *announce_new(struct loop *loop, struct ctrl_hub *hub, struct log *log, const char *path, void (*connected)(void *arg), void *arg);
void announce_free(struct announce *announce);

/* The frame leaves at once. */
void announce_committed(struct announce *announce, struct id_name name, uint64_t length);
void announce_ended(struct announce *announce, struct id_name name, uint64_t length);
void announce_unasked(struct announce *announce, struct id_name oldest);

#endif
