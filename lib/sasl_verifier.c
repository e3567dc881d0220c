/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sasl_internal.h"

#include <string.h>

#include "base64.h"
#include "text.h"

static int write_verifier(struct str *out, const struct sasl_mechanism *mechanism, struct span salt, unsigned iterations, const struct sasl_keys *keys)
{
	const size_t before = out->len, size = sasl_hash_size(mechanism->hash);

	if (str_printf(out, "%s$%u:", mechanism->name, iterations) < 0 || base64_encode(out, salt) < 0 || str_add_char(out, '$') < 0 ||
	    base64_encode(out, (struct span){ (const char *)keys->stored, size }) < 0 || str_add_char(out, ':') < 0 ||
	    base64_encode(out, (struct span){ (const char *)keys->server, size }) < 0) {
		str_cut(out, before);
		return -1;
	}
	return 0;
}

int sasl_verifier(struct str *out, const struct sasl_mechanism *mechanism, struct span password, struct span salt, unsigned iterations, struct str *error)
{
	struct str random = STR_INIT(100);
	struct sasl_keys keys;
	const char *wrong = NULL;

	if (mechanism->kind != SASL_SCRAM || mechanism->binding)
		wrong = "verifiers are made for SCRAM-SHA-256 and SCRAM-SHA-1 only";
	else if (iterations < SASL_ITERATIONS_MIN || iterations > SASL_ITERATIONS_MAX)
		wrong = "the iteration count is out of range";
	else if (password.len == 0 || !text_is_clean(password, SASL_SECRET_MAX))
		wrong = "the password is empty, too long or holds control characters";
	else if (salt.len > SASL_SALT_MAX || (salt.len == 0 && sasl_scram_nonce(&random) < 0))
		wrong = "no salt";
	if (wrong == NULL) {
		if (salt.len == 0)
			salt = (struct span){ random.data, 16 };	/* 96 random bits */
		if (sasl_scram_keys(mechanism->hash, password, salt, iterations, &keys) < 0 || write_verifier(out, mechanism, salt, iterations, &keys) < 0)
			wrong = "hashing failed";
		explicit_bzero(&keys, sizeof(keys));
	}
	str_free(&random);
	if (wrong == NULL)
		return 0;
	(void)sasl_fail(error, wrong);
	return -1;
}

static int take_key(struct span text, size_t size, unsigned char *key)
{
	struct str bytes = STR_INIT(SASL_HASH_MAX);
	int result = -1;

	if (base64_decode(&bytes, text) == 0 && bytes.len == size) {
		memcpy(key, bytes.data, size);
		result = 0;
	}
	str_wipe(&bytes);
	return result;
}

int sasl_verifier_parse(struct span text, enum sasl_hash hash, struct sasl_stored *stored)
{
	struct span name, iterations, salt, key;
	const struct sasl_mechanism *mechanism;
	uint64_t count;

	if (!span_word(&text, '$', &name) || !span_word(&text, ':', &iterations) || !span_word(&text, '$', &salt) || !span_word(&text, ':', &key))
		return -1;
	mechanism = sasl_find(name);
	if (mechanism == NULL || mechanism->kind != SASL_SCRAM || mechanism->hash != hash || mechanism->binding)
		return -1;
	if (span_decimal(iterations, SASL_ITERATIONS_MAX, &count) < 0 || count < 1 || base64_decode(&stored->salt, salt) < 0 || stored->salt.len == 0)
		return -1;
	stored->iterations = (unsigned)count;
	return take_key(key, sasl_hash_size(hash), stored->keys.stored) == 0 && take_key(text, sasl_hash_size(hash), stored->keys.server) == 0 ? 0 : -1;
}
