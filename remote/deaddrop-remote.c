/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-remote: hands messages to smarthosts and LMTP servers. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "byhand.h"
#include "clock.h"
#include "host.h"
#include "intake.h"
#include "options.h"
#include "stage.h"

#define BUFFER_CAP (8U * 1024 * 1024)
#define FILES_MAX 2048
#define HAND_DEADLINE (3600 * CLOCK_SECOND)	/* whoever waits can break it off himself */
#define WARNINGS_MAX 65536
#define NOBODY 65534

struct remote {
	struct stage *stage;
	struct options options;
	struct route_table table;
	struct byhand byhand;
	const char *drop;		/* --drop */
	struct str name;		/* for EHLO; empty: our address */
	struct link_world world;
	struct intake *intake;
	bool leaving;
};

static void *create(void)
{
	struct remote *remote = calloc(1, sizeof *remote);

	if (!remote)
		return NULL;
	remote->name = (struct str)STR_INIT(255);
	remote->byhand.recipients = (struct str)STR_INIT(128U * 1024);
	return remote;
}

/* The keeper's last answers come while it is stopped; they end what connections had asked for. */
static void destroy(void *self)
{
	struct remote *remote = self;

	intake_free(remote->intake);
	keeper_stop(remote->world.keeper);
	route_table_free(&remote->table);
	options_free(&remote->options);
	str_free(&remote->byhand.recipients);
	str_free(&remote->name);
	free(remote);
}

static int option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct remote *remote = self;
	int known = options_set(&remote->options, name, value, error);

	(void)stage;
	if (known)
		return known < 0 ? -1 : 0;
	if (!strcmp(name, "sender"))
		remote->byhand.sender = value;
	else if (!strcmp(name, "drop"))
		remote->drop = value;
	else if (str_append(&remote->byhand.recipients, value, strlen(value) + 1) < 0)
		return str_printf(error, "--recipient: %s", strerror(errno)), -1;
	return 0;
}

/* ---- the start ---- */

static bool is_full_name(struct span name)
{
	return name.len && memchr(name.data, '.', name.len) && !span_starts(name, "localhost");
}

/* As configured, else the host's full name, else (empty) the address; never "localhost". */
static int find_name(struct remote *remote)
{
	const char *given = remote->options.ehlo_name ? remote->options.ehlo_name : remote->table.name;

	if (given)
		return str_add(&remote->name, given);
	if (host_name(&remote->name) < 0)
		return -1;
	if (is_full_name(str_span(&remote->name)))
		return 0;
	str_cut(&remote->name, 0);
	if (host_mail_name(&remote->name) < 0)
		return -1;
	if (!is_full_name(str_span(&remote->name)))
		str_cut(&remote->name, 0);
	return 0;
}

/* With --in it is a stage, even where its one drop is described by options, unless something was said that only one message has. */
static bool is_stage(const struct remote *remote, struct stage *stage)
{
	return stage_in(stage, 0) && !remote->drop && !remote->byhand.sender && !remote->byhand.recipients.len;
}

static void look_at_option(struct exposed *exposed, const char *option, const char *path)
{
	if (path)
		exposed_file(exposed, option, path);
}

static void look_at_options(struct exposed *exposed, const struct route *route)
{
	look_at_option(exposed, "--password-file", route->password_file);
	look_at_option(exposed, "--token-file", route->token_file);
	look_at_option(exposed, route->key ? "--key" : "--certificate", route->key ? route->key : route->certificate);
}

static int read_routes(struct remote *remote, struct stage *stage, struct str *error)
{
	const char *config = stage_config(stage);
	struct route *route = remote->options.route;

	remote->table.exposed = (struct exposed){ stage_jail(stage)->change_user ? stage_jail(stage)->gid : (gid_t)-1, STR_INIT(WARNINGS_MAX) };
	if (config && route)
		return str_add(error, "--config and the options of a server exclude each other"), EX_USAGE;
	if (config)
		return route_table_read(&remote->table, config, error) < 0 ? EX_CONFIG : 0;
	if (!route)
		return str_add(error, "where to send to is missing: --config FILE, --relay HOST or --lmtp PATH"), EX_USAGE;
	look_at_options(&remote->table.exposed, route);
	remote->options.route = NULL;
	remote->table.first = route;
	remote->table.file = strdup("the command line");
	if (!route->deadline)
		route->deadline = is_stage(remote, stage) ? ROUTE_DEADLINE : HAND_DEADLINE;
	return remote->table.file && !route_complete(route, error) ? 0 : EX_USAGE;
}

/* In the keeper, which has no need of TLS's keys. */
static void forget(void *table)
{
	route_table_free(table);
}

/* A keeper that needs nobody's rights has none. */
static int open_routes(struct remote *remote, struct stage *stage, struct str *error)
{
	const struct jail *jail = stage_jail(stage);
	uid_t uid = jail->change_user ? jail->uid : geteuid();
	gid_t gid = jail->change_user ? jail->gid : getegid();
	struct keeper_list *list = keeper_list_new();
	int status = list ? 0 : EX_OSERR;

	for (struct route *route = remote->table.first; route && !status; route = route->next)
		if (route_open(route, list, uid, gid, error) < 0)
			status = EX_CONFIG;
	if (!status && !keeper_list_empty(list)) {
		keeper_set_sandbox(list, stage_sandbox(stage)->mode);
		keeper_set_forget(list, forget, &remote->table);
		remote->world.keeper = keeper_start(list, uid == 0 ? NOBODY : uid, uid == 0 ? NOBODY : gid, error);
		status = remote->world.keeper ? 0 : EX_OSERR;
	}
	keeper_list_free(list);
	return status;
}

static int attach(struct remote *remote, struct loop *loop, struct log *log, struct str *error)
{
	remote->world.loop = loop;
	remote->world.log = log;
	remote->world.name = remote->name.len ? remote->name.data : NULL;
	if (!remote->world.keeper || !keeper_attach(remote->world.keeper, loop))
		return 0;
	(void)str_printf(error, "keeper: %s", strerror(errno));
	return -1;
}

/* ---- by hand ---- */

static int find_drop(const struct remote *remote, const struct route **route, struct str *error)
{
	*route = remote->drop ? route_find(&remote->table, span_of(remote->drop)) : remote->table.first;
	if (*route)
		return 0;
	(void)str_printf(error, "--drop %.100s: there is no such drop in %s", remote->drop ? remote->drop : "", remote->table.file);
	return EX_USAGE;
}

/* A loop of its own: the stage's comes with the jail, which a run by hand has no need of. */
static int with_loop(struct remote *remote, struct str *error, int (*run)(struct remote *remote, struct str *error))
{
	struct loop *loop = loop_new();
	int status = EX_OSERR;

	if (!loop)
		return str_add(error, strerror(errno)), EX_OSERR;
	if (!attach(remote, loop, stage_log(remote->stage), error))
		status = run(remote, error);
	keeper_stop(remote->world.keeper);
	remote->world.keeper = NULL;
	loop_free(loop);
	return status;
}

static int send_one(struct remote *remote, struct str *error)
{
	const struct route *route;
	int status = find_drop(remote, &route, error);

	return status ? status : byhand_run(&remote->byhand, route, &remote->world, error);
}

/* As the delivery program of another mail system, which says in the environment what no option said. */
static int run_by_hand(struct remote *remote, struct stage *stage, struct str *error)
{
	const char *recipient = getenv("RECIPIENT");
	int status;

	if (stage_jail(stage)->root || stage_jail(stage)->change_user || stage_in(stage, 0))
		return str_add(error, "a run by hand works as who calls it: without --in, --chroot and --user; and a stage without --drop, --sender and --recipient"), EX_USAGE;
	if (!remote->byhand.sender)
		remote->byhand.sender = getenv("SENDER");
	if (!remote->byhand.recipients.len && recipient && *recipient && str_append(&remote->byhand.recipients, recipient, strlen(recipient) + 1) < 0)
		return str_add(error, strerror(errno)), EX_TEMPFAIL;
	status = with_loop(remote, error, send_one);
	if (!status)
		stage_exit_now(stage, EX_OK);
	return status;
}

static int prepare(void *self, struct stage *stage, struct str *error)
{
	struct remote *remote = self;
	bool byhand = (remote->drop || remote->options.route) && !is_stage(remote, stage);
	int status;

	remote->stage = stage;
	status = read_routes(remote, stage, error);
	stage_warn(stage, str_span(&remote->table.exposed.lines));
	if (!status && find_name(remote) < 0)
		status = EX_OSERR;
	if (!status)
		status = open_routes(remote, stage, error);
	if (status || stage_checking(stage))
		return status;
	if (byhand)
		return run_by_hand(remote, stage, error);
	if (!stage_in(stage, 0))
		return str_add(error, "where to listen is missing: --in SOCKET; or --drop NAME to send one message by hand"), EX_USAGE;
	stage_jail(stage)->max_files = FILES_MAX;
	return 0;
}

static int check_all(struct remote *remote, struct str *error)
{
	int status = 0, one;

	for (const struct route *route = remote->table.first; route; route = route->next) {
		if (remote->drop && strcmp(remote->drop, route->name))
			continue;
		one = byhand_check(route, &remote->world, error);
		status = status ? status : one;
	}
	return status;
}

static int check(void *self, struct stage *stage, struct str *error)
{
	(void)stage;
	return with_loop(self, error, check_all);
}

/* ---- the stage ---- */

static void on_idle(void *arg)
{
	struct remote *remote = arg;
	bool alone = !intake_connections(remote->intake);

	if ((remote->leaving || (alone && stage_once(remote->stage))) && !intake_pending(remote->intake))
		stage_finish(remote->stage, EX_OK);
}

static bool turn(void *arg)
{
	struct remote *remote = arg;

	intake_flush(remote->intake);
	return false;
}

static int start(void *self, struct stage *stage, struct str *error)
{
	struct remote *remote = self;
	const struct stage_socket *in;

	if (attach(remote, stage_loop(stage), stage_log(stage), error) < 0)
		return EX_OSERR;
	remote->intake = intake_new(stage_hub(stage), &remote->world, &remote->table, on_idle, remote);
	if (!remote->intake)
		return str_add(error, strerror(ENOMEM)), EX_OSERR;
	for (size_t i = 0; (in = stage_in(stage, i)); i++)
		if (intake_listen(remote->intake, in->fd) < 0)
			return str_printf(error, "%s: %s", in->path, strerror(errno)), EX_OSERR;
	if (loop_turn(stage_loop(stage), turn, remote) < 0)
		return str_add(error, strerror(errno)), EX_OSERR;
	return 0;
}

/* Messages under way are finished and answered; the others are answered later. */
static void drain(void *self, struct stage *stage)
{
	struct remote *remote = self;

	(void)stage;
	remote->leaving = true;
	intake_drain(remote->intake);
	turn(remote);
	on_idle(remote);
}

int main(int argc, char **argv)
{
	static const struct stage_program program = {
		.name = "remote",
		.synopsis = "deaddrop-remote --in SOCKET --config FILE | --relay HOST[:PORT] | --lmtp PATH|HOST:PORT [OPTION]...\n"
		    "deaddrop-remote --relay HOST[:PORT] --sender ADDRESS --recipient ADDRESS [OPTION]... < MESSAGE\n"
		    "deaddrop-remote --lmtp PATH|HOST:PORT --sender ADDRESS --recipient ADDRESS [OPTION]... < MESSAGE\n"
		    "deaddrop-remote --check --config FILE | --relay HOST | --lmtp PATH [OPTION]...\n",
		.summary = "Hands messages to smarthosts by SMTP and to mailbox servers by LMTP: as a stage, or one message by hand.",
		.examples = "deaddrop-remote --lmtp /run/dovecot/lmtp --sender a@example.org --recipient frank < message\n"
		    "deaddrop-remote --check --relay smtp.example.net --login frank --password-file relay.pw -vv\n",
		.options = options_table,
		.needs = SANDBOX_UNIX | SANDBOX_INET,
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
