/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-local: drops messages into mailboxes of this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "byhand.h"
#include "host.h"
#include "intake.h"
#include "stage.h"

#define BUFFER_CAP (8U * 1024 * 1024)
#define FILES_MAX 2048			/* 256 files of a batch, 192 directories, what came with jobs: 64 a connection at most wait */

struct local {
	struct stage *stage;
	const char *inbox;		/* --inbox, or NULL */
	struct byhand byhand;
	struct drop_table drops;
	struct str host;
	struct intake *intake;
	struct batch *batch;
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

static void destroy(void *self)
{
	struct local *local = self;

	batch_free(local->batch);
	intake_free(local->intake);
	drop_free(&local->drops);
	str_free(&local->byhand.recipients);
	str_free(&local->host);
	free(local);
}

static int option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct local *local = self;

	(void)stage;
	if (!strcmp(name, "inbox"))
		local->inbox = value;
	else if (!strcmp(name, "maildir"))
		local->byhand.maildir = value;
	else if (!strcmp(name, "sender"))
		local->byhand.sender = value;
	else if (str_append(&local->byhand.recipients, value, strlen(value) + 1) < 0)
		return str_printf(error, "--recipient: %s", strerror(errno)), -1;
	return 0;
}

/* As the delivery program of another mail system, which says in the environment what no option said. */
static int run_by_hand(struct local *local, struct stage *stage, struct str *error)
{
	const char *recipient = getenv("RECIPIENT");
	int status;

	if (stage_jail(stage)->root || stage_jail(stage)->change_user || stage_in(stage, 0) || stage_config(stage))
		return str_add(error, "--maildir works as who calls it and alone: without --in, --config, --chroot and --user"), EX_USAGE;
	if (!local->byhand.sender)
		local->byhand.sender = getenv("SENDER");
	if (!local->byhand.recipients.len && recipient && *recipient && str_append(&local->byhand.recipients, recipient, strlen(recipient) + 1) < 0)
		return str_add(error, strerror(errno)), EX_TEMPFAIL;
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
	return drop_add_maildir(&local->drops, "inbox", local->inbox ? local->inbox : "inbox", DROP_MODE, error) < 0 ? EX_CONFIG : 0;
}

/* The stage must be a member of a drop's group to give files to it. */
static int join_group(struct jail *jail, const struct drop *drop, struct str *error)
{
	if (!jail->change_user || !drop->has_group || drop->group == jail->gid)
		return 0;
	for (size_t i = 0; i < jail->group_count; i++)
		if (jail->groups[i] == drop->group)
			return 0;
	if (jail->group_count == sizeof jail->groups / sizeof jail->groups[0]) {
		str_printf(error, "drop %s: too many groups", drop->name);
		return -1;
	}
	jail->groups[jail->group_count++] = drop->group;
	return 0;
}

static int allow_root(struct sandbox *box, const struct drop *drop, struct str *error)
{
	for (size_t i = 0; i < box->path_count; i++)
		if (!strcmp(box->paths[i].path, drop->inside))
			return 0;
	if (!sandbox_allow(box, drop->inside, SANDBOX_READ | SANDBOX_WRITE))
		return 0;
	str_printf(error, "drop %s: more than %d paths; put several drops below one", drop->name, SANDBOX_PATHS_MAX);
	return -1;
}

static int prepare_drops(struct local *local, struct stage *stage, struct str *error)
{
	struct jail *jail = stage_jail(stage);
	struct drop_owner owner = { (uid_t)-1, (gid_t)-1 };

	if (jail->change_user)
		owner = (struct drop_owner){ jail->uid, jail->gid };
	for (const struct drop *drop = local->drops.first; drop; drop = drop->next) {
		if (join_group(jail, drop, error) < 0 || allow_root(stage_sandbox(stage), drop, error) < 0)
			return EX_CONFIG;
		if (drop->kind->prepare(drop, &owner, error) < 0)
			return EX_CANTCREAT;
	}
	return 0;
}

static int prepare(void *self, struct stage *stage, struct str *error)
{
	struct local *local = self;
	int status;

	local->stage = stage;
	if (host_name(&local->host) < 0)
		return str_add(error, "the host's name is not known"), EX_OSERR;
	if (local->byhand.maildir)
		return run_by_hand(local, stage, error);
	status = read_drops(local, stage, error);
	if (status)
		return status;
	if (!stage_in(stage, 0) && !stage_checking(stage))
		return str_add(error, "where to listen is missing: --in SOCKET; or --maildir DIR to deliver one message by hand"), EX_USAGE;
	stage_jail(stage)->max_files = FILES_MAX;
	return stage_checking(stage) ? 0 : prepare_drops(local, stage, error);
}

static int check(void *self, struct stage *stage, struct str *error)
{
	struct local *local = self;

	(void)stage;
	for (const struct drop *drop = local->drops.first; drop; drop = drop->next)
		if (drop->kind->check(drop, error) < 0)
			return EX_CONFIG;
	return 0;
}

static void leave_when_done(struct local *local)
{
	if (local->leaving && !batch_pending(local->batch))
		stage_finish(local->stage, EX_OK);
}

static bool turn(void *arg)
{
	struct local *local = arg;

	batch_run(local->batch);
	intake_flush(local->intake);
	leave_when_done(local);
	return false;
}

static void connection_ended(void *arg)
{
	struct local *local = arg;

	if (!stage_once(local->stage))
		return;
	local->leaving = true;
	leave_when_done(local);
}

static int start(void *self, struct stage *stage, struct str *error)
{
	struct local *local = self;
	const struct stage_socket *in;

	umask(0);		/* files get the mode that their drop says */
	local->intake = intake_new(stage_hub(stage), stage_log(stage), &local->drops, connection_ended, local);
	if (local->intake)
		local->batch = batch_new(stage_loop(stage), stage_log(stage), local->host.data, intake_answer, local->intake);
	if (!local->batch)
		return str_add(error, strerror(ENOMEM)), EX_OSERR;
	intake_set_batch(local->intake, local->batch);
	for (size_t i = 0; (in = stage_in(stage, i)); i++)
		if (intake_listen(local->intake, in->fd) < 0)
			return str_printf(error, "%s: %s", in->path, strerror(errno)), EX_OSERR;
	if (loop_turn(stage_loop(stage), turn, local) < 0)
		return str_add(error, strerror(errno)), EX_OSERR;
	return 0;
}

/* Jobs that are here whole are finished and answered; what is still on its way is asked for again. */
static void drain(void *self, struct stage *stage)
{
	struct local *local = self;

	(void)stage;
	intake_close(local->intake);
	local->leaving = true;
	turn(local);
}

static const struct stage_option options[] = {
	{ "inbox", 0, "DIR", "without --config: the Maildir of the drop `inbox', below the chroot (default: inbox)" },
	{ "maildir", 0, "DIR", "by hand: deliver the message on standard input to this Maildir" },
	{ "sender", 0, "ADDRESS", "by hand: the envelope sender (default: SENDER of the environment)" },
	{ "recipient", 0, "ADDRESS", "by hand, repeatable: a recipient (default: RECIPIENT of the environment)" },
	{ NULL, 0, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct stage_program program = {
		.name = "local",
		.synopsis = "deaddrop-local --in SOCKET [--config FILE | --inbox DIR] [OPTION]...\n"
		    "deaddrop-local --maildir DIR [--sender ADDRESS] [--recipient ADDRESS]... < MESSAGE\n",
		.summary = "Drops messages into mailboxes of this host: as a stage, or one message by hand.",
		.examples = "deaddrop-local --in local.ctrl --inbox ~/Maildir\n"
		    "deaddrop-local --maildir ~/Maildir < message\n",
		.options = options,
		.needs = SANDBOX_FILES | SANDBOX_UNIX,
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
