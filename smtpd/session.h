/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One client: a stream, the engine, and what the engine's events ask for. */
#ifndef DEADDROP_SMTPD_SESSION_H
#define DEADDROP_SMTPD_SESSION_H

#include "peer.h"
#include "server.h"

struct session;

/* Takes the descriptors over, on failure too.  caller: who runs us, for a program that speaks on pipes; NULL otherwise.  0, or -1 with errno. */
int session_new(struct server *server, int in, int out, const struct peer *peer, const char *caller);
void session_drain(struct session *s);		/* say 421 as soon as nothing is promised */
void session_free(struct session *s);
struct session *session_next(const struct session *s);
const struct peer *session_peer(const struct session *s);

#endif
