/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>


const struct stage_option options_table[] = {
	{ "relay", 0, "HOST[:PORT]", "repeatable: a server for mail by SMTP; the next one is used where one fails (default port: 587, with TLS implicit 465, none 25)" },
	{ "lmtp", 0, "PATH|HOST:PORT", "repeatable: the same for LMTP (default: none)" },
	{ "sender", 0, "ADDRESS", "by hand: the envelope sender (default: SENDER of the environment)" },
	{ "recipient", 0, "ADDRESS", "by hand, repeatable: a recipient (default: RECIPIENT of the environment)" },
	{ "drop", 0, "NAME", "by hand, with --config: the drop to be used (default: none)" },
	{ "tls", 0, "starttls|implicit|none", "how TLS begins (default: by the port; none for LMTP on this host)" },
	{ "verify", 0, "yes|no", "whether the server's certificate must be right (default: yes)" },
	{ "ca-file", 0, "FILE", "certificates to trust (default: the system's)" },
	{ "pin", 0, "sha256//PIN", "repeatable: a key that the server must have (default: none)" },
	{ "certificate", 0, "FILE", "a certificate to show, PEM (default: none)" },
	{ "key", 0, "FILE", "its key (default: in the same file)" },
	{ "login", 0, "USER", "log in as this user (default: no login)" },
	{ "password-file", 0, "FILE", "its first line is the password (default: none)" },
	{ "token-file", 0, "FILE", "its first line is an OAuth 2 token (default: none)" },
	{ "mechanisms", 0, "NAMES", "SASL mechanisms that may be used (default: the best that is offered)" },
	{ "clear", 0, "yes|no", "show a password also to a server that was not verified (default: no)" },
	{ "name", 0, "HOST", "name to greet with (default: the host's full name, or else its address)" },
	{ "timeout", 0, "DURATION", "longest wait for an answer (default: as in RFC 5321, 2m to 10m)" },
	{ "deadline", 0, "DURATION", "end of the whole attempt (default: 14m, by hand 1h)" },
	{ "chunking", 0, "yes|no", "use BDAT where it is offered (default: yes)" },
	{ "pipelining", 0, "yes|no", "use pipelining where it is offered (default: yes)" },
	{ NULL, 0, NULL, NULL },
};

static int wrong(const char *name, const char *expected, struct str *error)
{
	str_cut(error, 0);
	(void)str_printf(error, "--%s: %s was expected", name, expected);
	return -1;
}

static int set_text(char **where, const char *value, struct str *error)
{
	free(*where);
	*where = strdup(value);
	return *where ? 0 : (str_add(error, strerror(ENOMEM)), -1);
}

/* The keeper, which opens it, stands at the root. */
static int set_path(char **where, const char *name, const char *value, struct str *error)
{
	free(*where);
	*where = realpath(value, NULL);
	if (*where)
		return 0;
	str_cut(error, 0);
	(void)str_printf(error, "--%s %.300s: %s", name, value, strerror(errno));
	return -1;
}

static int set_yes(bool *where, bool yes, const char *name, const char *value, struct str *error)
{
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return wrong(name, "yes or no", error);
	*where = !strcmp(value, "yes") == yes;
	return 0;
}

static int set_duration(uint64_t *where, const char *name, const char *value, struct str *error)
{
	if (conf_duration_text(value, where) < 0 || !*where || *where > UINT64_C(86400) * 1000000)
		return wrong(name, "a duration like 30s or 5m", error);
	return 0;
}

static int add_server(struct route *route, bool lmtp, const char *value, struct str *error)
{
	if (route->relay_count && route->lmtp != lmtp)
		return str_cut(error, 0), str_add(error, "--relay and --lmtp exclude each other"), -1;
	route->lmtp = lmtp;
	return route_add_relay(route, value, 0, ROUTE_TLS_UNSET, error);
}

static int on_relay(struct route *route, const char *value, struct str *error) { return add_server(route, false, value, error); }
static int on_verify(struct route *route, const char *value, struct str *error) { return set_yes(&route->verify, true, "verify", value, error); }
static int on_ca_file(struct route *route, const char *value, struct str *error) { return set_path(&route->ca_file, "ca-file", value, error); }
static int on_key(struct route *route, const char *value, struct str *error) { return set_path(&route->key, "key", value, error); }
static int on_login(struct route *route, const char *value, struct str *error) { return set_text(&route->user, value, error); }
static int on_password(struct route *route, const char *value, struct str *error) { return set_path(&route->password_file, "password-file", value, error); }
static int on_token(struct route *route, const char *value, struct str *error) { return set_path(&route->token_file, "token-file", value, error); }
static int on_mechanisms(struct route *route, const char *value, struct str *error) { return set_text(&route->mechanisms, value, error); }
static int on_clear(struct route *route, const char *value, struct str *error) { return set_yes(&route->clear, true, "clear", value, error); }
static int on_timeout(struct route *route, const char *value, struct str *error) { return set_duration(&route->timeout, "timeout", value, error); }
static int on_deadline(struct route *route, const char *value, struct str *error) { return set_duration(&route->deadline, "deadline", value, error); }
static int on_chunking(struct route *route, const char *value, struct str *error) { return set_yes(&route->no_chunking, false, "chunking", value, error); }

static int on_lmtp(struct route *route, const char *value, struct str *error)
{
	return add_server(route, true, value, error) < 0 ? -1 : set_text(&route->name, "lmtp", error);
}

static int on_certificate(struct route *route, const char *value, struct str *error)
{
	return set_path(&route->certificate, "certificate", value, error);
}

static int on_pipelining(struct route *route, const char *value, struct str *error)
{
	return set_yes(&route->no_pipelining, false, "pipelining", value, error);
}

static int on_tls(struct route *route, const char *value, struct str *error)
{
	return route_tls_mode(value, &route->tls) < 0 ? wrong("tls", "starttls, implicit or none", error) : 0;
}

static int on_pin(struct route *route, const char *value, struct str *error)
{
	struct str why = STR_INIT(1000);
	int result = route_add_pin(route, value, &why);

	if (result < 0)
		(void)str_printf(error, "--pin: %s", why.data);
	str_free(&why);
	return result;
}

static const struct setter {
	const char *name;
	int (*set)(struct route *route, const char *value, struct str *error);
} setters[] = {
	{ "relay", on_relay }, { "lmtp", on_lmtp }, { "tls", on_tls }, { "verify", on_verify }, { "ca-file", on_ca_file }, { "pin", on_pin },
	{ "certificate", on_certificate }, { "key", on_key }, { "login", on_login }, { "password-file", on_password }, { "token-file", on_token },
	{ "mechanisms", on_mechanisms }, { "clear", on_clear }, { "timeout", on_timeout }, { "deadline", on_deadline }, { "chunking", on_chunking },
	{ "pipelining", on_pipelining },
};

static int begin(struct options *options, struct str *error)
{
	options->route = route_new("smarthost");
	if (!options->route)
		return str_add(error, strerror(ENOMEM)), -1;
	options->route->deadline = 0;
	return 0;
}

int options_set(struct options *options, const char *name, const char *value, struct str *error)
{
	for (size_t i = 0; i < sizeof setters / sizeof setters[0]; i++) {
		if (strcmp(setters[i].name, name))
			continue;
		if (!options->route && begin(options, error) < 0)
			return -1;
		return setters[i].set(options->route, value, error) < 0 ? -1 : 1;
	}
	if (strcmp(name, "name"))
		return 0;
	return set_text(&options->ehlo_name, value, error) < 0 ? -1 : 1;
}

void options_free(struct options *options)
{
	route_free(options->route);
	free(options->ehlo_name);
}
