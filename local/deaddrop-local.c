/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-local: drops messages into mailboxes of this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "batch.h"
#include "byhand.h"
#include "host.h"
#include "ready.h"
#include "recipient.h"
#include "stage.h"
#include "syncer.h"

#define BUFFER_CAP (8U * 1024 * 1024)
#define JOBS_CAP (64U * 1024 * 1024)	/* bytes of jobs at hand */
#define FILES_MAX 4096			/* 512 that came with jobs, 256 of a batch, 192 directories, three for each process that runs */

struct local {
	struct stage *stage;
	const char *inbox;		/* --inbox, or NULL */
	struct byhand byhand;
	bool by_hand;
	struct drop_table drops;
	struct str host;
	struct recipient_context context;
	struct keeper *keeper;
	struct works *works;
	struct syncer *syncer;		/* NULL: without */
	struct deliver *deliver;
	struct batch *batch;
	bool sync_fs;
	bool leaving;
};

static void *create(void)
{
	struct local *local = calloc(1, sizeof *local);

	if (local) {
		local->host = (struct str)STR_INIT(1024);
		local->byhand.recipients = (struct str)STR_INIT(128U * 1024);
	}
	return local;
}

/* The keeper first: what it had under way is answered then. */
static void destroy(void *self)
{
	struct local *local = self;

	keeper_stop(local->keeper);
	batch_free(local->batch);
	deliver_free(local->deliver);
	works_free(local->works);
	syncer_free(local->syncer);
	drop_free(&local->drops);
	str_free(&local->byhand.recipients);
	str_free(&local->host);
	free(local);
}

static int set_sync(struct local *local, const char *value, struct str *error)
{
	local->sync_fs = !strcmp(value, "fs");
	if (local->sync_fs || !strcmp(value, "file"))
		return 0;
	str_add(error, "--sync: file or fs was expected");
	return -1;
}

/* --maildir, --mh, --mbox, --pipe: the kinds' own names */
static int set_place(struct local *local, const char *kind, const char *value, struct str *error)
{
	if (local->by_hand) {
		str_add(error, "--maildir, --mh, --mbox, --pipe and --deliver exclude each other");
		return -1;
	}
	local->by_hand = true;
	local->byhand.kind = drop_kind_named(kind);
	local->byhand.path = value;
	return 0;
}

static int option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct local *local = self;

	(void)stage;
	if (!strcmp(name, "inbox"))
		local->inbox = value;
	else if (!strcmp(name, "sync"))
		return set_sync(local, value, error);
	else if (!strcmp(name, "sender"))
		local->byhand.sender = value;
	else if (!strcmp(name, "mboxo"))
		local->byhand.mboxo = true;
	else if (strcmp(name, "recipient"))
		return set_place(local, name, value, error);
	else if (str_append(&local->byhand.recipients, value, strlen(value) + 1) < 0)
		return str_printf(error, "--recipient: %s", strerror(errno)), -1;
	return 0;
}

/* Postfix and others say ORIGINAL_RECIPIENT too; RECIPIENT is the address that led here, as OpenSMTPD, Postfix and qmail have it. */
static int run_by_hand(struct local *local, struct stage *stage, struct str *error)
{
	const char *recipient = getenv("RECIPIENT");
	int status;

	if (stage_jail(stage)->root || stage_jail(stage)->change_user || stage_in(stage, 0) || stage_config(stage))
		return str_add(error, "a message is delivered by hand as who calls and alone: without --in, --config, --chroot and --user"), EX_USAGE;
	if (!local->byhand.sender)
		local->byhand.sender = getenv("SENDER");
	if (!local->byhand.recipients.len && recipient && *recipient && str_append(&local->byhand.recipients, recipient, strlen(recipient) + 1) < 0)
		return str_add(error, strerror(errno)), EX_TEMPFAIL;
	local->byhand.sync_fs = local->sync_fs;
	status = byhand_run(&local->byhand, local->host.data, error);
	if (!status)
		stage_exit_now(stage, EX_OK);
	return status;
}

static int read_drops(struct local *local, struct stage *stage, struct str *error)
{
	const char *config = stage_config(stage);

	local->drops.chroot = stage_jail(stage)->root;
	if (config && local->inbox)
		return str_add(error, "--inbox and --config exclude each other"), EX_USAGE;
	if (config)
		return drop_read(&local->drops, config, error) < 0 ? EX_CONFIG : 0;
	return drop_add(&local->drops, "inbox", drop_kind_named("maildir"), local->inbox ? local->inbox : "inbox", DROP_MODE, error) ? 0 : EX_CONFIG;
}

static int prepare_drops(struct local *local, struct stage *stage, struct str *error)
{
	int status = 0;

	for (const struct drop *drop = local->drops.first; drop && !status; drop = drop->next)
		status = drop_at_line(&local->drops, drop, ready_drop(drop, stage, error), error);
	return status;
}

static int list_drops(struct local *local, struct stage *stage, struct keeper_list *list, struct str *error)
{
	local->context = (struct recipient_context){ &local->drops, local->host.data, local->sync_fs };
	for (struct drop *drop = local->drops.first; drop; drop = drop->next) {
		int result = ready_program(drop, stage, error);

		if (!result && drop->kind->list)
			result = drop->kind->list(drop, list, error);
		else if (!result && drop->as_recipient)
			result = recipient_list(drop, list, &local->context, error);
		if (result < 0)
			return drop_at_line(&local->drops, drop, EX_CONFIG, error);
	}
	return 0;
}

/* Stages without commands and recipients have none. */
static int start_keeper(struct local *local, struct stage *stage, struct str *error)
{
	const struct jail *jail = stage_jail(stage);
	struct keeper_list *list = keeper_list_new();
	int status = list ? list_drops(local, stage, list, error) : EX_OSERR;

	if (!status && !keeper_list_empty(list)) {
		keeper_set_sandbox(list, stage_sandbox(stage)->mode);
		local->keeper = keeper_start(list, jail->change_user ? jail->uid : geteuid(), jail->change_user ? jail->gid : getegid(), error);
		status = local->keeper ? 0 : EX_CONFIG;
	}
	keeper_list_free(list);
	return status;
}

/* As other systems call a delivery program: nothing but a message on standard input. */
static bool is_bare_call(const struct local *local, struct stage *stage)
{
	return !stage_in(stage, 0) && !stage_config(stage) && !local->inbox && !stage_checking(stage) && !stage_jail(stage)->root &&
	    !stage_jail(stage)->change_user && !isatty(STDIN_FILENO);
}

static int prepare(void *self, struct stage *stage, struct str *error)
{
	struct local *local = self;
	int status;

	local->stage = stage;
	if (host_name(&local->host) < 0)
		return str_add(error, "the host's name is not known"), EX_OSERR;
	if (local->by_hand || is_bare_call(local, stage))
		return run_by_hand(local, stage, error);
	status = read_drops(local, stage, error);
	if (status)
		return status;
	if (!stage_in(stage, 0) && !stage_checking(stage))
		return str_add(error, "where to listen is missing: --in SOCKET; or --deliver, --maildir DIR, … to deliver one message by hand"), EX_USAGE;
	stage_jail(stage)->max_files = FILES_MAX;
	if (stage_checking(stage))
		return 0;
	status = prepare_drops(local, stage, error);
	return status ? status : start_keeper(local, stage, error);
}

static int check(void *self, struct stage *stage, struct str *error)
{
	const struct drop_table *drops = &((struct local *)self)->drops;
	int status = 0;

	for (struct drop *drop = drops->first; drop && !status; drop = drop->next)
		status = drop_at_line(drops, drop, ready_check(drop, stage, error), error);
	return status;
}

static void leave_when_done(struct local *local)
{
	if (local->leaving && !deliver_pending(local->deliver))
		stage_finish(local->stage, EX_OK);
}

static bool turn(void *arg)
{
	struct local *local = arg;
	bool more;

	batch_run(local->batch);
	more = works_run(local->works) || batch_waits(local->batch);
	deliver_flush(local->deliver);
	leave_when_done(local);
	return more;
}

static void take(void *arg, struct deliver_job *job)
{
	struct local *local = arg;

	batch_take(local->batch, job);
}

static void answered(void *arg, const struct deliver_job *job)
{
	const struct local *local = arg;

	deliver_log_outcomes(stage_log(local->stage), job);
}

static void connection_ended(void *arg, struct ctrl_peer peer, struct span stage, const char *why, bool broken)
{
	struct local *local = arg;
	struct log *log = stage_log(local->stage);

	if (broken || log_verbose(log) > 0)
		deliver_log_peer(log, peer, stage, why);
	if (!stage_once(local->stage))
		return;
	local->leaving = true;
	leave_when_done(local);
}

static int start_delivering(struct local *local, struct stage *stage)
{
	static const struct deliver_ops ops = { .deliver = take, .answered = answered, .ended = connection_ended };
	struct drop_host host = { .loop = stage_loop(stage), .keeper = local->keeper, .name = local->host.data, .sync_fs = local->sync_fs };

	if (!local->sync_fs)
		host.syncer = local->syncer = syncer_new();
	local->works = host.works = works_new(host.loop);
	local->deliver = deliver_new(stage_hub(stage), JOBS_CAP, &ops, local);
	local->batch = host.works && local->deliver ? batch_new(&host, &local->drops) : NULL;
	if (!local->batch)
		return -1;
	batch_set_deliver(local->batch, local->deliver);
	if (local->keeper && keeper_attach(local->keeper, host.loop) < 0)
		return -1;
	return loop_turn(host.loop, turn, local);
}

static int start(void *self, struct stage *stage, struct str *error)
{
	struct local *local = self;
	const struct stage_socket *in;

	umask(0);		/* files get the mode that their drop says */
	if (start_delivering(local, stage) < 0)
		return str_add(error, strerror(errno)), EX_OSERR;
	for (size_t i = 0; (in = stage_in(stage, i)); i++)
		if (deliver_listen(local->deliver, in->fd) < 0)
			return str_printf(error, "%s: %s", in->path, strerror(errno)), EX_OSERR;
	return 0;
}

/* Jobs that are here whole are finished and answered; what is still on its way is asked for again. */
static void drain(void *self, struct stage *stage)
{
	struct local *local = self;

	(void)stage;
	deliver_close(local->deliver);
	local->leaving = true;
	turn(local);
}

static const struct stage_option options[] = {
	{ "inbox", 0, "DIR", "without --config: the Maildir of the drop `inbox', below the chroot (default: inbox)" },
	{ "sync", 0, "file|fs", "make each file durable, or with one call all of a file system that is the mailboxes' own (default: file)" },
	{ "deliver", 0, NULL, "by hand: deliver the message on standard input to ~/Maildir if that is there, else to ~/mbox" },
	{ "maildir", 0, "DIR", "by hand: … to this Maildir" },
	{ "mh", 0, "DIR", "by hand: … to this MH folder" },
	{ "mbox", 0, "FILE", "by hand: … to this mbox file" },
	{ "mboxo", 0, NULL, "by hand, with an mbox file: quote as mboxo does (default: mboxrd)" },
	{ "pipe", 0, "COMMAND", "by hand: … to a program; no shell" },
	{ "sender", 0, "ADDRESS", "by hand: the envelope sender (default: SENDER of the environment)" },
	{ "recipient", 0, "ADDRESS", "by hand, repeatable: a recipient (default: RECIPIENT of the environment)" },
	{ NULL, 0, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct stage_program program = {
		.name = "local",
		.synopsis = "deaddrop-local --in SOCKET [--config FILE | --inbox DIR] [OPTION]...\n"
		    "deaddrop-local --deliver | --maildir DIR | --mh DIR | --mbox FILE | --pipe COMMAND\n"
		    "        [--sender ADDRESS] [--recipient ADDRESS]... < MESSAGE\n",
		.summary = "Drops messages into mailboxes of this host: as a stage, or one message by hand.",
		.examples = "deaddrop-local --in local.ctrl --inbox ~/Maildir\n"
		    "deaddrop-local --maildir ~/Maildir < message\n",
		.options = options,
		.needs = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_THREADS,
		.has_in = true,
		.has_config = true,
		.has_once = true,
		.buffer_cap = BUFFER_CAP,
		.create = create,
		.destroy = destroy,
		.option = option,
		.prepare = prepare,
		.check = check,
		.start = start,
		.drain = drain,
	};

	return stage_main(&program, argc, argv);
}
