/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What queue accepts at most: its options, what each user has open, and the room in the file system.
 */
#ifndef DEADDROP_LIMITS_H
#define DEADDROP_LIMITS_H

#include <sys/types.h>

#include "str.h"

#define LIMITS_STREAMS 64U		/* large messages at once */

struct limits {
	uint64_t size;			/* bytes of a message as it was handed in */
	uint64_t recipients;
	uint64_t connections;
	uint64_t min_free;		/* bytes that stay free in the file system */
	uint64_t idle_close;		/* microseconds after which a journal file is finished */
	uint64_t key_hold;		/* microseconds for which keys are remembered */
	uint64_t buffer;		/* bytes of messages in memory */
};

void limits_init(struct limits *limits);	/* the defaults */
/* An option by its name.  0: it was one of these; 1: it is none; -1: its value is wrong, error says what is expected. */
int limits_option(struct limits *limits, const char *name, const char *value, struct str *error);

/* What one uid uses.  Entries exist while they are held. */
struct limits_user {
	struct limits_user *next;
	uid_t uid;
	unsigned holds;
	unsigned connections;
	unsigned streams;		/* large messages under way */
	uint64_t bytes;			/* of messages in memory */
};

struct limits_users {
	struct limits_user *first;
	unsigned connections;		/* of all users but root */
};

struct limits_user *limits_user_hold(struct limits_users *users, uid_t uid);	/* NULL: no memory */
void limits_user_release(struct limits_users *users, struct limits_user *user);

/* A connection, from a user that is held.  False: too many; nothing is counted then.  Root has no share of its own and an eighth that is kept for it. */
bool limits_user_connect(struct limits_users *users, struct limits_user *user, const struct limits *limits);
void limits_user_disconnect(struct limits_users *users, struct limits_user *user);

/* Whether one more large message may stream; all is how many do. */
bool limits_stream_allowed(const struct limits_user *user, unsigned all);

/* The room in the file system that fd lies in, looked up every 100 ms or 1 MiB. */
struct limits_space {
	int fd;
	uint64_t checked;		/* boot time */
	uint64_t free;
	uint64_t taken;			/* accepted since */
};

void limits_space_init(struct limits_space *space, int fd);
/* Whether size bytes more may be accepted from uid, with pending bytes accepted and not written yet. */
bool limits_space_allows(struct limits_space *space, const struct limits *limits, uid_t uid, uint64_t size, uint64_t pending, uint64_t now);

#endif
