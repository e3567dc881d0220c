/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SCRAM (RFC 5802, RFC 7677), the client's side. */
#include "sasl_client.h"

#include <string.h>

#include "base64.h"

static const char no_room[] = "the message to be sent would be too long";

/*
 * The flag says what we saw: "p" a binding is used; "y" we have one, and the server offered none: a server that did
 * offer it knows then that somebody cut its offer; "n" we have none, or chose not to.
 */
static int add_header(struct sasl_client *client)
{
	struct str *header = &client->header;

	if (client->mechanism->binding) {
		if (str_add(header, "p=") < 0 || str_add_span(header, str_span(&client->binding_name)) < 0)
			return -1;
	} else if (str_add_char(header, client->has_binding && !client->binding_offered ? 'y' : 'n') < 0) {
		return -1;
	}
	if (str_add_char(header, ',') < 0)
		return -1;
	if (client->authorize.len > 0 && (str_add(header, "a=") < 0 || sasl_scram_name(header, str_span(&client->authorize)) < 0))
		return -1;
	return str_add_char(header, ',');
}

static enum sasl_result speak_first(struct sasl_client *client, struct str *out, struct str *error)
{
	if (!sasl_scram_nonce_valid(str_span(&client->nonce)))
		return sasl_fail(error, "the nonce cannot be sent");
	if (add_header(client) < 0 || str_add(&client->first, "n=") < 0 || sasl_scram_name(&client->first, str_span(&client->user)) < 0 ||
	    str_add(&client->first, ",r=") < 0 || str_add_span(&client->first, str_span(&client->nonce)) < 0 ||
	    str_add_span(out, str_span(&client->header)) < 0 || str_add_span(out, str_span(&client->first)) < 0)
		return sasl_fail(error, no_room);
	return SASL_MORE;
}

struct offer {			/* the server's first message */
	struct span nonce, salt;
	uint64_t iterations;
};

static const char *read_offer(const struct sasl_client *client, struct span message, struct offer *offer)
{
	struct span iterations;

	if (!sasl_scram_take(&message, 'r', &offer->nonce) || !sasl_scram_take(&message, 's', &offer->salt) ||
	    !sasl_scram_take(&message, 'i', &iterations))
		return "the server's first message is malformed";
	if (!sasl_scram_nonce_valid(offer->nonce) || offer->nonce.len <= client->nonce.len ||
	    memcmp(offer->nonce.data, client->nonce.data, client->nonce.len) != 0)
		return "the server's nonce does not begin with ours";
	if (span_decimal(iterations, UINT32_MAX, &offer->iterations) < 0)
		return "the server's iteration count is malformed";
	/* few make the password cheap to guess for who listens; too many would hold us up */
	if (offer->iterations < SASL_ITERATIONS_MIN)
		return "the server's iteration count is too low to be safe (below 4096)";
	return offer->iterations > SASL_ITERATIONS_MAX ? "the server's iteration count is too high" : NULL;
}

static int add_final(const struct sasl_client *client, const struct offer *offer, struct str *out)
{
	struct str bound = STR_INIT(SASL_MESSAGE_MAX);
	int result = -1;

	if (str_add_span(&bound, str_span(&client->header)) == 0 &&
	    (!client->mechanism->binding || str_add_span(&bound, str_span(&client->binding)) == 0) &&
	    str_add(out, "c=") == 0 && base64_encode(out, str_span(&bound)) == 0 && str_add(out, ",r=") == 0 && str_add_span(out, offer->nonce) == 0)
		result = 0;
	str_wipe(&bound);
	return result;
}

/* From AuthMessage to the proof, and what the server must answer. */
static int prove(struct sasl_client *client, const struct offer *offer, struct span message, struct str *out)
{
	const enum sasl_hash hash = client->mechanism->hash;
	const size_t size = sasl_hash_size(hash);
	struct str auth = STR_INIT(4 * (size_t)SASL_MESSAGE_MAX), salt = STR_INIT(SASL_SALT_MAX);
	unsigned char proof[SASL_HASH_MAX];
	struct sasl_keys keys;
	int result = -1;

	memset(&keys, 0, sizeof(keys));
	if (str_add_span(&auth, str_span(&client->first)) == 0 && str_add_char(&auth, ',') == 0 && str_add_span(&auth, message) == 0 &&
	    str_add_char(&auth, ',') == 0 && str_add_span(&auth, str_span(out)) == 0 && base64_decode(&salt, offer->salt) == 0 && salt.len > 0 &&
	    sasl_scram_keys(hash, str_span(&client->password), str_span(&salt), (unsigned)offer->iterations, &keys) == 0 &&
	    sasl_hash_hmac(hash, (struct span){ (const char *)keys.stored, size }, str_span(&auth), proof) == 0 &&
	    sasl_hash_hmac(hash, (struct span){ (const char *)keys.server, size }, str_span(&auth), client->signature) == 0) {
		sasl_scram_xor(hash, proof, keys.client);
		if (str_add(out, ",p=") == 0 && base64_encode(out, (struct span){ (const char *)proof, size }) == 0)
			result = 0;
	}
	explicit_bzero(&keys, sizeof(keys));
	str_wipe(&auth);
	str_free(&salt);
	return result;
}

static enum sasl_result answer(struct sasl_client *client, struct span message, struct str *out, struct str *error)
{
	struct offer offer;
	const char *wrong = read_offer(client, message, &offer);

	if (wrong != NULL)
		return sasl_fail(error, wrong);
	if (add_final(client, &offer, out) < 0)
		return sasl_fail(error, no_room);
	if (prove(client, &offer, message, out) < 0)
		return sasl_fail(error, "the server's salt is malformed, or hashing failed");
	/* it has served; nothing after this message needs it */
	str_wipe(&client->password);
	return SASL_MORE;
}

static enum sasl_result verify(struct sasl_client *client, struct span message, struct str *error)
{
	const size_t size = sasl_hash_size(client->mechanism->hash);
	struct str signature = STR_INIT(SASL_HASH_MAX);
	struct span value;
	bool good;

	if (sasl_scram_take(&message, 'e', &value)) {
		if (error != NULL) {
			str_cut(error, 0);
			(void)str_printf(error, "the server says: %.*s", (int)(value.len > SASL_TEXT_SHOWN ? SASL_TEXT_SHOWN : value.len), value.data);
		}
		return SASL_FAILED;
	}
	if (!sasl_scram_take(&message, 'v', &value))
		return sasl_fail(error, "the server does not prove that it knows the password");
	good = base64_decode(&signature, value) == 0 && signature.len == size && sasl_scram_equal(signature.data, client->signature, size);
	str_free(&signature);
	return good ? SASL_DONE : sasl_fail(error, "the server does not know the password: somebody else answers in its place");
}

enum sasl_result sasl_client_scram(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	switch (client->step) {
	case 0:
		return speak_first(client, out, error);
	case 1:
		return answer(client, challenge, out, error);
	default:
		return verify(client, challenge, error);
	}
}
