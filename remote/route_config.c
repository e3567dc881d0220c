/* SPDX-License-Identifier: GPL-3.0-or-later */
/* remote.conf. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "route.h"

#define MESSAGES_MAX 1000000U
#define DEADLINE_MAX (UINT64_C(86400) * CLOCK_SECOND)

/* ---- values ---- */

static int no_memory(const struct conf_node *node, struct str *error)
{
	return conf_error(node, error, "%s", strerror(ENOMEM));
}

static int set_text(char **where, const struct conf_node *node, struct str *error)
{
	free(*where);
	*where = strdup(node->words[1].text);
	return *where ? 0 : no_memory(node, error);
}

/* A relative one is looked for beside the configuration. */
static int set_path(char **where, const struct conf_node *node, struct str *error)
{
	const char *path = conf_path(&node->words[1]), *file = node->conf->file, *slash = strrchr(file, '/');
	struct str full = STR_INIT(4096);

	if (!path || !*path)
		return conf_error(node, error, "%s: a path was expected; quote one with blanks", node->words[0].text);
	if (*path != '/' && slash)
		(void)str_append(&full, file, (size_t)(slash - file) + 1);
	free(*where);
	*where = str_add(&full, path) < 0 ? NULL : strdup(full.data);
	str_free(&full);
	if (!*where)
		return no_memory(node, error);
	/* The keeper stands at the root; a relative configuration file makes relative paths. */
	if (**where != '/') {
		char *real = realpath(*where, NULL);

		if (!real)
			return conf_error(node, error, "%s %s: %s", node->words[0].text, *where, strerror(errno));
		free(*where);
		*where = real;
	}
	return 0;
}

static int set_bool(bool *where, bool yes, const struct conf_node *node, struct str *error)
{
	bool value;

	if (conf_bool(&node->words[1], &value) < 0)
		return conf_error(node, error, "%s: yes or no was expected", node->words[0].text);
	*where = value == yes;
	return 0;
}

static int set_refuse(bool *where, const struct conf_node *node, struct str *error)
{
	if (strcmp(node->words[1].text, "pass") && strcmp(node->words[1].text, "refuse"))
		return conf_error(node, error, "%s: pass or refuse was expected", node->words[0].text);
	*where = !strcmp(node->words[1].text, "refuse");
	return 0;
}

static int set_number(unsigned *where, unsigned most, const struct conf_node *node, struct str *error)
{
	uint64_t value;

	if (conf_number(&node->words[1], most, &value) < 0 || !value)
		return conf_error(node, error, "%s: a number from 1 to %u was expected", node->words[0].text, most);
	*where = (unsigned)value;
	return 0;
}

static int set_duration(uint64_t *where, size_t n, const struct conf_node *node, struct str *error)
{
	if (conf_duration(&node->words[n], where) < 0 || !*where || *where > DEADLINE_MAX)
		return conf_error(node, error, "%s: a duration like 30s, 5m or 1h was expected", node->words[0].text);
	return 0;
}

/* ---- directives of a drop ---- */

static int add_relay(struct route *route, const struct conf_node *node, struct str *error)
{
	struct str why = STR_INIT(1000);
	enum route_tls tls = ROUTE_TLS_UNSET;
	uint64_t port = 0;
	int result;

	for (size_t i = 2; i + 1 < node->count; i += 2) {
		if (!strcmp(node->words[i].text, "port") ? conf_number(&node->words[i + 1], 65535, &port) < 0 || !port :
		    strcmp(node->words[i].text, "tls") || route_tls_mode(node->words[i + 1].text, &tls) < 0)
			return conf_error(node, error, "port NUMBER or tls none, starttls or implicit was expected, not %s %s", node->words[i].text,
			    node->words[i + 1].text);
	}
	if (node->count % 2)
		return conf_error(node, error, "a value is missing behind %s", node->words[node->count - 1].text);
	result = route_add_relay(route, node->words[1].slash ? node->words[1].raw : node->words[1].text, port, tls, &why);
	if (result < 0)
		(void)conf_error(node, error, "%s", why.data);
	str_free(&why);
	return result;
}

static int on_relay(void *arg, const struct conf_node *node, struct str *error)
{
	struct route *route = arg;

	if (route->lmtp)
		return conf_error(node, error, "relay and lmtp exclude each other");
	return add_relay(route, node, error);
}

static int on_lmtp(void *arg, const struct conf_node *node, struct str *error)
{
	struct route *route = arg;

	if (route->relay_count && !route->lmtp)
		return conf_error(node, error, "relay and lmtp exclude each other");
	route->lmtp = true;
	return add_relay(route, node, error);
}

static int on_tls(void *arg, const struct conf_node *node, struct str *error)
{
	struct route *route = arg;

	return route_tls_mode(node->words[1].text, &route->tls) < 0 ? conf_error(node, error, "tls: none, starttls or implicit was expected") : 0;
}

static int on_pin(void *arg, const struct conf_node *node, struct str *error)
{
	struct str why = STR_INIT(1000);
	int result = 0;

	for (size_t i = 1; !result && i < node->count; i++)
		result = route_add_pin(arg, node->words[i].text, &why);
	if (result < 0)
		(void)conf_error(node, error, "pin: %s", why.data);
	str_free(&why);
	return result;
}

static int on_token_command(void *arg, const struct conf_node *node, struct str *error)
{
	struct route *route = arg;
	size_t count = node->count - 1;

	if (route->token_command || node->words[1].raw[0] != '/')
		return conf_error(node, error, "token-command: one program with an absolute path was expected");
	route->token_command = calloc(count + 1, sizeof *route->token_command);
	for (size_t i = 0; route->token_command && i < count; i++) {
		route->token_command[i] = strdup(i ? node->words[i + 1].text : node->words[1].slash ? node->words[1].raw : node->words[1].text);
		if (!route->token_command[i])
			return no_memory(node, error);
	}
	return route->token_command ? 0 : no_memory(node, error);
}

static int on_rate(void *arg, const struct conf_node *node, struct str *error)
{
	struct route *route = arg;

	if (conf_number(&node->words[1], MESSAGES_MAX, &route->rate) < 0 || !route->rate)
		return conf_error(node, error, "rate: how many messages in which time was expected, like \"rate 30 1m\"");
	return set_duration(&route->rate_time, 2, node, error);
}

static int on_backoff(void *arg, const struct conf_node *node, struct str *error)
{
	struct route *route = arg;

	if (set_duration(&route->backoff_least, 1, node, error) < 0 || set_duration(&route->backoff_most, 2, node, error) < 0)
		return -1;
	return route->backoff_least > route->backoff_most ? conf_error(node, error, "backoff: the shorter one comes first") : 0;
}

static bool is_ehlo_name(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == strlen(text) && *text;
}

static int set_name(char **where, const struct conf_node *node, struct str *error)
{
	if (!is_ehlo_name(node->words[1].text))
		return conf_error(node, error, "name: a host's name or an address in brackets was expected");
	return set_text(where, node, error);
}

#define TEXT_OF(function, field) \
	static int function(void *arg, const struct conf_node *node, struct str *error) { return set_text(&((struct route *)arg)->field, node, error); }
#define PATH_OF(function, field) \
	static int function(void *arg, const struct conf_node *node, struct str *error) { return set_path(&((struct route *)arg)->field, node, error); }
#define BOOL_OF(function, field, yes) \
	static int function(void *arg, const struct conf_node *node, struct str *error) { return set_bool(&((struct route *)arg)->field, yes, node, error); }
#define NUMBER_OF(function, field, most) \
	static int function(void *arg, const struct conf_node *node, struct str *error) { return set_number(&((struct route *)arg)->field, most, node, error); }
#define DURATION_OF(function, field) \
	static int function(void *arg, const struct conf_node *node, struct str *error) { return set_duration(&((struct route *)arg)->field, 1, node, error); }
#define REFUSE_OF(function, field) \
	static int function(void *arg, const struct conf_node *node, struct str *error) { return set_refuse(&((struct route *)arg)->field, node, error); }

TEXT_OF(on_user, user)
TEXT_OF(on_authorize, authorize)
TEXT_OF(on_mechanisms, mechanisms)
PATH_OF(on_ca_file, ca_file)
PATH_OF(on_certificate, certificate)
PATH_OF(on_key, key)
PATH_OF(on_password_file, password_file)
PATH_OF(on_token_file, token_file)
BOOL_OF(on_verify, verify, true)
BOOL_OF(on_clear, clear, true)
BOOL_OF(on_pipelining, no_pipelining, false)
BOOL_OF(on_chunking, no_chunking, false)
NUMBER_OF(on_connections, connections, ROUTE_CONNECTIONS_MAX)
NUMBER_OF(on_messages, messages, MESSAGES_MAX)
DURATION_OF(on_idle, idle)
DURATION_OF(on_deadline, deadline)
DURATION_OF(on_timeout, timeout)
REFUSE_OF(on_eight_bit, refuse_eight_bit)
REFUSE_OF(on_long_lines, refuse_long_lines)

static int on_route_name(void *arg, const struct conf_node *node, struct str *error)
{
	return set_name(&((struct route *)arg)->ehlo_name, node, error);
}

static const struct conf_verb drop_verbs[] = {
	{ "relay", 1, 5, false, on_relay }, { "lmtp", 1, 5, false, on_lmtp }, { "tls", 1, 1, false, on_tls }, { "verify", 1, 1, false, on_verify },
	{ "ca-file", 1, 1, false, on_ca_file }, { "pin", 1, TLS_PINS_MAX, false, on_pin }, { "certificate", 1, 1, false, on_certificate },
	{ "key", 1, 1, false, on_key }, { "user", 1, 1, false, on_user }, { "authorize", 1, 1, false, on_authorize },
	{ "password-file", 1, 1, false, on_password_file }, { "token-file", 1, 1, false, on_token_file },
	{ "token-command", 1, 64, false, on_token_command }, { "mechanisms", 1, 1, false, on_mechanisms }, { "clear", 1, 1, false, on_clear },
	{ "name", 1, 1, false, on_route_name }, { "connections", 1, 1, false, on_connections }, { "messages", 1, 1, false, on_messages },
	{ "idle", 1, 1, false, on_idle }, { "rate", 2, 2, false, on_rate }, { "backoff", 2, 2, false, on_backoff }, { "deadline", 1, 1, false, on_deadline },
	{ "timeout", 1, 1, false, on_timeout }, { "pipelining", 1, 1, false, on_pipelining }, { "chunking", 1, 1, false, on_chunking },
	{ "eight-bit", 1, 1, false, on_eight_bit }, { "long-lines", 1, 1, false, on_long_lines }, { NULL, 0, 0, false, NULL },
};

/* ---- the file ---- */

static bool name_is_fit(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > ROUTE_NAME_MAX || *name == '-' || *name == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == '/' || *name == ':' || *name == 0x7f)
			return false;
	return true;
}

static int on_drop(void *arg, const struct conf_node *node, struct str *error)
{
	struct route_table *table = arg;
	struct route *route, **end = &table->first;
	struct str why = STR_INIT(1000);
	int result;

	if (!name_is_fit(node->words[1].text))
		return conf_error(node, error, "%s: a drop's name has no blank, slash or colon and begins with neither - nor .", node->words[1].text);
	if (route_find(table, span_of(node->words[1].text)))
		return conf_error(node, error, "there is a drop %s already", node->words[1].text);
	route = route_new(node->words[1].text);
	if (!route)
		return no_memory(node, error);
	while (*end)
		end = &(*end)->next;
	*end = route;
	if (conf_walk(node->children, drop_verbs, route, error) < 0)
		return -1;
	result = route_complete(route, &why);
	if (result < 0)
		(void)conf_error(node, error, "drop %s", why.data);
	str_free(&why);
	return result;
}

static int on_table_name(void *arg, const struct conf_node *node, struct str *error)
{
	return set_name(&((struct route_table *)arg)->name, node, error);
}

int route_table_read(struct route_table *table, const char *file, struct str *error)
{
	static const struct conf_verb verbs[] = {
		{ "name", 1, 1, false, on_table_name },
		{ "drop", 1, 1, true, on_drop },
		{ NULL, 0, 0, false, NULL },
	};
	static const struct exposed_rule secrets[] = {
		{ "password-file", 1, NULL }, { "token-file", 1, NULL }, { "key", 1, NULL }, { "certificate", 1, "key" }, { NULL, 0, NULL },
	};
	struct conf *conf = conf_load(file, error);
	int result;

	if (!conf)
		return -1;
	exposed_look(&table->exposed, conf, secrets);
	table->file = strdup(file);
	result = table->file ? conf_walk(conf->first, verbs, table, error) : -1;
	conf_free(conf);
	return result;
}
