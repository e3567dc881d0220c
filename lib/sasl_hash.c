/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sasl_hash.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct { size_t size; const EVP_MD *(*method)(void); } hashes[] = {
	[SASL_HASH_MD5] = { 16, EVP_md5 },
	[SASL_HASH_SHA1] = { 20, EVP_sha1 },
	[SASL_HASH_SHA256] = { 32, EVP_sha256 },
};

size_t sasl_hash_size(enum sasl_hash hash)
{
	return hashes[hash].size;
}

static const EVP_MD *method(enum sasl_hash hash)
{
	/* first of all, so that nothing loads openssl.cnf, which a jail does not have */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	return hashes[hash].method();
}

static int result_of(bool good)
{
	if (good)
		return 0;
	ERR_clear_error();
	return -1;
}

int sasl_hash_digest(enum sasl_hash hash, struct span data, unsigned char out[SASL_HASH_MAX])
{
	return result_of(EVP_Digest(data.data, data.len, out, NULL, method(hash), NULL) == 1);
}

int sasl_hash_hmac(enum sasl_hash hash, struct span key, struct span data, unsigned char out[SASL_HASH_MAX])
{
	const void *bytes = key.len > 0 ? key.data : "";	/* NULL would mean the key of the call before */

	if (key.len > INT_MAX)
		return -1;
	return result_of(HMAC(method(hash), bytes, (int)key.len, (const unsigned char *)data.data, data.len, out, NULL) != NULL);
}

int sasl_hash_pbkdf2(enum sasl_hash hash, struct span password, struct span salt, unsigned iterations, unsigned char out[SASL_HASH_MAX])
{
	if (password.len > INT_MAX || salt.len > INT_MAX || iterations == 0 || iterations > INT_MAX)
		return -1;
	return result_of(PKCS5_PBKDF2_HMAC(password.len > 0 ? password.data : "", (int)password.len, (const unsigned char *)salt.data, (int)salt.len,
		(int)iterations, method(hash), (int)hashes[hash].size, out) == 1);
}
