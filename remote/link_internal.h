/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection's state, shared by link.c (its life), link_login.c, link_stream.c (what the stream tells) and link_connect.c. */
#ifndef DEADDROP_REMOTE_LINK_INTERNAL_H
#define DEADDROP_REMOTE_LINK_INTERNAL_H

#include "link.h"
#include "secret.h"
#include "stream.h"

#define LINK_NAME_MAX 256

struct link {
	const struct link_world *world;
	const struct route *route;
	const struct relay *relay;
	const struct link_ops *ops;
	void *arg;
	struct session_settings settings;
	struct session *session;
	struct stream_connect *attempt;
	struct stream *stream;
	struct secret *secret;
	struct loop_timer timer;
	uint64_t due;			/* the attempt's end, whatever progress there is */
	uint64_t touched;		/* when the session had something to do */
	struct mail *mail;		/* that it is sending */
	uint64_t lively;		/* its job is to be said to be alive at least that often; 0: nobody asked for it */
	uint64_t moved;			/* when its bytes moved last, as far as was told */
	unsigned asked;			/* answers that the keeper owes us */
	unsigned depth;			/* calls into the session: it must not be freed within them */
	bool local;			/* what is sent does not leave this host */
	bool switching;			/* to TLS, as soon as the reply that said so has been taken */
	bool told, dead;
	char name[LINK_NAME_MAX];	/* for EHLO */
};

/* link.c.  All calls into the session stand between these two; link may be gone behind the second. */
void link_enter(struct link *link);
void link_leave(struct link *link);
void link_arm(struct link *link);		/* the timer, for what is waited for now */
void link_look_alive(struct link *link);	/* tells of the bytes that have moved since the last time */
void link_settle(struct link *link);		/* frees it where that was asked for and nothing stands against it */

/* link_login.c */
void link_identify(void *arg);

/* link_stream.c */
void link_on_timer(void *arg);
void link_lost(struct link *link, enum session_end why, const char *text);
void link_connected(struct link *link, int fd);	/* the descriptor is its own from here on */

/* link_connect.c */
int link_begin(struct link *link);		/* 0 or more, or -1 with errno */

#endif
