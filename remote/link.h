/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection to one server of a route: name, socket, TLS, deadlines, and the session over it. */
#ifndef DEADDROP_REMOTE_LINK_H
#define DEADDROP_REMOTE_LINK_H

#include "log.h"
#include "route.h"

struct link;

struct link_world {			/* what all of them share */
	struct loop *loop;
	struct keeper *keeper;
	struct log *log;
	const char *name;		/* of this host, for EHLO; NULL: its address */
};

struct link_ops {			/* const, static.  Any of them may call link_free */
	void (*ready)(void *arg);	/* link_send or link_quit, now or later */
	void (*sent)(void *arg, struct mail *mail);	/* see session_ops */
	void (*over)(void *arg, enum session_end why, const char *text);	/* it is of no more use */
};

/* Begins to connect.  NULL: no memory. */
struct link *link_new(const struct link_world *world, const struct route *route, size_t relay, const struct link_ops *ops, void *arg);
void link_free(struct link *link);
void link_send(struct link *link, struct mail *mail);		/* from ready on; not from within ops */
void link_quit(struct link *link);
bool link_is_ready(const struct link *link);
unsigned link_count(const struct link *link);			/* transactions */
/* TLS, capabilities and login, a line each, for people. */
int link_describe(const struct link *link, struct str *out);

#endif
