/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hashes that SASL needs, from libcrypto: the only file of SASL that knows it. */
#ifndef DEADDROP_SASL_HASH_H
#define DEADDROP_SASL_HASH_H

#include "span.h"

#define SASL_HASH_MAX 32

enum sasl_hash { SASL_HASH_MD5, SASL_HASH_SHA1, SASL_HASH_SHA256 };

size_t sasl_hash_size(enum sasl_hash hash);
/* All three: 0, or -1 where libcrypto fails (no memory, a hash that the host forbids). */
int sasl_hash_digest(enum sasl_hash hash, struct span data, unsigned char out[SASL_HASH_MAX]);
int sasl_hash_hmac(enum sasl_hash hash, struct span key, struct span data, unsigned char out[SASL_HASH_MAX]);
int sasl_hash_pbkdf2(enum sasl_hash hash, struct span password, struct span salt, unsigned iterations, unsigned char out[SASL_HASH_MAX]);

#endif
