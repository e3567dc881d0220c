/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SCRAM (RFC 5802, RFC 7677), the server's side, without channel binding. */
#include "sasl_server.h"

#include <string.h>

#include "base64.h"

#define PLAIN_PREFIX "{PLAIN}"
#define SALT_BYTES 16

/* A salt for a name, the same at every try: of a user whose password is stored in plain, or of one who does not exist. */
static int make_salt(struct sasl_server *server)
{
	const struct span key = { (const char *)server->users->seed, sizeof(server->users->seed) };
	unsigned char mac[SASL_HASH_MAX];

	if (sasl_hash_hmac(SASL_HASH_SHA256, key, str_span(&server->user), mac) < 0)
		return -1;
	server->stored.iterations = SASL_ITERATIONS_MIN;
	str_cut(&server->stored.salt, 0);
	return str_append(&server->stored.salt, mac, SALT_BYTES);
}

/* Fills stored, for a user who does not exist with what looks like one. */
static int load(struct sasl_server *server)
{
	const enum sasl_hash hash = server->mechanism->hash;
	struct str secret = STR_INIT(SASL_SECRET_MAX);
	struct sasl_stored *stored = &server->stored;
	int result = 0;

	sasl_server_fetch(server, &secret);
	if (secret.len > strlen(PLAIN_PREFIX) && span_starts(str_span(&secret), PLAIN_PREFIX)) {
		result = make_salt(server);
		if (result == 0)
			result = sasl_scram_keys(hash, span_skip(str_span(&secret), strlen(PLAIN_PREFIX)), str_span(&stored->salt), stored->iterations, &stored->keys);
	} else if (secret.len == 0 || sasl_verifier_parse(str_span(&secret), hash, stored) < 0) {
		server->unusable = secret.len == 0 ? "unknown user or wrong password" : "the secret that is stored for the user does not serve this mechanism";
		result = make_salt(server);
	}
	str_wipe(&secret);
	return result;
}

static const char *read_first(struct sasl_server *server, struct span message, struct span *nonce)
{
	const struct span whole = message;
	struct span authorize = { "", 0 }, name;
	struct str acting = STR_INIT(SASL_USER_MAX), user = STR_INIT(SASL_USER_MAX);
	const char *wrong = NULL;

	/* "y": a client that has a binding and saw none offered, which is so */
	if (!span_starts(message, "n,") && !span_starts(message, "y,"))
		return "channel binding is not offered";
	message = span_skip(message, 2);
	if (!sasl_scram_take(&message, 'a', &authorize) && !span_starts(message, ","))
		return "malformed message";
	if (authorize.len == 0)
		message = span_skip(message, 1);
	if (str_append(&server->header, whole.data, whole.len - message.len) < 0 || str_add_span(&server->auth, message) < 0)
		return "no memory";
	if (!sasl_scram_take(&message, 'n', &name) || !sasl_scram_take(&message, 'r', nonce) || !sasl_scram_nonce_valid(*nonce))
		wrong = "malformed message";
	else if (sasl_scram_name_decode(&user, name) < 0 || !sasl_server_name(server, str_span(&user)))
		wrong = "malformed user";
	else if (sasl_scram_name_decode(&acting, authorize) < 0 || (acting.len > 0 && !span_equal(str_span(&acting), str_span(&user))))
		wrong = "acting for another user is not possible";
	str_free(&acting);
	str_free(&user);
	return wrong;
}

static enum sasl_result first(struct sasl_server *server, struct span message, struct str *out, struct str *error)
{
	struct str own = STR_INIT(SASL_NONCE_MAX);
	struct span nonce;
	const char *wrong = read_first(server, message, &nonce);

	if (wrong != NULL)
		return sasl_fail(error, wrong);
	if (str_add_span(&own, str_span(&server->nonce)) < 0 || str_set(&server->nonce, nonce) < 0 ||
	    str_add_span(&server->nonce, str_span(&own)) < 0 || load(server) < 0 || str_add(out, "r=") < 0 ||
	    str_add_span(out, str_span(&server->nonce)) < 0 || str_add(out, ",s=") < 0 ||
	    base64_encode(out, str_span(&server->stored.salt)) < 0 || str_printf(out, ",i=%u", server->stored.iterations) < 0 ||
	    str_add_char(&server->auth, ',') < 0 || str_add_span(&server->auth, str_span(out)) < 0)
		wrong = "the message is too long, or hashing failed";
	str_free(&own);
	return wrong == NULL ? SASL_MORE : sasl_fail(error, wrong);
}

/* The client repeats the header: whoever changed it on the way is found out. */
static bool header_is(const struct sasl_server *server, struct span repeated)
{
	struct str expected = STR_INIT(4 * (size_t)SASL_MESSAGE_MAX);
	bool good = base64_encode(&expected, str_span(&server->header)) == 0 && span_equal(str_span(&expected), repeated);

	str_free(&expected);
	return good;
}

static bool proof_is_good(const struct sasl_server *server, struct span text)
{
	const enum sasl_hash hash = server->mechanism->hash;
	const size_t size = sasl_hash_size(hash);
	struct str proof = STR_INIT(SASL_HASH_MAX);
	unsigned char key[SASL_HASH_MAX], stored[SASL_HASH_MAX];
	bool good = false;

	if (base64_decode(&proof, text) == 0 && proof.len == size &&
	    sasl_hash_hmac(hash, (struct span){ (const char *)server->stored.keys.stored, size }, str_span(&server->auth), key) == 0) {
		sasl_scram_xor(hash, key, (const unsigned char *)proof.data);
		good = sasl_hash_digest(hash, (struct span){ (const char *)key, size }, stored) == 0 &&
			sasl_scram_equal(stored, server->stored.keys.stored, size);
	}
	explicit_bzero(key, sizeof(key));
	str_wipe(&proof);
	return good;
}

static enum sasl_result final(struct sasl_server *server, struct span message, struct str *out, struct str *error)
{
	const size_t size = sasl_hash_size(server->mechanism->hash);
	const struct span whole = message;
	struct span header, nonce, proof = { "", 0 };
	unsigned char signature[SASL_HASH_MAX];
	size_t before = 0;

	if (!sasl_scram_take(&message, 'c', &header) || !header_is(server, header) || !sasl_scram_take(&message, 'r', &nonce) ||
	    !span_equal(nonce, str_span(&server->nonce)))
		return sasl_fail(error, "malformed message, or not the answer to ours");
	/* extensions may stand before the proof, which is the last */
	while (message.len > 0 && message.data[0] != 'p')
		if (!sasl_scram_take(&message, message.data[0], &proof))
			return sasl_fail(error, "malformed message");
	before = whole.len - message.len;
	if (!sasl_scram_take(&message, 'p', &proof) || message.len > 0)
		return sasl_fail(error, "malformed message");
	if (str_add_char(&server->auth, ',') < 0 || str_append(&server->auth, whole.data, before - 1) < 0)
		return sasl_fail(error, "no memory");
	if (!proof_is_good(server, proof) || server->unusable != NULL)
		return sasl_fail(error, server->unusable != NULL ? server->unusable : "unknown user or wrong password");
	if (sasl_hash_hmac(server->mechanism->hash, (struct span){ (const char *)server->stored.keys.server, size }, str_span(&server->auth), signature) < 0 ||
	    str_add(out, "v=") < 0 || base64_encode(out, (struct span){ (const char *)signature, size }) < 0)
		return sasl_fail(error, "no memory");
	return SASL_MORE;
}

enum sasl_result sasl_server_scram(struct sasl_server *server, struct span response, struct str *out, struct str *error)
{
	switch (server->step) {
	case 1:
		return first(server, response, out, error);
	case 2:
		return final(server, response, out, error);
	default:
		return response.len == 0 ? SASL_DONE : sasl_fail(error, "malformed message");
	}
}
