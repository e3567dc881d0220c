/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the SASL module share; the contracts are in sasl.h. */
#ifndef DEADDROP_SASL_INTERNAL_H
#define DEADDROP_SASL_INTERNAL_H

#include "sasl.h"
#include "sasl_hash.h"

enum sasl_kind { SASL_SCRAM, SASL_PLAIN, SASL_LOGIN, SASL_CRAM_MD5, SASL_EXTERNAL, SASL_XOAUTH2, SASL_OAUTHBEARER };
#define SASL_KINDS (SASL_OAUTHBEARER + 1)

struct sasl_mechanism {
	const char *name;
	enum sasl_kind kind;
	enum sasl_hash hash;		/* of SCRAM */
	bool binding;			/* -PLUS */
	bool client_first;
	bool clear;			/* shows password or token to the peer */
	bool server;			/* the server side has it */
};

/* Sets error, unless NULL.  Returns SASL_FAILED. */
enum sasl_result sasl_fail(struct str *error, const char *text);
bool sasl_offers_binding(struct span offered);

#define SASL_NONCE_MAX 1024		/* of both sides together */

struct sasl_keys {
	unsigned char client[SASL_HASH_MAX], stored[SASL_HASH_MAX], server[SASL_HASH_MAX];
};

/* RFC 5802 section 3.  All return 0, or -1. */
int sasl_scram_keys(enum sasl_hash hash, struct span password, struct span salt, unsigned iterations, struct sasl_keys *keys);
void sasl_scram_xor(enum sasl_hash hash, unsigned char *into, const unsigned char *with);
bool sasl_scram_equal(const void *a, const void *b, size_t len);		/* in constant time */
int sasl_scram_nonce(struct str *out);					/* appends 24 printable characters of 18 random bytes */
int sasl_scram_name(struct str *out, struct span name);			/* "," and "=" escaped */
int sasl_scram_name_decode(struct str *out, struct span text);
bool sasl_scram_nonce_valid(struct span nonce);				/* printable, no comma, not empty, not too long */
/* Cuts "K=value" off the front of *rest, with the comma behind it.  False where the next attribute is another. */
bool sasl_scram_take(struct span *rest, char key, struct span *value);

#define SASL_SALT_MAX 1024
struct sasl_stored {
	unsigned iterations;
	struct str salt;
	struct sasl_keys keys;		/* stored and server */
};
/* Reads a verifier made for hash.  0, or -1 where it is none, or malformed. */
int sasl_verifier_parse(struct span text, enum sasl_hash hash, struct sasl_stored *stored);

#endif
