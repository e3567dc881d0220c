/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "account_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MEMORY (512U * 1024 * 1024)
#define COMMAND_FILES 64
#define CONNECTIONS_MAX 16

static int no_memory(const struct conf_node *node, struct str *error)
{
	return conf_error(node, error, "%s", strerror(ENOMEM));
}

static int set_text(char **place, const struct conf_node *node, struct str *error)
{
	free(*place);
	*place = strdup(node->words[1].text);
	return *place ? 0 : no_memory(node, error);
}

/* What goes into a command as it stands: no line ends, no controls. */
static bool is_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

#define TEXT_OPTION(option, member) \
	static int on_##option(void *arg, const struct conf_node *node, struct str *error) \
	{ \
		struct account_options *options = arg; \
		return is_line(node->words[1].text) ? set_text(&options->account->member, node, error) \
		    : conf_error(node, error, "%s: a text without control characters was expected", node->words[0].text); \
	}

TEXT_OPTION(host, host)
TEXT_OPTION(port, port)
TEXT_OPTION(user, user)
TEXT_OPTION(authorize, authorize)
TEXT_OPTION(mailbox, mailbox)
TEXT_OPTION(sasl, sasl)
TEXT_OPTION(prefix, prefix)

/* Relative paths are beside the configuration. */
static char *beside(const struct conf_node *node, const char *path)
{
	const char *slash = strrchr(node->conf->file, '/');
	struct str full = STR_INIT(65536);
	char *copy = NULL;

	if (*path != '/' && slash && str_append(&full, node->conf->file, (size_t)(slash - node->conf->file) + 1) < 0)
		return NULL;
	if (!str_add(&full, path))
		copy = strdup(full.data);
	str_free(&full);
	return copy;
}

static int set_path(char **place, const struct conf_node *node, struct str *error)
{
	const char *path = conf_path(&node->words[1]);

	if (!path)
		return conf_error(node, error, "%s: a path was expected; quote it if it holds blanks", node->words[0].text);
	free(*place);
	*place = beside(node, path);
	return *place ? 0 : no_memory(node, error);
}

static int on_ca_file(void *arg, const struct conf_node *node, struct str *error)
{
	return set_path(&((struct account_options *)arg)->account->ca_file, node, error);
}

static int on_certificate(void *arg, const struct conf_node *node, struct str *error)
{
	return set_path(&((struct account_options *)arg)->account->certificate, node, error);
}

static int on_key(void *arg, const struct conf_node *node, struct str *error)
{
	return set_path(&((struct account_options *)arg)->account->key, node, error);
}

/* ---- secrets ---- */

static int on_password(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;

	if (str_set(&options->account->password, (struct span){ node->words[1].text, node->words[1].len }) < 0)
		return conf_error(node, error, "password: at most %d bytes were expected", ACCOUNT_SECRET_MAX);
	return 0;
}

static int read_secret(int fd, struct str *secret)
{
	ssize_t got;

	do {
		if (str_reserve(secret, 512) < 0)
			return -1;
		got = read(fd, secret->data + secret->len, 512);
		if (got > 0)
			secret->len += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		return -1;
	/* the line end that editors leave; a password may hold any other byte */
	if (secret->len && secret->data[secret->len - 1] == '\n')
		str_cut(secret, secret->len - 1);
	if (secret->len && secret->data[secret->len - 1] == '\r')
		str_cut(secret, secret->len - 1);
	return 0;
}

/* One that was opened for us by who started us: "password-fd 3" and 3< file. */
static int on_password_fd(void *arg, const struct conf_node *node, struct str *error)
{
	struct str *password = &((struct account_options *)arg)->account->password;
	uint64_t fd;
	int result;

	if (conf_number(&node->words[1], INT_MAX, &fd) < 0 || fd <= STDERR_FILENO)
		return conf_error(node, error, "password-fd: a descriptor from 3 on was expected");
	str_wipe(password);
	result = read_secret((int)fd, password);
	if (result < 0)
		return conf_error(node, error, "password-fd %d: %s", (int)fd, strerror(errno));
	close((int)fd);
	return password->len ? 0 : conf_error(node, error, "password-fd %d: it is empty", (int)fd);
}

static int on_password_file(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;
	char *path = NULL;
	int fd, result;

	if (set_path(&path, node, error) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	str_wipe(&options->account->password);
	result = fd < 0 ? -1 : read_secret(fd, &options->account->password);
	if (result < 0)
		conf_error(node, error, "password-file %s: %s", path, strerror(errno));
	else if (!options->account->password.len)
		result = conf_error(node, error, "password-file %s: it is empty", path);
	if (fd >= 0)
		close(fd);
	free(path);
	return result;
}

static int add_command(struct account_options *options, const struct conf_node *node, int *index, struct str *error)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	static char *const env[] = { path, NULL };
	char *argv[] = { strdup("/bin/sh"), strdup("-c"), strdup(node->words[1].text), NULL };
	struct keeper_command command = { .argv = argv, .env = env, .uid = options->table->command_uid, .gid = options->table->command_gid,
		.max_memory = COMMAND_MEMORY, .max_files = COMMAND_FILES };

	*index = argv[0] && argv[1] && argv[2] ? keeper_add_command(options->table->keeper, &command) : -1;
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	return *index < 0 ? conf_error(node, error, "%s: %s", node->words[0].text, strerror(errno)) : 0;
}

static int on_password_command(void *arg, const struct conf_node *node, struct str *error)
{
	return add_command(arg, node, &((struct account_options *)arg)->account->password_command, error);
}

static int on_token_command(void *arg, const struct conf_node *node, struct str *error)
{
	return add_command(arg, node, &((struct account_options *)arg)->account->token_command, error);
}

static int on_tunnel(void *arg, const struct conf_node *node, struct str *error)
{
	return add_command(arg, node, &((struct account_options *)arg)->account->tunnel, error);
}

static int on_token_file(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;
	char *path = NULL;

	if (set_path(&path, node, error) < 0)
		return -1;
	/* the keeper, which opens it, stands at the root */
	if (*path != '/') {
		char *real = realpath(path, NULL);

		if (!real)
			conf_error(node, error, "token-file %s: %s", path, strerror(errno));
		free(path);
		if (!real)
			return -1;
		path = real;
	}
	options->account->token_file = keeper_add_file(options->table->keeper, path, O_RDONLY, 0);
	free(path);
	return options->account->token_file < 0 ? conf_error(node, error, "token-file: %s", strerror(errno)) : 0;
}

/* ---- the rest ---- */

static int on_flags(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;
	const char *text = node->words[1].text;

	if (!is_line(text) || strpbrk(text, "(){}\"%*]") || strcasestr(text, "\\Recent"))
		return conf_error(node, error, "flags: names like \"\\Seen \\Flagged server\" were expected");
	return set_text(&options->account->flags, node, error);
}

static int on_tls(void *arg, const struct conf_node *node, struct str *error)
{
	static const struct { const char *name; enum account_tls tls; } names[] = {
		{ "implicit", ACCOUNT_TLS_IMPLICIT }, { "starttls", ACCOUNT_TLS_START }, { "none", ACCOUNT_TLS_NONE },
	};
	struct account_options *options = arg;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strcmp(node->words[1].text, names[i].name))
			return options->account->tls = names[i].tls, 0;
	return conf_error(node, error, "tls: implicit, starttls or none was expected");
}

static int on_verify(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;
	bool verify;

	if (conf_bool(&node->words[1], &verify) < 0)
		return conf_error(node, error, "verify: yes or no was expected");
	options->account->verify_none = !verify;
	return 0;
}

static int on_pin(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;
	struct str why = STR_INIT(TLS_ERROR_MAX);

	for (size_t i = 1; i < node->count; i++) {
		if (tls_context_pin(options->account->context, node->words[i].text, &why) < 0) {
			conf_error(node, error, "pin: %s", why.data);
			str_free(&why);
			return -1;
		}
		options->account->pins++;
	}
	str_free(&why);
	return 0;
}

static int on_bool(const struct conf_node *node, bool *value, struct str *error)
{
	return conf_bool(&node->words[1], value) < 0 ? conf_error(node, error, "%s: yes or no was expected", node->words[0].text) : 0;
}

static int on_create(void *arg, const struct conf_node *node, struct str *error)
{
	return on_bool(node, &((struct account_options *)arg)->account->create, error);
}

static int on_subscribe(void *arg, const struct conf_node *node, struct str *error)
{
	return on_bool(node, &((struct account_options *)arg)->account->subscribe, error);
}

static int on_utf8(void *arg, const struct conf_node *node, struct str *error)
{
	return on_bool(node, &((struct account_options *)arg)->account->utf8, error);
}

static int on_date(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;

	options->account->date_header = !strcmp(node->words[1].text, "header");
	options->account->date_arrival = options->account->date_header || !strcmp(node->words[1].text, "arrival");
	if (!options->account->date_arrival && strcmp(node->words[1].text, "now"))
		return conf_error(node, error, "date: arrival, header or now was expected");
	return 0;
}

static int on_separator(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;

	if (node->words[1].len != 1 || !is_line(node->words[1].text))
		return conf_error(node, error, "separator: one character was expected");
	options->account->separator = *node->words[1].text;
	return 0;
}

static int on_connections(void *arg, const struct conf_node *node, struct str *error)
{
	uint64_t count;

	if (conf_number(&node->words[1], CONNECTIONS_MAX, &count) < 0 || !count)
		return conf_error(node, error, "connections: a number from 1 to %d was expected", CONNECTIONS_MAX);
	((struct account_options *)arg)->account->connections = (unsigned)count;
	return 0;
}

static int on_keep_alive(void *arg, const struct conf_node *node, struct str *error)
{
	if (conf_duration(&node->words[1], &((struct account_options *)arg)->account->keep_alive) < 0)
		return conf_error(node, error, "keep-alive: a time like 60 or 5m was expected");
	return 0;
}

static int on_timeout(void *arg, const struct conf_node *node, struct str *error)
{
	uint64_t *timeout = &((struct account_options *)arg)->account->timeout;

	if (conf_duration(&node->words[1], timeout) < 0 || !*timeout)
		return conf_error(node, error, "timeout: a time like 300 or 5m was expected");
	return 0;
}

static int on_settle(void *arg, const struct conf_node *node, struct str *error)
{
	if (conf_duration(&node->words[1], &((struct account_options *)arg)->account->settle) < 0)
		return conf_error(node, error, "settle: a time like 10 or 1m was expected");
	return 0;
}

static int on_limit(void *arg, const struct conf_node *node, struct str *error)
{
	if (conf_bytes(&node->words[1], &((struct account_options *)arg)->account->limit) < 0)
		return conf_error(node, error, "limit: a size like 25M was expected");
	return 0;
}

static int on_too_big(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_options *options = arg;

	options->account->too_big_note = !strcmp(node->words[1].text, "note");
	if (!options->account->too_big_note && strcmp(node->words[1].text, "refuse"))
		return conf_error(node, error, "too-big: refuse or note was expected");
	return 0;
}

const struct conf_verb account_options_verbs[] = {
	{ "host", 1, 1, false, on_host },
	{ "port", 1, 1, false, on_port },
	{ "tls", 1, 1, false, on_tls },
	{ "verify", 1, 1, false, on_verify },
	{ "ca-file", 1, 1, false, on_ca_file },
	{ "pin", 1, TLS_PINS_MAX, false, on_pin },
	{ "certificate", 1, 1, false, on_certificate },
	{ "key", 1, 1, false, on_key },
	{ "tunnel", 1, 1, false, on_tunnel },
	{ "user", 1, 1, false, on_user },
	{ "authorize", 1, 1, false, on_authorize },
	{ "password", 1, 1, false, on_password },
	{ "password-fd", 1, 1, false, on_password_fd },
	{ "password-file", 1, 1, false, on_password_file },
	{ "password-command", 1, 1, false, on_password_command },
	{ "token-file", 1, 1, false, on_token_file },
	{ "token-command", 1, 1, false, on_token_command },
	{ "sasl", 1, 1, false, on_sasl },
	{ "mailbox", 1, 1, false, on_mailbox },
	{ "create", 1, 1, false, on_create },
	{ "subscribe", 1, 1, false, on_subscribe },
	{ "utf8", 1, 1, false, on_utf8 },
	{ "flags", 1, 1, false, on_flags },
	{ "date", 1, 1, false, on_date },
	{ "separator", 1, 1, false, on_separator },
	{ "prefix", 1, 1, false, on_prefix },
	{ "connections", 1, 1, false, on_connections },
	{ "keep-alive", 1, 1, false, on_keep_alive },
	{ "timeout", 1, 1, false, on_timeout },
	{ "settle", 1, 1, false, on_settle },
	{ "limit", 1, 1, false, on_limit },
	{ "too-big", 1, 1, false, on_too_big },
	{ NULL, 0, 0, false, NULL },
};
