/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "open.h"
#include "server.h"
#include "session.h"

#define QUEUE_SOCKET "/var/spool/deaddrop/public/queue.ctrl"
#define SPARE_FILES 64U			/* descriptors beside clients and connections to queue */
#define ITERATIONS 4096U
#define CALLER_MAX 64

struct serve {
	struct config config;
	struct server server;
	struct open_doors doors;
	struct stage *stage;
	const char *bind, *port;
	const char *name;
	bool stdio, caller, verifier;
	bool single;			/* one client, and then the end */
	char who[CALLER_MAX];
};

void *serve_create(void)
{
	struct serve *serve = calloc(1, sizeof *serve);

	if (!serve)
		return NULL;
	open_init(&serve->doors);
	if (!config_init(&serve->config))
		return serve;
	free(serve);
	return NULL;
}

void serve_destroy(void *self)
{
	struct serve *serve = self;

	if (!serve)
		return;
	server_end(&serve->server);
	handover_free(serve->server.handover);
	if (serve->server.keeper)
		keeper_stop(serve->server.keeper);
	open_close(&serve->doors);
	config_free(&serve->config);
	free(serve);
}

/* ---- options ---- */

static int take_listen(struct serve *serve, const char *path, struct str *error)
{
	struct config_listen *listen = config_add_listen(&serve->config);

	if (listen)
		listen->path = strdup(path);
	if (listen && listen->path)
		return 0;
	(void)str_printf(error, "--listen %s: %s", path, strerror(errno));
	return -1;
}

static int take_number(struct serve *serve, const char *name, const char *value, struct str *error)
{
	bool good = true;

	if (!strcmp(name, "size"))
		good = !conf_bytes_text(value, &serve->config.engine.size);
	else if (!strcmp(name, "wait"))
		good = !conf_duration_text(value, &serve->config.wait);
	else if (!strcmp(name, "timeout"))
		good = !conf_duration_text(value, &serve->config.timeout) && serve->config.timeout;
	else if (!strcmp(name, "listen-mode"))
		good = serve->config.listen_count && !conf_mode_text(value, &serve->config.listen[serve->config.listen_count - 1].mode);
	if (!good)
		(void)str_printf(error, "--%s %s: this is no value for it%s", name, value, strcmp(name, "listen-mode") ? "" : ", or no --listen stands before it");
	return good ? 0 : -1;
}

int serve_option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct serve *serve = self;
	const struct { const char *name; const char **text; bool *flag; } simple[] = {
		{ "bind", &serve->bind, NULL }, { "port", &serve->port, NULL }, { "name", &serve->name, NULL },
		{ "stdio", NULL, &serve->stdio }, { "lmtp", NULL, &serve->config.engine.lmtp }, { "verifier", NULL, &serve->verifier },
	};

	(void)stage;
	for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++) {
		if (strcmp(name, simple[i].name))
			continue;
		if (simple[i].flag)
			*simple[i].flag = true;
		else
			*simple[i].text = value;
		return 0;
	}
	if (!strcmp(name, "listen"))
		return take_listen(serve, value, error);
	if (strcmp(name, "mode"))
		return take_number(serve, name, value, error);
	if (strcmp(value, "s")) {
		(void)str_printf(error, "-b%s: only -bs is known here", value);
		return -1;
	}
	serve->stdio = serve->caller = true;
	return 0;
}

/* ---- what is done as root ---- */

int serve_told(void *self, struct stage *stage, struct descriptors *told, struct str *error)
{
	(void)stage;
	(void)error;
	if (!((struct serve *)self)->stdio)
		open_told(told);
	return 0;
}

static int print_verifier(struct stage *stage, struct str *error)
{
	struct str password = STR_SECRET(SASL_SECRET_MAX + 1), out = STR_INIT(1000);
	char bytes[256];
	ssize_t n;
	int status = EX_DATAERR;

	while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0 && !str_append(&password, bytes, (size_t)n))
		;
	while (password.len && (password.data[password.len - 1] == '\n' || password.data[password.len - 1] == '\r'))
		str_cut(&password, password.len - 1);
	if (n || !password.len)
		(void)str_add(error, "a password is expected on standard input");
	else if (!sasl_verifier(&out, sasl_find(span_of("SCRAM-SHA-256")), str_span(&password), span_of(""), ITERATIONS, error))
		status = printf("%s\n", out.data) < 0 || fflush(stdout) ? EX_IOERR : 0;
	explicit_bzero(bytes, sizeof bytes);
	str_free(&password);
	str_free(&out);
	if (!status)
		stage_exit_now(stage, 0);
	return status;
}

/* Bind and port as options: instead of the loopback that is there without them. */
static int add_bind(struct serve *serve, struct str *error)
{
	struct config_listen *listen;
	uint64_t port = 25;

	if (!serve->bind && !serve->port && serve->config.listen_count)
		return 0;
	if (serve->port && (span_decimal(span_of(serve->port), 65535, &port) || !port)) {
		(void)str_printf(error, "--port %s: is no port", serve->port);
		return EX_USAGE;
	}
	listen = config_add_listen(&serve->config);
	if (!listen || !(listen->address = strdup(serve->bind ? serve->bind : "127.0.0.1"))) {
		(void)str_printf(error, "--bind: %s", strerror(errno));
		return EX_OSERR;
	}
	listen->port = (unsigned)port;
	return 0;
}

static int open_doors(struct serve *serve, struct stage *stage, struct str *error)
{
	int status;

	if (stage_checking(stage))
		return 0;
	if (serve->stdio)
		return open_standard(&serve->doors, error);
	status = open_inherited(&serve->doors, error);
	if (status || serve->doors.count || serve->doors.in >= 0)
		return status;
	status = add_bind(serve, error);
	return status ? status : open_configured(&serve->doors, &serve->config, error);
}

/* In the keeper, which has no need of TLS's key and of logins. */
static void forget(void *config)
{
	config_free(config);
}

/* The names of clients come from outside of the jail. */
static int start_keeper(struct serve *serve, struct stage *stage, struct str *error)
{
	const struct jail *jail = stage_jail(stage);
	struct keeper_list *list;

	if (stage_checking(stage) || !(serve->config.fcrdns || rules_need_names(serve->config.rules)))
		return 0;
	list = keeper_list_new();
	if (list && !keeper_allow_names(list)) {
		keeper_set_sandbox(list, stage_sandbox(stage)->mode);
		keeper_set_forget(list, forget, &serve->config);
		serve->server.keeper = keeper_start(list, jail->change_user ? jail->uid : getuid(), jail->change_user ? jail->gid : getgid(), error);
	}
	keeper_list_free(list);
	return serve->server.keeper ? 0 : EX_OSERR;
}

static void find_caller(struct serve *serve)
{
	const struct passwd *entry = serve->caller ? getpwuid(getuid()) : NULL;

	if (entry && strlen(entry->pw_name) < sizeof serve->who)
		memcpy(serve->who, entry->pw_name, strlen(entry->pw_name) + 1);
	else
		(void)snprintf(serve->who, sizeof serve->who, "uid-%lu", (unsigned long)getuid());
}

/* What an ordinary user is not given cannot be demanded: fewer clients then. */
static void limit_files(struct serve *serve, struct jail *jail)
{
	const uint64_t beside = HANDOVER_STREAMS + SPARE_FILES;
	struct rlimit limit;

	jail->max_files = serve->config.connections + beside;
	if (!geteuid() || getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= jail->max_files)
		return;
	jail->max_files = limit.rlim_max;
	serve->config.connections = limit.rlim_max > 2 * beside ? (unsigned)(limit.rlim_max - beside) : 1;
}

int serve_prepare(void *self, struct stage *stage, struct str *error)
{
	struct serve *serve = self;
	struct config *config = &serve->config;
	int status = 0;

	if (serve->verifier)
		return print_verifier(stage, error);
	if (serve->name && str_set(&config->name, span_of(serve->name))) {
		(void)str_printf(error, "--name %s: is too long", serve->name);
		return EX_USAGE;
	}
	find_caller(serve);
	if (stage_jail(stage)->change_user)
		config->exposed.group = stage_jail(stage)->gid;
	if (stage_config(stage))
		status = config_load(config, stage_config(stage), error);
	if (!status)
		stage_warn(stage, str_span(&config->exposed.lines));
	if (!status && serve->name)
		(void)str_set(&config->name, span_of(serve->name));
	if (!status)
		status = config_finish(config, error);
	if (!status)
		status = open_doors(serve, stage, error);
	if (!status)
		status = start_keeper(serve, stage, error);
	limit_files(serve, stage_jail(stage));
	return status;
}

int serve_check(void *self, struct stage *stage, struct str *error)
{
	struct serve *serve = self;
	int64_t expires;

	(void)stage;
	return serve->config.tls && tls_context_check(serve->config.tls, true, &expires, error) ? EX_CONFIG : 0;
}

/* ---- the run ---- */

static bool turn(void *arg)
{
	struct serve *serve = arg;
	bool leaving = serve->single || serve->server.draining;

	if (leaving && !serve->server.count && !handover_count(serve->server.handover))
		stage_finish(serve->stage, 0);
	return false;
}

static int take_client(struct serve *serve)
{
	int in = serve->doors.in, out = serve->doors.out;

	serve->single = true;
	serve->doors.in = serve->doors.out = -1;
	/* behind pipes that nobody says otherwise of is who started us */
	if (in != out && serve->doors.peer.local)
		serve->caller = true;
	return session_new(&serve->server, in, out, &serve->doors.peer, serve->caller ? serve->who : NULL);
}

static int begin(struct serve *serve, struct stage *stage)
{
	struct server *server = &serve->server;

	server->config = &serve->config;
	server->loop = stage_loop(stage);
	server->log = stage_log(stage);
	server->handover = handover_new(&(struct handover_setup){
		.loop = server->loop,
		.hub = stage_hub(stage),
		.log = server->log,
		.path = stage_out(stage, 0) ? stage_out(stage, 0) : QUEUE_SOCKET,
		.wait = serve->config.wait,
		.buffer = serve->config.buffer,
	});
	if (!server->handover || loop_turn(server->loop, turn, serve) || (server->keeper && keeper_attach(server->keeper, server->loop)))
		return -1;
	for (size_t i = 0; i < serve->doors.count; i++)
		if (server_listen(server, serve->doors.fds[i]))
			return -1;
	return serve->doors.in >= 0 ? take_client(serve) : 0;
}

int serve_start(void *self, struct stage *stage, struct str *error)
{
	struct serve *serve = self;

	serve->stage = stage;
	if (!begin(serve, stage))
		return 0;
	(void)str_printf(error, "start: %s", strerror(errno));
	return EX_OSERR;
}

void serve_drain(void *self, struct stage *stage)
{
	struct serve *serve = self;

	(void)stage;
	server_drain(&serve->server);
}
