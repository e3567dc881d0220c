/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sasl_client.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static const char no_room[] = "the message to be sent would be too long";

static enum sasl_result step_plain(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	(void)challenge;
	if (str_add_span(out, str_span(&client->authorize)) < 0 || str_add_char(out, '\0') < 0 || str_add_span(out, str_span(&client->user)) < 0 ||
	    str_add_char(out, '\0') < 0 || str_add_span(out, str_span(&client->password)) < 0)
		return sasl_fail(error, no_room);
	return SASL_DONE;
}

/* The prompts' wording differs between servers; their order does not. */
static enum sasl_result step_login(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	(void)challenge;
	if (str_add_span(out, str_span(client->step == 0 ? &client->user : &client->password)) < 0)
		return sasl_fail(error, no_room);
	return client->step == 0 ? SASL_MORE : SASL_DONE;
}

static enum sasl_result step_cram_md5(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	unsigned char mac[SASL_HASH_MAX];

	if (challenge.len == 0)
		return sasl_fail(error, "the server sent an empty challenge");
	if (sasl_hash_hmac(SASL_HASH_MD5, str_span(&client->password), challenge, mac) < 0)
		return sasl_fail(error, "HMAC-MD5 is not available on this host");
	if (str_add_span(out, str_span(&client->user)) < 0 || str_add_char(out, ' ') < 0)
		return sasl_fail(error, no_room);
	for (size_t i = 0; i < sasl_hash_size(SASL_HASH_MD5); i++)
		if (str_add_hex(out, mac[i], 2) < 0)
			return sasl_fail(error, no_room);
	return SASL_DONE;
}

static enum sasl_result step_external(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	(void)challenge;
	return str_add_span(out, str_span(&client->authorize)) < 0 ? sasl_fail(error, no_room) : SASL_DONE;
}

/* A token that is refused comes back as a challenge which says why (JSON), and wants an answer before the server says no. */
static enum sasl_result refused(struct span challenge, struct str *error)
{
	if (error != NULL) {
		str_cut(error, 0);
		(void)str_add(error, "the token is refused: ");
		(void)str_add_span(error, (struct span){ challenge.data, challenge.len > SASL_TEXT_SHOWN ? SASL_TEXT_SHOWN : challenge.len });
	}
	return SASL_REFUSED;
}

static enum sasl_result step_xoauth2(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	if (client->step > 0)
		return refused(challenge, error);
	if (str_add(out, "user=") < 0 || str_add_span(out, str_span(&client->user)) < 0 || str_add(out, "\001auth=Bearer ") < 0 ||
	    str_add_span(out, str_span(&client->token)) < 0 || str_add(out, "\001\001") < 0)
		return sasl_fail(error, no_room);
	return SASL_DONE;
}

static enum sasl_result step_oauthbearer(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	const struct str *name = client->authorize.len > 0 ? &client->authorize : &client->user;

	if (client->step > 0)
		return str_add_char(out, '\001') < 0 ? sasl_fail(error, no_room) : refused(challenge, error);
	if (str_add(out, "n,") < 0 || (name->len > 0 && str_add(out, "a=") < 0) || sasl_scram_name(out, str_span(name)) < 0 || str_add(out, ",\001") < 0)
		return sasl_fail(error, no_room);
	if (client->host.len > 0 && (str_add(out, "host=") < 0 || str_add_span(out, str_span(&client->host)) < 0 || str_add_char(out, '\001') < 0))
		return sasl_fail(error, no_room);
	if (client->port > 0 && str_printf(out, "port=%u\001", client->port) < 0)
		return sasl_fail(error, no_room);
	if (str_add(out, "auth=Bearer ") < 0 || str_add_span(out, str_span(&client->token)) < 0 || str_add(out, "\001\001") < 0)
		return sasl_fail(error, no_room);
	return SASL_DONE;
}

/* most: steps that the dialogue can have. */
static const struct {
	enum sasl_result (*step)(struct sasl_client *client, struct span challenge, struct str *out, struct str *error);
	unsigned most;
} steps[] = {
	[SASL_SCRAM] = { sasl_client_scram, 3 },
	[SASL_PLAIN] = { step_plain, 1 },
	[SASL_LOGIN] = { step_login, 2 },
	[SASL_CRAM_MD5] = { step_cram_md5, 1 },
	[SASL_EXTERNAL] = { step_external, 1 },
	[SASL_XOAUTH2] = { step_xoauth2, 2 },
	[SASL_OAUTHBEARER] = { step_oauthbearer, 2 },
};
_Static_assert(sizeof(steps) / sizeof(*steps) == SASL_KINDS, "every kind of mechanism has its step");

/* Making one */

static bool is_token(struct span token)
{
	for (size_t i = 0; i < token.len; i++)
		if (token.data[i] <= ' ' || token.data[i] > '~')
			return false;
	return token.len < SASL_MESSAGE_MAX;
}

static const char *check_identity(const struct sasl_mechanism *mechanism, const struct sasl_identity *identity)
{
	if (!text_is_clean(identity->user, SASL_SECRET_MAX) || !text_is_clean(identity->authorize, SASL_SECRET_MAX))
		return "the user name is too long or holds control characters";
	if (!text_is_clean(identity->password, SASL_SECRET_MAX))
		return "the password is too long or holds control characters";
	if (!is_token(identity->token))
		return "the token is too long or holds blanks, control or other characters that are no part of one";
	if (identity->host != NULL && !text_is_clean(span_of(identity->host), 1000))
		return "the host's name cannot be sent";
	if (mechanism->binding && (identity->binding_name == NULL || identity->binding.len == 0))
		return "there is no channel binding";
	return NULL;
}

static int copy_identity(struct sasl_client *client, const struct sasl_identity *identity, const char *nonce)
{
	client->port = identity->port;
	client->has_binding = identity->binding_name != NULL;
	return str_set(&client->user, identity->user) < 0 || str_set(&client->authorize, identity->authorize) < 0 ||
		str_set(&client->password, identity->password) < 0 || str_set(&client->token, identity->token) < 0 ||
		(identity->host != NULL && str_add(&client->host, identity->host) < 0) ||
		(client->has_binding && str_add(&client->binding_name, identity->binding_name) < 0) ||
		str_set(&client->binding, identity->binding) < 0 ||
		(nonce != NULL ? str_add(&client->nonce, nonce) : sasl_scram_nonce(&client->nonce)) < 0 ? -1 : 0;
}

static struct sasl_client *make(const struct sasl_mechanism *mechanism)
{
	struct sasl_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->mechanism = mechanism;
	client->user = client->authorize = (struct str)STR_INIT(SASL_SECRET_MAX);
	client->password = (struct str)STR_SECRET(SASL_SECRET_MAX);
	client->token = (struct str)STR_SECRET(SASL_MESSAGE_MAX);
	client->host = client->binding_name = client->binding = (struct str)STR_INIT(1000);
	client->nonce = (struct str)STR_INIT(SASL_NONCE_MAX);
	client->header = client->first = (struct str)STR_INIT(SASL_MESSAGE_MAX);
	return client;
}

struct sasl_client *sasl_client_new(const struct sasl_mechanism *mechanism, const struct sasl_identity *identity, struct span offered, const char *nonce,
	struct str *error)
{
	const char *wrong = check_identity(mechanism, identity);
	struct sasl_client *client;

	if (wrong != NULL) {
		(void)sasl_fail(error, wrong);
		return NULL;
	}
	client = make(mechanism);
	if (client == NULL || copy_identity(client, identity, nonce) < 0) {
		(void)sasl_fail(error, "no memory or no random numbers");
		sasl_client_free(client);
		return NULL;
	}
	client->binding_offered = sasl_offers_binding(offered);
	return client;
}

void sasl_client_free(struct sasl_client *client)
{
	if (client == NULL)
		return;
	str_free(&client->user);
	str_free(&client->authorize);
	str_wipe(&client->password);
	str_wipe(&client->token);
	str_free(&client->host);
	str_free(&client->binding_name);
	str_free(&client->binding);
	str_free(&client->nonce);
	str_free(&client->header);
	str_free(&client->first);
	explicit_bzero(client, sizeof(*client));
	free(client);
}

bool sasl_client_first(const struct sasl_client *client)
{
	return client->mechanism->client_first;
}

enum sasl_result sasl_client_step(struct sasl_client *client, struct span challenge, struct str *out, struct str *error)
{
	const unsigned kind = client->mechanism->kind;
	enum sasl_result result = SASL_FAILED;

	str_cut(out, 0);
	if (client->result == SASL_FAILED || client->result == SASL_REFUSED || client->step >= steps[kind].most)
		(void)sasl_fail(error, "the server goes on where there is nothing more to say");
	else if (challenge.len > SASL_MESSAGE_MAX)
		(void)sasl_fail(error, "the server's message is too long");
	else
		result = steps[kind].step(client, challenge, out, error);
	if (result == SASL_FAILED)
		str_cut(out, 0);
	client->step++;
	client->result = result;
	return result;
}

int sasl_client_accepted(struct sasl_client *client, struct span data, struct str *error)
{
	struct str out = STR_INIT(SASL_MESSAGE_MAX);
	enum sasl_result result = client->result;

	/* the server's proof may come along with its yes */
	if (client->mechanism->kind == SASL_SCRAM && result == SASL_MORE && data.len > 0 && client->step > 0)
		result = sasl_client_step(client, data, &out, error);
	else if (result != SASL_DONE)
		(void)sasl_fail(error, "the server said yes before it was proved who it is or who we are");
	str_wipe(&out);
	return result == SASL_DONE && client->step > 0 ? 0 : -1;
}
