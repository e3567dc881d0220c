/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define PORT_SMTP 25U
#define PORT_LMTP 24U
#define PORT_SUBMISSION 587U
#define PORT_SUBMISSIONS 465U

struct route *route_new(const char *name)
{
	struct route *route = calloc(1, sizeof *route);

	if (!route)
		return NULL;
	*route = (struct route){ .verify = true, .secret = -1, .connections = 2, .messages = 100, .idle = 10 * CLOCK_SECOND, .backoff_least = 10 * CLOCK_SECOND,
		.backoff_most = 300 * CLOCK_SECOND, .deadline = ROUTE_DEADLINE };
	route->name = strdup(name);
	if (route->name)
		return route;
	free(route);
	return NULL;
}

static void free_words(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

void route_free(struct route *route)
{
	if (!route)
		return;
	for (size_t i = 0; i < route->relay_count; i++) {
		free(route->relays[i].host);
		free(route->relays[i].path);
		free(route->relays[i].text);
	}
	for (size_t i = 0; i < route->pin_count; i++)
		free(route->pins[i]);
	tls_context_free(route->context);
	tls_trust_free(route->trust);
	free(route->name);
	free(route->ca_file);
	free(route->certificate);
	free(route->key);
	free(route->user);
	free(route->authorize);
	free(route->mechanisms);
	free(route->password_file);
	free(route->token_file);
	free_words(route->token_command);
	free(route->ehlo_name);
	free(route);
}

void route_table_free(struct route_table *table)
{
	for (struct route *next, *route = table->first; route; route = next) {
		next = route->next;
		route_free(route);
	}
	free(table->name);
	free(table->file);
	str_free(&table->exposed.lines);
	*table = (struct route_table){ 0 };
}

struct route *route_find(const struct route_table *table, struct span name)
{
	struct route *route = table->first;

	while (route && !span_is(name, route->name))
		route = route->next;
	return route;
}

bool route_needs_login(const struct route *route)
{
	return route->user || route->token_file || route->token_command || (route->mechanisms && route->certificate);
}

static bool is_literal(const char *host)
{
	unsigned char address[16];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

bool route_needs_names(const struct route *route)
{
	for (size_t i = 0; i < route->relay_count; i++)
		if (route->relays[i].host && !is_literal(route->relays[i].host))
			return true;
	return false;
}

int route_tls_mode(const char *text, enum route_tls *mode)
{
	static const struct { const char *name; enum route_tls mode; } modes[] = {
		{ "none", ROUTE_TLS_NONE }, { "starttls", ROUTE_TLS_STARTTLS }, { "implicit", ROUTE_TLS_IMPLICIT },
	};

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		if (strcmp(modes[i].name, text))
			continue;
		*mode = modes[i].mode;
		return 0;
	}
	return -1;
}

/* ---- relays ---- */

static bool is_host(struct span host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = host.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':' || c == '%'))
			return false;
	}
	return host.len > 0 && host.len <= KEEPER_NAME_MAX;
}

/* The host and what stands behind its colon.  A literal of IPv6 needs no brackets where there is no port. */
static bool split_host(const char *text, struct span *host, struct span *port)
{
	const char *colon = strchr(text, ':'), *end = *text == '[' ? strchr(text, ']') : NULL;

	*host = span_of(text);
	*port = (struct span){ "", 0 };
	if (end) {
		*host = (struct span){ text + 1, (size_t)(end - text) - 1 };
		if (end[1] && end[1] != ':')
			return false;
		*port = span_of(end[1] ? end + 2 : "");
	} else if (colon && !strchr(colon + 1, ':')) {
		host->len = (size_t)(colon - text);
		*port = span_of(colon + 1);
	}
	return is_host(*host);
}

static int fail(struct str *error, const char *what, const char *why)
{
	str_cut(error, 0);
	(void)str_printf(error, "%.300s: %s", what, why);
	return -1;
}

int route_add_relay(struct route *route, const char *text, uint64_t port, enum route_tls tls, struct str *error)
{
	struct relay *relay = &route->relays[route->relay_count];
	struct span host, behind;
	uint64_t number = 0;

	if (route->relay_count == ROUTE_RELAYS_MAX)
		return fail(error, text, "too many relays");
	*relay = (struct relay){ .port = (unsigned)port, .tls = tls, .socket = -1 };
	if (*text == '/') {
		if (!route->lmtp || port || (tls != ROUTE_TLS_UNSET && tls != ROUTE_TLS_NONE))
			return fail(error, text, "a socket's path is for LMTP, and has neither port nor TLS");
		relay->path = strdup(text);
	} else if (!split_host(text, &host, &behind) || (behind.len && (port || span_decimal(behind, 65535, &number) < 0 || !number))) {
		return fail(error, text, route->lmtp ? "an absolute path or HOST:PORT was expected" : "HOST or HOST:PORT was expected");
	} else {
		relay->host = strndup(host.data, host.len);
		relay->port = number ? (unsigned)number : relay->port;
	}
	route->relay_count++;
	return relay->host || relay->path ? 0 : fail(error, text, strerror(ENOMEM));
}

static int add_text(char **where, const char *text, struct str *error)
{
	*where = strdup(text);
	return *where ? 0 : fail(error, text, strerror(ENOMEM));
}

/* Tried on a context of its own: the route's is made when all is said. */
int route_add_pin(struct route *route, const char *text, struct str *error)
{
	struct tls_context *context = tls_context_new();
	int result = -1;

	if (!context)
		(void)str_add(error, strerror(ENOMEM));
	else if (route->pin_count == TLS_PINS_MAX)
		(void)str_add(error, "too many pins");
	else if (!tls_context_pin(context, text, error))
		result = add_text(&route->pins[route->pin_count], text, error);
	route->pin_count += !result;
	tls_context_free(context);
	return result;
}

static bool is_loopback(const char *host)
{
	return !strncmp(host, "127.", 4) ? is_literal(host) : !strcmp(host, "::1") || !strcmp(host, "localhost");
}

/* A port says which kind of TLS is meant, and the other way round. */
static int complete_relay(const struct route *route, struct relay *relay, struct str *error)
{
	struct str text = STR_INIT(KEEPER_NAME_MAX + 20);

	if (relay->path) {
		relay->tls = ROUTE_TLS_NONE;
		relay->text = strdup(relay->path);
		return relay->text ? 0 : fail(error, relay->path, strerror(ENOMEM));
	}
	if (relay->tls == ROUTE_TLS_UNSET)
		relay->tls = route->tls;
	if (relay->tls == ROUTE_TLS_UNSET && route->lmtp)
		relay->tls = is_loopback(relay->host) ? ROUTE_TLS_NONE : ROUTE_TLS_STARTTLS;
	if (relay->tls == ROUTE_TLS_UNSET)
		relay->tls = relay->port == PORT_SUBMISSIONS ? ROUTE_TLS_IMPLICIT : ROUTE_TLS_STARTTLS;
	if (!relay->port)
		relay->port = route->lmtp ? PORT_LMTP : relay->tls == ROUTE_TLS_IMPLICIT ? PORT_SUBMISSIONS : relay->tls == ROUTE_TLS_NONE ? PORT_SMTP : PORT_SUBMISSION;
	(void)str_printf(&text, strchr(relay->host, ':') ? "[%s]:%u" : "%s:%u", relay->host, relay->port);
	relay->text = strdup(text.data);
	str_free(&text);
	return relay->text ? 0 : fail(error, relay->host, strerror(ENOMEM));
}

static bool uses_tls(const struct route *route)
{
	for (size_t i = 0; i < route->relay_count; i++)
		if (route->relays[i].tls != ROUTE_TLS_NONE)
			return true;
	return false;
}

int route_complete(struct route *route, struct str *error)
{
	bool secret = route->password_file || route->token_file || route->token_command;

	if (!route->relay_count)
		return fail(error, route->name, "a relay or an LMTP server is missing");
	for (size_t i = 0; i < route->relay_count; i++)
		if (complete_relay(route, &route->relays[i], error) < 0)
			return -1;
	if (!!route->password_file + !!route->token_file + !!route->token_command > 1)
		return fail(error, route->name, "only one of password-file, token-file and token-command can be used");
	if (route->password_file && !route->user)
		return fail(error, route->name, "a password-file without a user");
	if (route->user && !secret && !route->certificate)
		return fail(error, route->name, "a user without password-file, token-file, token-command or certificate");
	if (route->key && !route->certificate)
		return fail(error, route->name, "a key without a certificate");
	if (!uses_tls(route) && (route->certificate || route->pin_count || route->ca_file || !route->verify))
		return fail(error, route->name, "settings of TLS, but no server with it");
	return 0;
}

/* ---- before the jail ---- */

static int open_tls(struct route *route, struct str *error)
{
	struct tls_context *context = route->context = tls_context_new();

	if (!context)
		return fail(error, route->name, strerror(ENOMEM));
	/* A pin alone is enough to know a server by; one beside a CA file is asked for in addition. */
	if (!route->verify)
		tls_context_verify(context, TLS_VERIFY_NONE);
	else if (route->pin_count && !route->ca_file)
		tls_context_verify(context, TLS_VERIFY_PIN);
	else if (!(route->trust = tls_trust_open(route->ca_file, error)))
		return -1;
	tls_context_trust(context, route->trust);
	for (size_t i = 0; i < route->pin_count; i++)
		if (tls_context_pin(context, route->pins[i], error) < 0)
			return -1;
	if (!route->certificate)
		return 0;
	return tls_context_certificate(context, route->certificate, route->key ? route->key : route->certificate, error);
}

static int add_secret(struct route *route, struct keeper_list *list, uid_t uid, gid_t gid)
{
	static char *const environment[] = { NULL };
	const struct keeper_command command = { .argv = route->token_command, .env = environment, .uid = uid, .gid = gid, .max_cpu_seconds = 60 };

	if (route->token_command)
		route->secret = keeper_add_command(list, &command);
	else if (route->token_file)
		route->secret = keeper_add_file(list, route->token_file, 0, 0);
	else if (route->password_file)
		route->secret = keeper_add_file(list, route->password_file, 0, 0);
	else
		return 0;
	return route->secret < 0 ? -1 : 0;
}

int route_open(struct route *route, struct keeper_list *list, uid_t uid, gid_t gid, struct str *error)
{
	if (uses_tls(route) && open_tls(route, error) < 0)
		return -1;
	if (add_secret(route, list, uid, gid) < 0)
		return fail(error, route->name, strerror(errno));
	if (route_needs_names(route) && keeper_allow_names(list) < 0)
		return fail(error, route->name, strerror(errno));
	for (size_t i = 0; i < route->relay_count; i++) {
		struct relay *relay = &route->relays[i];

		if (relay->path && (relay->socket = keeper_add_socket(list, relay->path)) < 0)
			return fail(error, relay->path, strerror(errno));
	}
	return 0;
}
