/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sasl_server.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

#define PLAIN_PREFIX "{PLAIN}"

static const char refused[] = "unknown user or wrong password";	/* which of both is nobody's business */

void sasl_server_fetch(struct sasl_server *server, struct str *secret)
{
	/* one allocation: growing would leave copies of the secret behind */
	if (str_reserve(secret, SASL_SECRET_MAX - 1) < 0 || !server->users->lookup(server->users->arg, str_span(&server->user), secret))
		str_cut(secret, 0);
}

/* Two of unknown length, in a time that does not tell where they differ: their keyed hashes are compared. */
static bool same_secret(const struct sasl_server *server, struct span a, struct span b)
{
	const struct span key = { (const char *)server->users->seed, sizeof(server->users->seed) };
	unsigned char left[SASL_HASH_MAX], right[SASL_HASH_MAX];

	return sasl_hash_hmac(SASL_HASH_SHA256, key, a, left) == 0 && sasl_hash_hmac(SASL_HASH_SHA256, key, b, right) == 0 &&
		sasl_scram_equal(left, right, sasl_hash_size(SASL_HASH_SHA256));
}

static bool fits_verifier(struct span secret, enum sasl_hash hash, struct span password)
{
	struct sasl_stored stored = { .salt = STR_INIT(SASL_SALT_MAX) };
	struct sasl_keys keys;
	bool good = false;

	if (sasl_verifier_parse(secret, hash, &stored) == 0 &&
	    sasl_scram_keys(hash, password, str_span(&stored.salt), stored.iterations, &keys) == 0)
		good = sasl_scram_equal(keys.stored, stored.keys.stored, sasl_hash_size(hash));
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(&stored.keys, sizeof(stored.keys));
	str_free(&stored.salt);
	return good;
}

static bool password_is(struct sasl_server *server, struct span password)
{
	struct str secret = STR_INIT(SASL_SECRET_MAX);
	struct sasl_keys keys;
	bool good = false;

	sasl_server_fetch(server, &secret);
	if (secret.len == 0)		/* as much work as for a user who exists */
		(void)sasl_scram_keys(SASL_HASH_SHA256, password, span_of("nobody"), SASL_ITERATIONS_MIN, &keys);
	else if (span_starts(str_span(&secret), PLAIN_PREFIX))
		good = secret.len > strlen(PLAIN_PREFIX) && same_secret(server, span_skip(str_span(&secret), strlen(PLAIN_PREFIX)), password);
	else
		good = fits_verifier(str_span(&secret), SASL_HASH_SHA256, password) || fits_verifier(str_span(&secret), SASL_HASH_SHA1, password);
	explicit_bzero(&keys, sizeof(keys));
	str_wipe(&secret);
	return good;
}

bool sasl_server_name(struct sasl_server *server, struct span user)
{
	return user.len > 0 && user.len <= SASL_USER_MAX && str_set(&server->user, user) == 0 && text_is_clean(user, SASL_USER_MAX);
}

static enum sasl_result step_plain(struct sasl_server *server, struct span response, struct str *out, struct str *error)
{
	struct span authorize, user;

	(void)out;
	if (!span_word(&response, '\0', &authorize) || !span_word(&response, '\0', &user))
		return sasl_fail(error, "malformed response");
	if (!sasl_server_name(server, user) || response.len == 0 || !text_is_clean(response, SASL_SECRET_MAX))
		return sasl_fail(error, "malformed user or password");
	if (authorize.len > 0 && !span_equal(authorize, user))
		return sasl_fail(error, "acting for another user is not possible");
	return password_is(server, response) ? SASL_DONE : sasl_fail(error, refused);
}

static enum sasl_result step_login(struct sasl_server *server, struct span response, struct str *out, struct str *error)
{
	if (server->step == 1) {
		if (!sasl_server_name(server, response))
			return sasl_fail(error, "malformed user");
		return str_add(out, "Password:") < 0 ? sasl_fail(error, "no memory") : SASL_MORE;
	}
	if (response.len == 0 || !text_is_clean(response, SASL_SECRET_MAX))
		return sasl_fail(error, "malformed password");
	return password_is(server, response) ? SASL_DONE : sasl_fail(error, refused);
}

/* prompt: the challenge where the client sent no initial response. */
static const struct {
	enum sasl_result (*step)(struct sasl_server *server, struct span response, struct str *out, struct str *error);
	const char *prompt;
} steps[SASL_KINDS] = {
	[SASL_SCRAM] = { sasl_server_scram, "" },
	[SASL_PLAIN] = { step_plain, "" },
	[SASL_LOGIN] = { step_login, "Username:" },
};

struct sasl_server *sasl_server_new(const struct sasl_mechanism *mechanism, const struct sasl_server_users *users, const char *nonce, struct str *error)
{
	struct sasl_server *server = mechanism->server ? calloc(1, sizeof(*server)) : NULL;

	if (server == NULL) {
		(void)sasl_fail(error, mechanism->server ? "no memory" : "the mechanism is not available");
		return NULL;
	}
	server->mechanism = mechanism;
	server->users = users;
	server->user = (struct str)STR_INIT(SASL_USER_MAX);
	server->nonce = (struct str)STR_INIT(SASL_NONCE_MAX);
	server->header = (struct str)STR_INIT(3 * (size_t)SASL_MESSAGE_MAX);
	server->auth = (struct str)STR_SECRET(3 * (size_t)SASL_MESSAGE_MAX);
	server->stored.salt = (struct str)STR_INIT(SASL_SALT_MAX);
	if ((nonce != NULL ? str_add(&server->nonce, nonce) : sasl_scram_nonce(&server->nonce)) < 0) {
		(void)sasl_fail(error, "no memory or no random numbers");
		sasl_server_free(server);
		return NULL;
	}
	return server;
}

void sasl_server_free(struct sasl_server *server)
{
	if (server == NULL)
		return;
	str_free(&server->user);
	str_free(&server->nonce);
	str_free(&server->header);
	str_wipe(&server->auth);
	str_free(&server->stored.salt);
	explicit_bzero(server, sizeof(*server));
	free(server);
}

enum sasl_result sasl_server_step(struct sasl_server *server, bool has_response, struct span response, struct str *out, struct str *error)
{
	const unsigned kind = server->mechanism->kind;
	enum sasl_result result;

	str_cut(out, 0);
	if (server->result != SASL_MORE || response.len > SASL_MESSAGE_MAX || (!has_response && server->step > 0))
		return sasl_fail(error, "the message is too long, or there is nothing more to say");
	if (!has_response) {
		server->step = 1;
		return str_add(out, steps[kind].prompt) < 0 ? sasl_fail(error, "no memory") : SASL_MORE;
	}
	if (server->step == 0)
		server->step = 1;
	result = steps[kind].step(server, response, out, error);
	if (result == SASL_FAILED)
		str_cut(out, 0);
	server->step++;
	server->result = result;
	return result;
}

struct span sasl_server_user(const struct sasl_server *server)
{
	return str_span(&server->user);
}
