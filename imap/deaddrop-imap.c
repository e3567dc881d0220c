/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-imap: a durable queue's way into IMAP mailboxes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "byhand.h"
#include "check.h"
#include "deliver.h"
#include "import.h"
#include "pool.h"
#include "stage.h"

#define BUFFER_CAP (8U * 1024 * 1024)
#define JOBS_CAP (32U * 1024 * 1024)
#define FILES_MAX 1024
#define WARNINGS_MAX 65536
#define NOBODY 65534

struct imap {
	struct stage *stage;
	const char *account;		/* --account, or NULL */
	struct import_request import;	/* path NULL: none */
	struct conf *conf;		/* from told to prepare */
	struct account_table accounts;
	struct keeper *keeper;
	struct session_host host;
	struct pool *pool;
	struct deliver *deliver;
	bool leaving;
};

static void *create(void)
{
	return calloc(1, sizeof(struct imap));
}

static void destroy(void *self)
{
	struct imap *imap = self;

	conf_free(imap->conf);
	pool_free(imap->pool);
	deliver_free(imap->deliver);
	if (imap->keeper)
		keeper_stop(imap->keeper);
	account_free(&imap->accounts);
	keeper_list_free(imap->accounts.keeper);
	free(imap);
}

static int option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct imap *imap = self;

	(void)stage;
	(void)error;
	if (!strcmp(name, "account"))
		imap->account = value;
	else if (!strcmp(name, "import"))
		imap->import.path = value;
	else if (!strcmp(name, "mailbox"))
		imap->import.mailbox = value;
	else
		imap->import.subfolders = true;
	return 0;
}

/* The file may be a pipe, and is read once. */
static int told(void *self, struct stage *stage, struct descriptors *fds, struct str *error)
{
	struct imap *imap = self;

	if (!stage_config(stage))
		return 0;
	imap->conf = conf_load(stage_config(stage), error);
	return imap->conf && !account_descriptors(imap->conf, fds, error) ? 0 : EX_CONFIG;
}

/* In the keeper, which has no need of passwords. */
static void forget(void *table)
{
	account_free(table);
}

/* Commands of the configuration run as the stage's user; a keeper that needs nobody's rights has none. */
static int read_accounts(struct imap *imap, struct stage *stage, struct str *error)
{
	const struct jail *jail = stage_jail(stage);
	uid_t uid = jail->change_user ? jail->uid : getuid();
	gid_t gid = jail->change_user ? jail->gid : getgid();
	int result;

	if (!stage_config(stage))
		return str_add(error, "--config FILE is missing: it says what the drops are"), EX_USAGE;
	imap->accounts.keeper = keeper_list_new();
	if (!imap->accounts.keeper || keeper_allow_names(imap->accounts.keeper) < 0)
		return str_add(error, strerror(errno)), EX_OSERR;
	imap->accounts.command_uid = uid;
	imap->accounts.command_gid = gid;
	imap->accounts.exposed = (struct exposed){ jail->change_user ? gid : (gid_t)-1, STR_INIT(WARNINGS_MAX) };
	result = account_read(&imap->accounts, imap->conf, error);
	conf_free(imap->conf);
	imap->conf = NULL;
	if (result < 0)
		return EX_CONFIG;
	stage_warn(stage, str_span(&imap->accounts.exposed.lines));
	if (imap->account) {
		struct span name = span_of(imap->account);
		const char *slash = strchr(imap->account, '/');

		if (slash)
			name.len = (size_t)(slash - imap->account);
		if (!account_find(&imap->accounts, name))
			return str_printf(error, "--account %s: there is no such drop in %s", imap->account, stage_config(stage)), EX_USAGE;
	}
	keeper_set_sandbox(imap->accounts.keeper, stage_sandbox(stage)->mode);
	keeper_set_forget(imap->accounts.keeper, forget, &imap->accounts);
	imap->keeper = keeper_start(imap->accounts.keeper, uid == 0 ? NOBODY : uid, uid == 0 ? NOBODY : gid, error);
	return imap->keeper ? 0 : EX_OSERR;
}

static void set_host(struct imap *imap, struct stage *stage, struct loop *loop)
{
	imap->host = (struct session_host){ .loop = loop, .log = stage_log(stage), .keeper = imap->keeper, .verbose = stage_verbose(stage) };
}

/* With a loop of its own: one message, or a look at the accounts. */
static int run_alone(struct imap *imap, struct stage *stage, struct str *error)
{
	struct loop *loop = loop_new();
	struct str where = STR_INIT(OUTCOME_REASON_MAX);
	int status;

	if (!loop || keeper_attach(imap->keeper, loop) < 0) {
		loop_free(loop);
		return str_add(error, strerror(errno)), EX_OSERR;
	}
	set_host(imap, stage, loop);
	if (stage_checking(stage))
		status = check_run(&imap->host, &imap->accounts, imap->account, error);
	else if (imap->import.path)
		status = import_run(&imap->host, &imap->accounts, &imap->import, error);
	else
		status = byhand_run(&imap->host, &imap->accounts, imap->account, STDIN_FILENO, &where, error);
	if (!status && stage_verbose(stage) && where.len)
		log_event(stage_log(stage), "done", "%s", where.data);
	str_free(&where);
	keeper_stop(imap->keeper);
	imap->keeper = NULL;
	loop_free(loop);
	return status;
}

static int prepare(void *self, struct stage *stage, struct str *error)
{
	struct imap *imap = self;
	int status;

	imap->stage = stage;
	status = read_accounts(imap, stage, error);
	if (status || stage_checking(stage))
		return status;
	if (!stage_in(stage, 0) && !imap->account)
		return str_add(error, "where to listen is missing: --in SOCKET; or --account NAME to deliver one message by hand"), EX_USAGE;
	if (!imap->import.path && (imap->import.mailbox || imap->import.subfolders))
		return str_add(error, "--mailbox and --subfolders belong to --import"), EX_USAGE;
	if (imap->import.path && (!imap->account || stage_in(stage, 0)))
		return str_add(error, "--import wants --account NAME, and no --in"), EX_USAGE;
	imap->import.account = imap->account;
	stage_jail(stage)->max_files = FILES_MAX;
	if (stage_in(stage, 0))
		return 0;
	status = run_alone(imap, stage, error);
	if (!status)
		stage_exit_now(stage, EX_OK);
	return status;
}

static int check(void *self, struct stage *stage, struct str *error)
{
	return run_alone(self, stage, error);
}

static void leave(struct imap *imap)
{
	imap->leaving = true;
	pool_leave(imap->pool);
}

static bool turn(void *arg)
{
	struct imap *imap = arg;

	pool_turn(imap->pool);
	deliver_flush(imap->deliver);
	if (imap->leaving && pool_is_over(imap->pool))
		stage_finish(imap->stage, EX_OK);
	return false;
}

static void on_deliver(void *arg, struct deliver_job *job)
{
	pool_deliver(((struct imap *)arg)->pool, job);
}

static void on_answered(void *arg, const struct deliver_job *job)
{
	deliver_log_outcomes(stage_log(((struct imap *)arg)->stage), job);
}

static void on_ended(void *arg, struct ctrl_peer peer, struct span stage, const char *why, bool broken)
{
	struct imap *imap = arg;

	if (broken || stage_verbose(imap->stage))
		deliver_log_peer(stage_log(imap->stage), peer, stage, why);
	if (stage_once(imap->stage) && !imap->leaving)
		leave(imap);
}

static int start(void *self, struct stage *stage, struct str *error)
{
	static const struct deliver_ops ops = { .deliver = on_deliver, .answered = on_answered, .ended = on_ended };
	struct imap *imap = self;
	const struct stage_socket *in;

	set_host(imap, stage, stage_loop(stage));
	if (keeper_attach(imap->keeper, imap->host.loop) < 0)
		return str_printf(error, "the keeper: %s", strerror(errno)), EX_OSERR;
	imap->pool = pool_new(&imap->host, &imap->accounts, false);
	imap->deliver = deliver_new(stage_hub(stage), JOBS_CAP, &ops, imap);
	if (!imap->pool || !imap->deliver)
		return str_add(error, strerror(ENOMEM)), EX_OSERR;
	pool_set_deliver(imap->pool, imap->deliver);
	for (size_t i = 0; (in = stage_in(stage, i)); i++)
		if (deliver_listen(imap->deliver, in->fd) < 0)
			return str_printf(error, "%s: %s", in->path, strerror(errno)), EX_OSERR;
	if (loop_turn(imap->host.loop, turn, imap) < 0)
		return str_add(error, strerror(errno)), EX_OSERR;
	return 0;
}

static void drain(void *self, struct stage *stage)
{
	struct imap *imap = self;

	(void)stage;
	deliver_close(imap->deliver);
	leave(imap);
}

static const struct stage_option options[] = {
	{ "account", 0, "NAME", "by hand: append the message on standard input to this drop; with --check: look at it alone" },
	{ "import", 0, "PATH", "by hand: upload this Maildir or mbox file to --account, each message once however often it is run" },
	{ "mailbox", 0, "NAME", "with --import: where to, in place of the account's mailbox" },
	{ "subfolders", 0, NULL, "with --import: the subfolders of the Maildir (Maildir++), too" },
	{ NULL, 0, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct stage_program program = {
		.name = "imap",
		.synopsis = "deaddrop-imap --in SOCKET --config FILE [OPTION]...\n"
		    "deaddrop-imap --config FILE --account NAME[/ARGUMENT] < MESSAGE\n"
		    "deaddrop-imap --config FILE --account NAME --import PATH [--mailbox NAME] [--subfolders]\n"
		    "deaddrop-imap --config FILE --check [--account NAME]\n",
		.summary = "Appends messages to IMAP mailboxes: as a stage, or one message by hand.",
		.examples = "deaddrop-imap --config imap.conf --account phone < message\n"
		    "deaddrop-imap --config imap.conf --account phone --check -vv\n"
		    "deaddrop-imap --config imap.conf --account phone --import ~/Maildir --subfolders\n",
		.options = options,
		.needs = SANDBOX_UNIX | SANDBOX_INET,
		.has_in = true,
		.has_config = true,
		.has_once = true,
		.buffer_cap = BUFFER_CAP,
		.create = create,
		.destroy = destroy,
		.option = option,
		.told = told,
		.prepare = prepare,
		.check = check,
		.start = start,
		.drain = drain,
	};

	return stage_main(&program, argc, argv);
}
