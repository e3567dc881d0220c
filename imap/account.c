/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account_options.h"
#include "clock.h"
#include "mailbox.h"

static void free_one(struct account *account)
{
	if (!account)
		return;
	free(account->name);
	free(account->host);
	free(account->port);
	free(account->user);
	free(account->authorize);
	str_wipe(&account->password);
	free(account->mailbox);
	free(account->flags);
	tls_context_free(account->context);
	tls_trust_free(account->trust);
	free(account->ca_file);
	free(account->certificate);
	free(account->key);
	free(account->sasl);
	free(account->prefix);
	free(account);
}

void account_free(struct account_table *table)
{
	for (struct account *next, *account = table->first; account; account = next) {
		next = account->next;
		free_one(account);
	}
	free(table->source);
	str_free(&table->exposed.lines);
	table->first = NULL;
	table->source = NULL;
}

const struct account *account_find(const struct account_table *table, struct span name)
{
	for (const struct account *account = table->first; account; account = account->next)
		if (span_is(name, account->name))
			return account;
	return NULL;
}

static struct account *new_account(const char *name)
{
	struct account *account = calloc(1, sizeof *account);

	if (!account)
		return NULL;
	*account = (struct account){
		.password = STR_SECRET(ACCOUNT_SECRET_MAX), .password_command = -1, .token_file = -1, .token_command = -1, .tunnel = -1,
		.date_arrival = true, .subscribe = true, .connections = 1, .keep_alive = 60 * CLOCK_SECOND, .timeout = 300 * CLOCK_SECOND, .settle = 10 * CLOCK_SECOND,
	};
	account->name = strdup(name);
	account->mailbox = strdup("INBOX");
	account->flags = strdup("");
	account->context = tls_context_new();
	if (account->name && account->mailbox && account->flags && account->context)
		return account;
	free_one(account);
	return NULL;
}

static bool name_is_fit(const char *name)
{
	if (!*name || strlen(name) > ACCOUNT_NAME_MAX || *name == '-' || *name == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == '/' || *name == ':' || *name == 0x7f)
			return false;
	return true;
}

/* A tunnel's other end is ours: it needs no TLS of its own unless it is asked for. */
static int finish_tls(struct account *account, const struct conf_node *node, struct str *error)
{
	enum tls_verify verify = account->verify_none ? TLS_VERIFY_NONE : TLS_VERIFY_CHAIN;

	if (account->tls == ACCOUNT_TLS_UNSET)
		account->tls = account->tunnel >= 0 ? ACCOUNT_TLS_NONE : ACCOUNT_TLS_IMPLICIT;
	if (account->tls == ACCOUNT_TLS_NONE)
		return 0;
	str_cut(error, 0);
	if (verify == TLS_VERIFY_CHAIN && (!account->pins || account->ca_file)) {
		account->trust = tls_trust_open(account->ca_file, error);
		if (!account->trust)
			return -1;
		tls_context_trust(account->context, account->trust);
	} else if (account->pins) {
		verify = TLS_VERIFY_PIN;
	}
	tls_context_verify(account->context, verify);
	if (account->certificate)
		return tls_context_certificate(account->context, account->certificate, account->key ? account->key : account->certificate, error);
	(void)node;
	return 0;
}

static int finish(struct account *account, const struct conf_node *node, struct str *error)
{
	struct str wire = STR_INIT(4 * MAILBOX_MAX);
	bool fit = mailbox_wire(&wire, span_of(account->mailbox), '/', span_of(""), false) == 0;

	str_free(&wire);
	if (!fit && !strchr(account->mailbox, '$'))
		return conf_error(node, error, "drop %s: mailbox: a name in UTF-8 with / between its levels was expected", account->name);
	if (!account->host && account->tunnel < 0)
		return conf_error(node, error, "drop %s: a line \"host imap.example.net\" was expected", account->name);
	if (!account->host && account->tls != ACCOUNT_TLS_NONE && account->tls != ACCOUNT_TLS_UNSET)
		return conf_error(node, error, "drop %s: tls needs the host's name, for its certificate", account->name);
	if (!account->port)
		account->port = strdup(account->tls == ACCOUNT_TLS_START || account->tls == ACCOUNT_TLS_NONE ? "143" : "993");
	if (!account->port)
		return conf_error(node, error, "%s", strerror(ENOMEM));
	if (finish_tls(account, node, error) < 0) {
		struct str text = STR_INIT(2048);

		str_set(&text, str_span(error));
		str_cut(error, 0);
		conf_error(node, error, "drop %s: %s", account->name, text.data);
		str_free(&text);
		return -1;
	}
	return 0;
}

/* drop NAME { … }, last in the list, so that --check reports them in the file's order. */
static int handle_drop(void *arg, const struct conf_node *node, struct str *error)
{
	struct account_table *table = arg;
	struct account *account, **end = &table->first;
	struct account_options options = { .table = table };

	if (!name_is_fit(node->words[1].text))
		return conf_error(node, error, "%s: a drop's name has no blank, slash or colon and begins with neither - nor .", node->words[1].text);
	if (account_find(table, span_of(node->words[1].text)))
		return conf_error(node, error, "there is a drop %s already", node->words[1].text);
	account = new_account(node->words[1].text);
	if (!account)
		return conf_error(node, error, "%s", strerror(ENOMEM));
	options.account = account;
	if (conf_walk(node->children, account_options_verbs, &options, error) < 0 || finish(account, node, error) < 0) {
		free_one(account);
		return -1;
	}
	while (*end)
		end = &(*end)->next;
	*end = account;
	return 0;
}

int account_descriptors(const struct conf *conf, struct descriptors *fds, struct str *error)
{
	for (const struct conf_node *drop = conf->first; drop; drop = drop->next)
		for (const struct conf_node *node = drop->children; node; node = node->next) {
			uint64_t fd;

			/* what is wrong with it is said when the account is read */
			if (strcmp(node->words[0].text, "password-fd") || node->count != 2 || conf_number(&node->words[1], INT_MAX, &fd) < 0)
				continue;
			if (descriptors_add(fds, (int)fd) < 0)
				return conf_error(node, error, "password-fd: too many of them: %d are possible", DESCRIPTORS_TOLD_MAX);
		}
	return 0;
}

int account_read(struct account_table *table, const struct conf *conf, struct str *error)
{
	static const struct conf_verb verbs[] = {
		{ "drop", 1, 1, true, handle_drop },
		{ NULL, 0, 0, false, NULL },
	};
	static const struct exposed_rule secrets[] = {
		{ "password", 0, NULL }, { "password-file", 1, NULL }, { "token-file", 1, NULL }, { "key", 1, NULL }, { "certificate", 1, "key" }, { NULL, 0, NULL },
	};

	exposed_look(&table->exposed, conf, secrets);
	table->source = strdup(conf->file);
	return table->source ? conf_walk(conf->first, verbs, table, error) : -1;
}
