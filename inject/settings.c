/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "address.h"
#include "conf.h"
#include "host.h"

#define CHARSET_MAX 40

static struct span word(const struct conf_node *node)
{
	return (struct span){ node->words[1].text, node->words[1].len };
}

static int keep(struct str *to, const struct conf_node *node, struct str *error)
{
	return str_set(to, word(node)) < 0 ? conf_error(node, error, "at most %u bytes", SETTINGS_TEXT_MAX) : 0;
}

static int set_socket(void *arg, const struct conf_node *node, struct str *error)
{
	return keep(&((struct settings *)arg)->socket, node, error);
}

static int set_admin(void *arg, const struct conf_node *node, struct str *error)
{
	return keep(&((struct settings *)arg)->admin, node, error);
}

static int set_name(void *arg, const struct conf_node *node, struct str *error)
{
	struct str probe = STR_INIT(SETTINGS_TEXT_MAX + 8);
	bool valid;

	str_printf(&probe, "x@%s", node->words[1].text);
	valid = address_is_valid(str_span(&probe), true) && !strchr(node->words[1].text, '@');
	str_free(&probe);
	return valid ? keep(&((struct settings *)arg)->name, node, error) : conf_error(node, error, "expected a host name");
}

static int set_sender(void *arg, const struct conf_node *node, struct str *error)
{
	if (node->words[1].len == 0 || !address_is_valid(word(node), true))
		return conf_error(node, error, "expected an address, local@domain");
	return keep(&((struct settings *)arg)->sender, node, error);
}

static int set_wait(void *arg, const struct conf_node *node, struct str *error)
{
	struct settings *s = arg;

	return conf_duration(&node->words[1], &s->wait) < 0 ? conf_error(node, error, "expected a duration such as 30s or 5m") : 0;
}

static int set_from(void *arg, const struct conf_node *node, struct str *error)
{
	struct settings *s = arg;

	if (span_is(word(node), "add"))
		s->from = SETTINGS_FROM_ADD;
	else if (span_is(word(node), "leave"))
		s->from = SETTINGS_FROM_LEAVE;
	else if (span_is(word(node), "replace"))
		s->from = SETTINGS_FROM_REPLACE;
	else
		return conf_error(node, error, "expected leave, add or replace");
	return 0;
}

static int set_to(void *arg, const struct conf_node *node, struct str *error)
{
	struct settings *s = arg;

	if (span_is(word(node), "undisclosed"))
		s->to = SETTINGS_TO_UNDISCLOSED;
	else if (span_is(word(node), "list"))
		s->to = SETTINGS_TO_LIST;
	else if (span_is(word(node), "leave"))
		s->to = SETTINGS_TO_LEAVE;
	else
		return conf_error(node, error, "expected undisclosed, list or leave");
	return 0;
}

static int set_qualify(void *arg, const struct conf_node *node, struct str *error)
{
	struct settings *s = arg;

	return conf_bool(&node->words[1], &s->qualify) < 0 ? conf_error(node, error, "expected yes or no") : 0;
}

static int set_dead_letter(void *arg, const struct conf_node *node, struct str *error)
{
	struct settings *s = arg;
	bool wanted;

	if (conf_bool(&node->words[1], &wanted) < 0)
		return conf_error(node, error, "expected yes or no");
	s->dead_letter = s->dead_letter || wanted;		/* the option may ask for it, too */
	return 0;
}

/* A character set's name, as a parameter of Content-Type takes it unquoted. */
static bool is_charset(struct span name)
{
	size_t i;

	for (i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-_.:+", c))))
			return false;
	}
	return name.len > 0 && name.len <= CHARSET_MAX;
}

static int set_mime(void *arg, const struct conf_node *node, struct str *error)
{
	if (!is_charset(word(node)))
		return conf_error(node, error, "expected a character set such as utf-8");
	return keep(&((struct settings *)arg)->mime, node, error);
}

static const struct conf_verb verbs[] = {
	{ "socket", 1, 1, false, set_socket }, { "admin", 1, 1, false, set_admin }, { "name", 1, 1, false, set_name },
	{ "wait", 1, 1, false, set_wait }, { "from", 1, 1, false, set_from }, { "sender", 1, 1, false, set_sender },
	{ "to", 1, 1, false, set_to }, { "qualify", 1, 1, false, set_qualify },
	{ "mime", 1, 1, false, set_mime }, { "dead-letter", 1, 1, false, set_dead_letter }, { NULL, 0, 0, false, NULL },
};

/* Only the default file may be missing: one that was named was meant. */
static int load_file(struct settings *s, const char *named, struct str *error)
{
	struct conf *conf = conf_load(named ? named : SETTINGS_CONFIG, error);
	int r;

	if (!conf) {
		if (named || (errno != ENOENT && errno != ENOTDIR))
			return EX_CONFIG;
		str_cut(error, 0);
		return 0;
	}
	r = conf_walk(conf->first, verbs, s, error);
	conf_free(conf);
	return r < 0 ? EX_CONFIG : 0;
}

int settings_load(struct settings *s, const struct options *o, struct str *error)
{
	int code;

	*s = (struct settings){ STR_INIT(SETTINGS_TEXT_MAX), STR_INIT(SETTINGS_TEXT_MAX), STR_INIT(SETTINGS_TEXT_MAX),
	    STR_INIT(SETTINGS_TEXT_MAX), SETTINGS_WAIT, SETTINGS_FROM_ADD, SETTINGS_TO_UNDISCLOSED, true, o->dead_letter, STR_INIT(CHARSET_MAX) };
	if (str_add(&s->socket, SETTINGS_SOCKET) < 0 || str_add(&s->admin, SETTINGS_ADMIN) < 0)
		return EX_OSERR;
	code = load_file(s, o->config, error);
	if (code != 0)
		return code;
	if ((o->socket && str_set(&s->socket, span_of(o->socket)) < 0) || (o->admin && str_set(&s->admin, span_of(o->admin)) < 0)) {
		str_printf(error, "a socket's path has at most %u bytes", SETTINGS_TEXT_MAX);
		return EX_USAGE;
	}
	if (o->wait && conf_duration_text(o->wait, &s->wait) < 0) {
		str_printf(error, "--wait takes a duration such as 30s or 5m, not %s", o->wait);
		return EX_USAGE;
	}
	if (o->mime && (!is_charset(span_of(o->mime)) || str_set(&s->mime, span_of(o->mime)) < 0)) {
		str_printf(error, "--mime takes a character set such as utf-8, not %s", o->mime);
		return EX_USAGE;
	}
	if (s->name.len == 0 && host_mail_name(&s->name) < 0) {
		str_printf(error, "out of memory");
		return EX_OSERR;
	}
	return 0;
}

void settings_free(struct settings *s)
{
	str_free(&s->socket);
	str_free(&s->admin);
	str_free(&s->name);
	str_free(&s->sender);
	str_free(&s->mime);
}
