/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sasl_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base64.h"

#define NONCE_BYTES 18

int sasl_scram_keys(enum sasl_hash hash, struct span password, struct span salt, unsigned iterations, struct sasl_keys *keys)
{
	unsigned char salted[SASL_HASH_MAX];
	const struct span key = { (const char *)salted, sasl_hash_size(hash) };
	int result = -1;

	if (sasl_hash_pbkdf2(hash, password, salt, iterations, salted) == 0 && sasl_hash_hmac(hash, key, span_of("Client Key"), keys->client) == 0 &&
	    sasl_hash_hmac(hash, key, span_of("Server Key"), keys->server) == 0 &&
	    sasl_hash_digest(hash, (struct span){ (const char *)keys->client, key.len }, keys->stored) == 0)
		result = 0;
	explicit_bzero(salted, sizeof(salted));
	return result;
}

void sasl_scram_xor(enum sasl_hash hash, unsigned char *into, const unsigned char *with)
{
	for (size_t i = 0; i < sasl_hash_size(hash); i++)
		into[i] ^= with[i];
}

bool sasl_scram_equal(const void *a, const void *b, size_t len)
{
	const unsigned char *left = a, *right = b;
	volatile unsigned char differ = 0;	/* volatile: no compiler may stop at the first difference */

	for (size_t i = 0; i < len; i++)
		differ = (unsigned char)(differ | (left[i] ^ right[i]));
	return differ == 0;
}

int sasl_scram_nonce(struct str *out)
{
	char bytes[NONCE_BYTES];
	size_t have = 0;

	while (have < sizeof(bytes)) {
		ssize_t n = getrandom(bytes + have, sizeof(bytes) - have, 0);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			have += (size_t)n;
	}
	return base64_encode(out, (struct span){ bytes, sizeof(bytes) });
}

int sasl_scram_name(struct str *out, struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (c == ',' || c == '=' ? str_add(out, c == ',' ? "=2C" : "=3D") < 0 : str_add_char(out, c) < 0)
			return -1;
	}
	return 0;
}

int sasl_scram_name_decode(struct str *out, struct span text)
{
	while (text.len > 0) {
		char c = text.data[0];
		size_t len = 1;

		if (c == '=') {
			if (!span_starts(text, "=2C") && !span_starts(text, "=3D"))
				return -1;
			c = text.data[2] == 'C' ? ',' : '=';
			len = 3;
		}
		if (str_add_char(out, c) < 0)
			return -1;
		text = span_skip(text, len);
	}
	return 0;
}

bool sasl_scram_nonce_valid(struct span nonce)
{
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.data[i] <= ' ' || nonce.data[i] > '~' || nonce.data[i] == ',')
			return false;
	return nonce.len > 0 && nonce.len <= SASL_NONCE_MAX;
}

bool sasl_scram_take(struct span *rest, char key, struct span *value)
{
	const char *comma;
	size_t len;

	if (rest->len < 2 || rest->data[0] != key || rest->data[1] != '=')
		return false;
	comma = memchr(rest->data, ',', rest->len);
	len = comma != NULL ? (size_t)(comma - rest->data) : rest->len;
	*value = (struct span){ rest->data + 2, len - 2 };
	*rest = span_skip(*rest, len + 1);
	return true;
}
