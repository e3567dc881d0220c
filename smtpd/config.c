/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "clock.h"
#include "host.h"

#define NAME_MAX_LEN 255U
#define WARNINGS_MAX 65536U

int config_init(struct config *c)
{
	*c = (struct config){
		.engine = { .size = UINT64_C(50) << 20, .recipients = 100, .commands = 1000, .unknown = 10, .failed = 20, .utf8 = true },
		.name = STR_INIT(NAME_MAX_LEN),
		.exposed = { (gid_t)-1, STR_INIT(WARNINGS_MAX) },
		.connections = 1000,
		.per_client = 50,
		.timeout = 300 * CLOCK_SECOND,
		.session = 7200 * CLOCK_SECOND,
		.wait = 30 * CLOCK_SECOND,
		.buffer = UINT64_C(64) << 20,
	};
	c->rules = rules_new();
	return c->rules ? 0 : -1;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->listen_count; i++) {
		free(c->listen[i].address);
		free(c->listen[i].path);
	}
	tls_context_free(c->tls);
	login_secrets_free(c->secrets);
	rules_free(c->rules);
	str_free(&c->name);
	str_free(&c->exposed.lines);
}

struct config_listen *config_add_listen(struct config *c)
{
	struct config_listen *listen;

	if (c->listen_count == CONFIG_LISTEN_MAX) {
		errno = E2BIG;
		return NULL;
	}
	listen = &c->listen[c->listen_count++];
	*listen = (struct config_listen){ .port = 25, .mode = 0660, .group = (gid_t)-1 };
	return listen;
}

/* ---- verbs ---- */

static int take_name(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	return str_set(&c->name, span_of(node->words[1].text)) ? conf_error(node, error, "the name is too long") : 0;
}

static int take_group(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	return rules_group(c->rules, node, error);
}

static int take_rule(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	return rules_rule(c->rules, node, error);
}

static int take_allow(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	return rules_mask(c->rules, node, 1, &c->allow, error);
}

static int take_xclient(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	return rules_mask(c->rules, node, 1, &c->xclient, error);
}

static int take_proxy(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	return rules_mask(c->rules, node, 1, &c->proxy, error);
}

/* bare-lf reject | normalise [from GROUP]... */
static int take_bare(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;
	uint32_t mask = 0;
	bool normalise = !strcmp(node->words[1].text, "normalise");

	if (!normalise && strcmp(node->words[1].text, "reject"))
		return conf_error(node, error, "expected reject or normalise");
	if (node->count > 2 && (strcmp(node->words[2].text, "from") || node->count < 4))
		return conf_error(node, error, "expected from GROUP");
	if (rules_mask(c->rules, node, 3, &mask, error))
		return -1;
	if (node->count == 2)
		mask = UINT32_MAX;
	c->normalise = normalise ? c->normalise | mask : c->normalise & ~mask;
	return 0;
}

/* CODE TEXT at words at and at + 1, in place of our own words. */
static int take_answer(const struct conf_node *node, size_t at, struct engine_answer *answer, struct str *error)
{
	uint64_t code;

	if (conf_number(&node->words[at], 599, &code) || code < 400 || at + 1 >= node->count || strlen(node->words[at + 1].text) > ENGINE_TEXT_MAX)
		return conf_error(node, error, "expected a code of 400 to 599 and a text in quotes, of at most %d bytes", ENGINE_TEXT_MAX);
	engine_answer_set(answer, (unsigned)code, code < 500 ? "4.7.0" : "5.7.0", "%s", node->words[at + 1].text);
	return 0;
}

static bool is_code(const struct conf_node *node, size_t at)
{
	return at < node->count && strlen(node->words[at].text) == 3 && strspn(node->words[at].text, "0123456789") == 3;
}

struct limit {
	const char *name;
	unsigned *number;		/* one of these three */
	uint64_t *bytes, *time;
	struct engine_answer *answer;	/* NULL: it has no reply of its own */
};

static int set_value(const struct limit *limit, const struct conf_node *node, const struct conf_word *word, struct str *error)
{
	uint64_t number = 0;

	if (limit->bytes && !conf_bytes(word, limit->bytes))
		return 0;
	if (limit->time && !conf_duration(word, limit->time) && *limit->time)
		return 0;
	if (!limit->number || conf_number(word, 1000000, &number) || !number)
		return conf_error(node, error, "%s: %s is no value for it", limit->name, word->text);
	*limit->number = (unsigned)number;
	return 0;
}

/* NAME VALUE [CODE TEXT] at *at, which goes on behind them. */
static int set_limit(struct config *c, const struct conf_node *node, size_t *at, struct str *error)
{
	struct engine_setup *e = &c->engine;
	const struct limit limits[] = {
		{ "size", NULL, &e->size, NULL, &e->limit_answers[ENGINE_LIMIT_SIZE] },
		{ "recipients", &e->recipients, NULL, NULL, &e->limit_answers[ENGINE_LIMIT_RECIPIENTS] },
		{ "commands", &e->commands, NULL, NULL, &e->limit_answers[ENGINE_LIMIT_COMMANDS] },
		{ "unknown", &e->unknown, NULL, NULL, &e->limit_answers[ENGINE_LIMIT_UNKNOWN] },
		{ "failed", &e->failed, NULL, NULL, &e->limit_answers[ENGINE_LIMIT_FAILED] },
		{ "timeout", NULL, NULL, &c->timeout, &c->timeout_answer }, { "session", NULL, NULL, &c->session, &c->session_answer },
		{ "connections", &c->connections, NULL, NULL, NULL }, { "per-client", &c->per_client, NULL, NULL, NULL },
		{ "buffer", NULL, &c->buffer, NULL, NULL }, { "wait", NULL, NULL, &c->wait, NULL },
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		if (strcmp(node->words[*at].text, limits[i].name))
			continue;
		if (set_value(&limits[i], node, &node->words[*at + 1], error))
			return -1;
		*at += 2;
		if (!is_code(node, *at))
			return 0;
		if (!limits[i].answer)
			return conf_error(node, error, "%s has no reply of its own", limits[i].name);
		*at += 2;
		return take_answer(node, *at - 2, limits[i].answer, error);
	}
	return conf_error(node, error, "unknown limit %s; there are size, buffer, recipients, commands, unknown, failed, connections, per-client, timeout, session, wait",
	    node->words[*at].text);
}

static int take_limit(void *arg, const struct conf_node *node, struct str *error)
{
	for (size_t i = 1; i < node->count;) {
		if (i + 1 == node->count)
			return conf_error(node, error, "%s: a value is expected", node->words[i].text);
		if (set_limit(arg, node, &i, error))
			return -1;
	}
	return 0;
}

static int take_require(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	for (size_t i = 1; i < node->count; i++) {
		if (!strcmp(node->words[i].text, "fcrdns"))
			c->fcrdns = true;
		else if (!strcmp(node->words[i].text, "tls"))
			c->need_tls = true;
		else if (!strcmp(node->words[i].text, "auth"))
			c->need_auth = true;
		else
			return conf_error(node, error, "expected fcrdns, tls or auth");
	}
	return 0;
}

/* tls certificate FILE key FILE */
static int take_tls(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;
	struct str why = STR_INIT(TLS_ERROR_MAX);
	const char *certificate = conf_path(&node->words[2]), *key = conf_path(&node->words[4]);
	int result;

	if (strcmp(node->words[1].text, "certificate") || strcmp(node->words[3].text, "key") || !certificate || !key)
		return conf_error(node, error, "expected tls certificate FILE key FILE");
	tls_context_free(c->tls);
	c->tls = tls_context_new();
	if (!c->tls)
		return conf_error(node, error, "out of memory");
	tls_context_verify(c->tls, TLS_VERIFY_NONE);	/* clients need no certificate */
	result = tls_context_certificate(c->tls, certificate, key, &why);
	if (result)
		(void)conf_error(node, error, "%s", why.data);
	str_free(&why);
	return result;
}

static int take_auth(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;
	struct str why = STR_INIT(1000);
	const char *file = conf_path(&node->words[1]);

	if (!file)
		return conf_error(node, error, "expected auth FILE");
	login_secrets_free(c->secrets);
	c->secrets = login_secrets_load(file, &why);
	if (!c->secrets)
		(void)conf_error(node, error, "%s", why.data);
	str_free(&why);
	return c->secrets ? 0 : -1;
}

static int take_listen_path(struct config_listen *listen, const struct conf_node *node, const char *path, struct str *error)
{
	listen->path = strdup(path);
	for (size_t i = 2; i + 1 < node->count; i += 2) {
		const struct group *group;

		if (!strcmp(node->words[i].text, "mode") && !conf_mode(&node->words[i + 1], &listen->mode))
			continue;
		group = !strcmp(node->words[i].text, "group") ? getgrnam(node->words[i + 1].text) : NULL;
		if (!group)
			return conf_error(node, error, "%s %s: expected mode OCTAL or group NAME of a group that exists", node->words[i].text, node->words[i + 1].text);
		listen->group = group->gr_gid;
	}
	return listen->path && node->count % 2 == 0 ? 0 : conf_error(node, error, "expected listen PATH [mode MODE] [group GROUP]");
}

/* listen ADDRESS [port N] | PATH [mode MODE] [group GROUP] */
static int take_listen(void *arg, const struct conf_node *node, struct str *error)
{
	struct config_listen *listen = config_add_listen(arg);
	const char *path = conf_path(&node->words[1]);
	uint64_t port = 25;

	if (!listen)
		return conf_error(node, error, "too many of them");
	if (path && path[0] == '/')
		return take_listen_path(listen, node, path, error);
	if (node->count > 2 && (node->count != 4 || strcmp(node->words[2].text, "port") || conf_number(&node->words[3], 65535, &port)))
		return conf_error(node, error, "expected listen ADDRESS [port NUMBER]");
	if (!peer_is_address(node->words[1].text))
		return conf_error(node, error, "%s is no address, as 192.0.2.1 or 2001:db8::1 are, and no absolute path", node->words[1].text);
	listen->port = (unsigned)port;
	listen->address = strdup(node->words[1].text);
	return listen->address ? 0 : conf_error(node, error, "out of memory");
}

static int take_utf8(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	if (conf_bool(&node->words[1], &c->engine.utf8) || (c->engine.utf8 && node->count > 2))
		return conf_error(node, error, "expected yes, no, or no CODE TEXT");
	return node->count > 2 ? take_answer(node, 2, &c->engine.limit_answers[ENGINE_LIMIT_ASCII], error) : 0;
}

static int take_received(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;

	c->hide = !strcmp(node->words[1].text, "hide");
	return c->hide || !strcmp(node->words[1].text, "show") ? 0 : conf_error(node, error, "expected hide or show");
}

static int take_debug(void *arg, const struct conf_node *node, struct str *error)
{
	struct config *c = arg;
	const struct { const char *name; bool *flag; } flags[] = {
		{ "commands", &c->trace }, { "hex", &c->hex }, { "message", &c->trace_body }, { "rules", &c->trace_rules },
	};

	for (size_t i = 1; i < node->count; i++) {
		size_t k = 0;

		while (k < 4 && strcmp(node->words[i].text, flags[k].name))
			k++;
		if (k == 4)
			return conf_error(node, error, "expected commands, hex, message or rules");
		*flags[k].flag = true;
	}
	return 0;
}

static const struct conf_verb verbs[] = {
	{ "name", 1, 1, false, take_name },
	{ "group", 3, CONF_MANY, false, take_group },
	{ "accept", 1, CONF_MANY, false, take_rule },
	{ "reject", 1, CONF_MANY, false, take_rule },
	{ "allow", 1, CONF_MANY, false, take_allow },
	{ "limit", 2, CONF_MANY, false, take_limit },
	{ "require", 1, 3, false, take_require },
	{ "tls", 4, 4, false, take_tls },
	{ "auth", 1, 1, false, take_auth },
	{ "bare-lf", 1, CONF_MANY, false, take_bare },
	{ "xclient", 1, CONF_MANY, false, take_xclient },
	{ "proxy", 1, CONF_MANY, false, take_proxy },
	{ "listen", 1, 5, false, take_listen },
	{ "utf8", 1, 3, false, take_utf8 },
	{ "received", 1, 1, false, take_received },
	{ "debug", 1, 4, false, take_debug },
	{ NULL, 0, 0, false, NULL },
};

int config_load(struct config *c, const char *file, struct str *error)
{
	static const struct exposed_rule secrets[] = { { "tls", 4, NULL }, { "auth", 1, NULL }, { NULL, 0, NULL } };
	struct conf *conf = conf_load(file, error);
	int result;

	if (!conf)
		return errno == ENOENT ? EX_NOINPUT : EX_CONFIG;
	exposed_look(&c->exposed, conf, secrets);
	result = conf_walk(conf->first, verbs, c, error);
	conf_free(conf);
	return result ? EX_CONFIG : 0;
}

/* It stands in replies, in domains of addresses and in Received. */
static bool is_host(const char *name)
{
	return name[0] && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == strlen(name);
}

int config_finish(struct config *c, struct str *error)
{
	if (!c->name.len && host_mail_name(&c->name)) {
		(void)str_add(error, "cannot find out the host's mail name; give --name");
		return EX_OSERR;
	}
	if (!is_host(c->name.data)) {
		(void)str_printf(error, "name %s: is no host name", c->name.data);
		return EX_CONFIG;
	}
	if (c->need_tls && !c->tls) {
		(void)str_add(error, "TLS is required, but there is no tls directive with a certificate");
		return EX_CONFIG;
	}
	if (c->need_auth && !c->secrets) {
		(void)str_add(error, "AUTH is required, but there is no auth directive with a file of secrets");
		return EX_CONFIG;
	}
	c->engine.name = c->name.data;
	c->engine.tls = c->tls;
	c->engine.mechanisms = c->secrets ? LOGIN_MECHANISMS : NULL;
	return 0;
}
