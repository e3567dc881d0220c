/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all sessions share, and who is connected. */
#ifndef DEADDROP_SMTPD_SERVER_H
#define DEADDROP_SMTPD_SERVER_H

#include "config.h"
#include "handover.h"
#include "keeper.h"
#include "log.h"
#include "loop.h"

struct session;

struct server_door {			/* a listening socket */
	struct server *server;
	struct loop_watch *watch;
	int fd;
	bool local;			/* UNIX */
};

#define SERVER_DOORS (CONFIG_LISTEN_MAX + 16)

struct server {
	const struct config *config;
	struct loop *loop;
	struct log *log;
	struct handover *handover;
	struct keeper *keeper;		/* NULL: no names are looked up */
	struct server_door doors[SERVER_DOORS];
	size_t door_count;
	struct session *first;
	unsigned count;
	struct loop_timer rest;		/* after descriptors ran out */
	bool draining;
	void (*empty)(void *arg);	/* the last session has gone */
	void *arg;
};

int server_listen(struct server *server, int fd);	/* accepts from it; it stays the caller's.  0 or -1 with errno */
void server_drain(struct server *server);		/* accepts no more; sessions end when what they promised is done */
void server_end(struct server *server);			/* all sessions, at once */
bool server_has_room_for(const struct server *server, const struct peer *peer);	/* per-client limit, peer's own session counted */

#endif
