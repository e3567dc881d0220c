/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who we are: password or token, and what of TLS can be bound to. */
#include "link_internal.h"

#include <errno.h>
#include <string.h>

static void log_in(struct link *link, const struct str *secret)
{
	const struct route *route = link->route;
	const struct tls *tls = link->stream ? stream_tls(link->stream) : NULL;
	struct str binding = STR_INIT(TLS_BINDING_MAX);
	enum tls_binding kind;
	struct sasl_identity identity = {
		.user = span_of(route->user ? route->user : ""),
		.authorize = span_of(route->authorize ? route->authorize : ""),
		.host = link->relay->host ? link->relay->host : "localhost",
		.port = link->relay->port,
		.certificate = tls && route->certificate,
		.clear = route->clear || link->local || (tls && tls_verified(tls)),
	};

	if (secret && route->password_file)
		identity.password = str_span(secret);
	else if (secret)
		identity.token = str_span(secret);
	if (tls && !tls_binding_best(tls, &kind, &binding)) {
		identity.binding_name = tls_binding_name(kind);
		identity.binding = str_span(&binding);
	}
	session_login(link->session, &identity, NULL);
	str_wipe(&binding);
}

static void got_secret(void *arg, const struct str *text, const char *error)
{
	struct link *link = arg;

	link->secret = NULL;
	link->asked--;
	link_enter(link);
	if (!link->dead && text)
		log_in(link, text);
	else if (!link->dead)
		session_login(link->session, NULL, error);
	if (!link->dead && link->stream)
		stream_flush(link->stream);
	link_leave(link);
}

void link_identify(void *arg)
{
	struct link *link = arg;
	const struct route *route = link->route;
	const char *what = route->token_command ? route->token_command[0] : route->token_file ? route->token_file : route->password_file;

	stream_secret(link->stream, true);
	if (route->secret < 0) {
		log_in(link, NULL);
		return;
	}
	link->secret = secret_fetch(link->world->loop, link->world->keeper, route->secret, route->token_command != NULL, what, got_secret, link);
	if (link->secret)
		link->asked++;
	else
		session_login(link->session, NULL, strerror(errno));
}
