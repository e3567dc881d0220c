/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server's state, shared by the files that hold its mechanisms. */
#ifndef DEADDROP_SASL_SERVER_H
#define DEADDROP_SASL_SERVER_H

#include "sasl_internal.h"

#define SASL_USER_MAX 512

struct sasl_server {
	const struct sasl_mechanism *mechanism;
	const struct sasl_server_users *users;
	unsigned step;			/* 1: the client's first message comes next */
	enum sasl_result result;	/* of the last message; SASL_MORE (0) at first */
	struct str user;
	/* SCRAM */
	struct str nonce;		/* ours, then both */
	struct str header;		/* the gs2-header, which the client must repeat */
	struct str auth;		/* AuthMessage as far as it is known */
	struct sasl_stored stored;
	const char *unusable;		/* why it will be a no in the end, whatever the proof */
};
_Static_assert(SASL_MORE == 0, "a new server wants a message");

bool sasl_server_name(struct sasl_server *server, struct span user);	/* notes it; false where it cannot be one */
void sasl_server_fetch(struct sasl_server *server, struct str *secret);	/* empty: there is none */
enum sasl_result sasl_server_scram(struct sasl_server *server, struct span response, struct str *out, struct str *error);

#endif
