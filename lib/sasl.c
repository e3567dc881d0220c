/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sasl_internal.h"

#include <string.h>

/* In the order of preference. */
static const struct sasl_mechanism mechanisms[] = {
	{ "OAUTHBEARER", SASL_OAUTHBEARER, 0, .client_first = true, .clear = true },
	{ "XOAUTH2", SASL_XOAUTH2, 0, .client_first = true, .clear = true },
	{ "EXTERNAL", SASL_EXTERNAL, 0, .client_first = true },
	{ "SCRAM-SHA-256-PLUS", SASL_SCRAM, SASL_HASH_SHA256, .binding = true, .client_first = true },
	{ "SCRAM-SHA-1-PLUS", SASL_SCRAM, SASL_HASH_SHA1, .binding = true, .client_first = true },
	{ "SCRAM-SHA-256", SASL_SCRAM, SASL_HASH_SHA256, .client_first = true, .server = true },
	{ "SCRAM-SHA-1", SASL_SCRAM, SASL_HASH_SHA1, .client_first = true, .server = true },
	{ "PLAIN", SASL_PLAIN, 0, .client_first = true, .clear = true, .server = true },
	{ "LOGIN", SASL_LOGIN, 0, .clear = true, .server = true },
	/* last: servers offer it that keep no password it could work with */
	{ "CRAM-MD5", SASL_CRAM_MD5, SASL_HASH_MD5, .client_first = false },
};
#define COUNT (sizeof(mechanisms) / sizeof(*mechanisms))

enum sasl_result sasl_fail(struct str *error, const char *text)
{
	if (error != NULL)
		(void)str_set(error, span_of(text));
	return SASL_FAILED;
}

const struct sasl_mechanism *sasl_find(struct span name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (span_is_nocase(name, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

const char *sasl_name(const struct sasl_mechanism *mechanism)
{
	return mechanism->name;
}

bool sasl_server_has(const struct sasl_mechanism *mechanism)
{
	return mechanism->server;
}

bool sasl_server_clear(const struct sasl_mechanism *mechanism)
{
	return mechanism->clear;
}

static bool names(struct span list, const char *name)
{
	struct span word;

	while (span_word(&list, ' ', &word))
		if (span_is_nocase(word, name))
			return true;
	return false;
}

bool sasl_offers_binding(struct span offered)
{
	for (size_t i = 0; i < COUNT; i++)
		if (mechanisms[i].binding && names(offered, mechanisms[i].name))
			return true;
	return false;
}

/* NULL: identity suffices for the mechanism; else what it lacks. */
static const char *lacks(const struct sasl_mechanism *mechanism, const struct sasl_identity *identity)
{
	if (mechanism->kind == SASL_OAUTHBEARER || mechanism->kind == SASL_XOAUTH2) {
		if (identity->token.len == 0)
			return "a token";
		if (mechanism->kind == SASL_XOAUTH2 && identity->user.len == 0)
			return "a user";
	} else if (mechanism->kind == SASL_EXTERNAL) {
		if (!identity->certificate)
			return "a client certificate";
	} else if (identity->user.len == 0 || identity->password.len == 0) {
		return "a user and a password";
	}
	if (mechanism->binding && identity->binding_name == NULL)
		return "a TLS channel binding";
	if (mechanism->clear && !identity->clear)
		return "TLS with a verified server";
	return NULL;
}

static void add_reason(struct str *reason, const char *name, const char *why)
{
	if (reason != NULL)
		(void)str_printf(reason, "%s%s %s", reason->len > 0 ? ", " : "", name, why);
}

const struct sasl_mechanism *sasl_choose(struct span offered, const char *allowed, const struct sasl_identity *identity, struct str *reason)
{
	if (reason != NULL)
		str_cut(reason, 0);
	for (size_t i = 0; i < COUNT; i++) {
		const struct sasl_mechanism *mechanism = &mechanisms[i];
		const char *lack = lacks(mechanism, identity);

		if (!names(offered, mechanism->name))
			continue;
		if (allowed != NULL && !names(span_of(allowed), mechanism->name)) {
			add_reason(reason, mechanism->name, "is not allowed by the configuration");
		} else if (lack != NULL) {
			add_reason(reason, mechanism->name, "needs");
			if (reason != NULL)
				(void)str_printf(reason, " %s", lack);
		} else {
			if (reason != NULL)
				str_cut(reason, 0);
			return mechanism;
		}
	}
	if (reason != NULL && reason->len == 0)
		(void)str_add(reason, "the server offers no way to log in that is known here");
	return NULL;
}
