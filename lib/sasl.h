/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SASL (RFC 4422), client and server, as functions from message to message: raw bytes, base 64 and the protocol's frame are the caller's.  Nothing is read or written but random
 * numbers for nonces.  Hashes come from libcrypto (sasl_hash.c alone).
 *
 * Names and passwords: control characters are refused, everything else is used as it is given.  Of SASLprep (RFC 4013) the mapping and normalisation of characters beyond ASCII is not
 * done: UTF-8 that is not NFKC already works only with servers that do not normalise either.
 */
#ifndef DEADDROP_SASL_H
#define DEADDROP_SASL_H

#include "str.h"

#define SASL_MESSAGE_MAX 12288		/* bytes of one message, either way (RFC 4954: base 64 of it fits in 16384) */
#define SASL_SECRET_MAX 4096		/* password or user; a token may have SASL_MESSAGE_MAX less the frame */
#define SASL_ITERATIONS_MIN 4096
#define SASL_ITERATIONS_MAX 10000000	/* about 0.3 s a million: a server that asks for more is refused */
#define SASL_ERROR_MAX 1000

enum sasl_result {
	SASL_MORE,		/* send out, and wait for the next message */
	SASL_DONE,		/* client: send out (it may be empty) and wait for the server's verdict.  Server: he is who he says; out is empty */
	SASL_REFUSED,		/* client: the server has said no and why (error); it wants out as an answer before its verdict comes */
	SASL_FAILED,		/* client: cancel with "*".  Server: say no.  error says why */
};

/* Client */

struct sasl_identity {		/* what there is to log in with; empty or NULL where there is none.  Copied where kept */
	struct span user;
	struct span authorize;		/* whom to act for, where that is not user */
	struct span password;
	struct span token;		/* OAuth 2 bearer token */
	const char *host;		/* for OAUTHBEARER */
	unsigned port;
	bool certificate;		/* TLS showed one of ours: EXTERNAL can be used */
	bool clear;			/* a password or token may be shown to the peer: TLS that verified it, or a local socket */
	const char *binding_name;	/* of TLS, see tls_binding_best; NULL: none */
	struct span binding;
};

struct sasl_mechanism;			/* an entry of a const table */
const struct sasl_mechanism *sasl_find(struct span name);		/* any case; NULL: unknown */
const char *sasl_name(const struct sasl_mechanism *mechanism);
/*
 * The best of what is offered (names between blanks, any case) that identity suffices for: a token is used before a certificate before a password; SCRAM with
 * binding, SCRAM, PLAIN, LOGIN, CRAM-MD5 (without clear PLAIN and LOGIN are out of the question).  allowed: the operator's choice, names between blanks; NULL: all.  NULL with reason, for people.
 */
const struct sasl_mechanism *sasl_choose(struct span offered, const char *allowed, const struct sasl_identity *identity, struct str *reason);

struct sasl_client;
/*
 * offered as for sasl_choose: SCRAM tells the server whether it has offered a binding.  nonce: NULL for a random one; tests give theirs.
 * NULL with error: no memory, or a name or password that cannot be sent.  Secrets are wiped by sasl_client_free.
 */
struct sasl_client *sasl_client_new(const struct sasl_mechanism *mechanism, const struct sasl_identity *identity, struct span offered, const char *nonce, struct str *error);
void sasl_client_free(struct sasl_client *client);
/* The client speaks first: call sasl_client_step with an empty challenge and send what it gives as initial response, or, without that extension, as answer to the first (empty) challenge.
 * False (LOGIN, CRAM-MD5): the first challenge is the first step. */
bool sasl_client_first(const struct sasl_client *client);
/* An empty initial response is "=" in IMAP and SMTP.  out is replaced; give it a limit of SASL_MESSAGE_MAX, and str_wipe it. */
enum sasl_result sasl_client_step(struct sasl_client *client, struct span challenge, struct str *out, struct str *error);
/* The server has said yes (data: what came with it, decoded; empty for none).  0: so it is; -1 with error: it has
 * not proved that it knows the password (SCRAM) or has cut the exchange short: break off. */
int sasl_client_accepted(struct sasl_client *client, struct span data, struct str *error);

/* Server: PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-1 (no -PLUS) */

struct sasl_server_users {
	/* Appends the stored secret of user: "{PLAIN}password" or a verifier as sasl_verifier writes it.  False: there is no such user. */
	bool (*lookup)(void *arg, struct span user, struct str *secret);
	void *arg;
	unsigned char seed[32];		/* random, the same for the life of the process: unknown users get a salt made of it, so that nobody can tell them */
};

struct sasl_server;
bool sasl_server_has(const struct sasl_mechanism *mechanism);
bool sasl_server_clear(const struct sasl_mechanism *mechanism);	/* shows the password: offer it with TLS or on loopback only */
struct sasl_server *sasl_server_new(const struct sasl_mechanism *mechanism, const struct sasl_server_users *users, const char *nonce, struct str *error);
void sasl_server_free(struct sasl_server *server);
/* First call: the client's initial response, or has_response false where there was none.  out is replaced: the challenge. */
enum sasl_result sasl_server_step(struct sasl_server *server, bool has_response, struct span response, struct str *out, struct str *error);
struct span sasl_server_user(const struct sasl_server *server);	/* who: after SASL_DONE, or who it was to be (for the log) after SASL_FAILED.  Hostile bytes */

/* Writes "SCRAM-SHA-256$4096:SALT$STORED:SERVER" (or SCRAM-SHA-1$…; RFC 5803): what a server needs to keep instead of a password.  salt empty: 16 random bytes. */
int sasl_verifier(struct str *out, const struct sasl_mechanism *mechanism, struct span password, struct span salt, unsigned iterations, struct str *error);

#endif
