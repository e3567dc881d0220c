/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct check {
	const struct session_host *host;
	const struct account *account;
	struct str *error;
	int status;
};

static struct item *on_peek(void *arg)
{
	(void)arg;
	return NULL;
}

static void on_ready(void *arg, struct session *session)
{
	struct check *check = arg;
	struct str text = STR_INIT(65536);

	session_describe(session, &text);
	printf("%s: logged in\n%s", check->account->name, text.data);
	str_free(&text);
	if (strstr(check->account->mailbox, "$1")) {
		printf("mailbox: %s, known only with an argument\n", check->account->mailbox);
		session_leave(session);
	} else {
		session_probe(session, check->account->mailbox);
	}
}

static void on_probed(void *arg, struct session *session, bool there, const char *text)
{
	struct check *check = arg;

	if (*text)
		printf("mailbox: %s: %s\n", check->account->mailbox, text);
	else if (there)
		printf("mailbox: %s is there\n", check->account->mailbox);
	else
		printf("mailbox: %s is missing%s\n", check->account->mailbox, check->account->create ? " and will be made" : "; make it, or say \"create yes\"");
	if (*text || (!there && !check->account->create)) {
		check->status = EX_CONFIG;
		str_printf(check->error, "account %s: the mailbox %s is not there", check->account->name, check->account->mailbox);
	}
	session_leave(session);
}

static void on_over(void *arg, struct session *session, const struct outcome *why, bool login)
{
	struct check *check = arg;

	(void)session;
	if (why) {
		str_printf(check->error, "account %s: %s %s", check->account->name, why->status, why->text);
		check->status = login ? EX_NOPERM : EX_TEMPFAIL;
	}
	loop_stop(check->host->loop);
}

int check_run(const struct session_host *host, const struct account_table *accounts, const char *only, struct str *error)
{
	static const struct session_ops ops = { .peek = on_peek, .ready = on_ready, .probed = on_probed, .over = on_over };
	struct check check = { .host = host, .error = error };

	for (const struct account *account = accounts->first; account; account = account->next) {
		if (only && strcmp(only, account->name))
			continue;
		check.account = account;
		if (!session_new(host, account, &ops, &check) || loop_run(host->loop) < 0) {
			str_add(error, strerror(errno));
			return EX_OSERR;
		}
		fflush(stdout);
		if (check.status)
			return check.status;
	}
	return 0;
}
