/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pipe.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jail.h"
#include "mbox_render.h"
#include "process.h"
#include "runs.h"
#include "trace.h"

/* ---- what is given to a program ---- */

static int put_before(struct str *out, const struct deliver_job *job, size_t n, bool from)
{
	if (from && (mbox_render_from(out, job) < 0 || str_add_char(out, '\n') < 0))
		return -1;
	return trace_put_one(out, job, n);
}

/* What a program finds where the drop names no user: ours. */
static struct process *start(const struct runs *runs, struct deliver_job *job, size_t n, process_fn *fn, void *arg)
{
	const struct drop *drop = drop_of(job);
	const struct pipe_options *options = drop->pipe;
	struct str before = STR_INIT(2 * ENVELOPE_BYTES), local = STR_INIT(ENVELOPE_BYTES);
	struct pipe_environment env;
	struct process *process = NULL;
	struct process_start want = {
		.loop = runs->host->loop, .keeper = runs->host->keeper, .index = drop->index, .before = &before, .job = job,
		.time = options && options->time ? options->time : PIPE_TIME, .output = options && options->output ? options->output : PIPE_OUTPUT,
	};
	int error = ENOMEM;

	if (!pipe_set_environment(&env, job, n, !drop->as_recipient)) {
		if (!runs_local(&local, job, n) && !put_before(&before, job, n, options && options->from)) {
			want.user = drop->as_recipient ? local.data : NULL;
			want.env = env.vector;
			process = process_new(&want, fn, arg);
		}
		error = errno;
		pipe_free_environment(&env);
	}
	str_free(&before);
	str_free(&local);
	errno = error;
	return process;
}

static void read_end(const struct process_end *end, struct outcome *outcome)
{
	pipe_outcome(end->status, end->line, outcome);
}

static size_t at_once(const struct drop *drop)
{
	return drop->pipe && drop->pipe->at_once ? (size_t)drop->pipe->at_once : PIPE_AT_ONCE;
}

static void *pipe_open(const struct drop_host *host)
{
	static const struct runs_ops ops = { .start = start, .end = read_end, .at_once = at_once };

	return runs_open(host, &ops);
}

/* ---- the command ---- */

static int add_word(char **argv, size_t *count, const char *text)
{
	argv[*count] = strdup(text);
	return argv[*count] ? (int)++*count : -1;
}

/* Words as in a configuration file: one line of it. */
static int split(const struct drop *drop, char **argv, size_t most, struct str *error)
{
	struct str why = STR_INIT(1024);
	struct conf *conf = conf_parse("command", span_of(drop->path), &why);
	const struct conf_node *line = conf ? conf->first : NULL;
	size_t count = 0;
	int result = line && !line->next && !line->group && line->count < most && *line->words[0].raw == '/' ? 0 : -1;

	for (size_t i = 0; !result && i < line->count; i++)
		if (add_word(argv, &count, line->words[i].kind == CONF_PLAIN ? line->words[i].text : line->words[i].raw) < 0)
			result = -1;
	if (result < 0)
		str_printf(error, "drop %s: a program's absolute path and its arguments were expected, not %s", drop->name, drop->path);
	conf_free(conf);
	str_free(&why);
	return result;
}

static int set(char **env, size_t *count, const char *name, const char *value)
{
	struct str text = STR_INIT(8192);

	if (!value || str_printf(&text, "%s=%s", name, value) < 0)
		return value ? -1 : 0;
	env[(*count)++] = text.data;
	return 0;
}

/* By hand the caller is the user, and knows more of her than the database. */
static int set_environment(const struct pipe_options *options, char **env)
{
	const char *user = options && options->user_name ? options->user_name : getenv("USER");
	size_t count = 0;

	if (set(env, &count, "PATH", "/usr/local/bin:/usr/bin:/bin") < 0)
		return -1;
	if (set(env, &count, "SHELL", options && options->shell ? options->shell : getenv("SHELL")) < 0)
		return -1;
	if (set(env, &count, "HOME", options && options->home ? options->home : getenv("HOME")) < 0)
		return -1;
	return set(env, &count, "LOGNAME", user) < 0 ? -1 : set(env, &count, "USER", user);
}

static void free_vector(char **vector)
{
	for (; *vector; vector++)
		free(*vector);
}

const char *pipe_directory(const struct drop *drop)
{
	const struct pipe_options *options = drop->pipe;

	return options && options->directory ? options->directory : options && options->has_user ? options->home : NULL;
}

static int add_to_list(struct drop *drop, struct keeper_list *list, char **argv, char **env)
{
	const struct pipe_options *options = drop->pipe;
	bool has_user = options && options->has_user;
	struct keeper_recipient command = {
		.command = {
			.argv = argv, .env = env, .env_names = (char *const *)(uintptr_t)pipe_names,
			.uid = has_user ? options->uid : geteuid(), .gid = has_user ? options->gid : getegid(), .directory = pipe_directory(drop),
			.max_memory = options && options->memory ? options->memory : PIPE_MEMORY,
		},
		.least_uid = drop->least_uid,
	};

	drop->index = drop->as_recipient ? keeper_add_recipient(list, &command) : keeper_add_command(list, &command.command);
	return drop->index < 0 ? -1 : 0;
}

static int pipe_list(struct drop *drop, struct keeper_list *list, struct str *error)
{
	char *argv[64] = { NULL }, *env[8] = { NULL };
	int result = split(drop, argv, 63, error);

	if (!result && (set_environment(drop->pipe, env) < 0 || add_to_list(drop, list, argv, env) < 0)) {
		str_printf(error, "drop %s: %s", drop->name, strerror(errno));
		result = -1;
	}
	free_vector(argv);
	free_vector(env);
	return result;
}

static int pipe_check(const struct drop *drop, struct str *error)
{
	const char *directory = pipe_directory(drop);
	char *argv[64] = { NULL };
	int result = split(drop, argv, 63, error);

	if (!result && directory && access(directory, X_OK) < 0) {
		str_printf(error, "drop %s: the working directory %s: %s; name another with \"directory\"", drop->name, directory, strerror(errno));
		result = -1;
	}
	if (!result && access(argv[0], X_OK) < 0) {
		str_printf(error, "drop %s: %s: %s", drop->name, argv[0], strerror(errno));
		result = -1;
	}
	free_vector(argv);
	return result;
}

/* ---- options ---- */

void pipe_free_options(struct pipe_options *options)
{
	if (!options)
		return;
	free(options->user_name);
	free(options->home);
	free(options->shell);
	free(options->directory);
	free(options);
}

static struct pipe_options *options_of(struct drop *drop)
{
	if (!drop->pipe)
		drop->pipe = calloc(1, sizeof *drop->pipe);
	return drop->pipe;
}

static int no_memory(const struct conf_node *node, struct str *error)
{
	return conf_error(node, error, "%s", strerror(ENOMEM));
}

static int replace(char **string, const char *with)
{
	free(*string);
	*string = strdup(with);
	return *string ? 0 : -1;
}

static int parse_user(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);
	struct jail jail = { .root = NULL };
	struct str why = STR_INIT(1024);
	const struct passwd *user;

	if (!options)
		return no_memory(node, error);
	if (jail_parse_user(&jail, value->text, &why) < 0) {
		conf_error(node, error, "user: %s", why.data);
		str_free(&why);
		return -1;
	}
	options->has_user = true;
	options->uid = jail.uid;
	options->gid = jail.gid;
	user = getpwuid(jail.uid);
	if (user && (replace(&options->user_name, user->pw_name) < 0 || replace(&options->home, *user->pw_dir == '/' ? user->pw_dir : "/") < 0 ||
	    replace(&options->shell, *user->pw_shell == '/' ? user->pw_shell : "/bin/sh") < 0))
		return no_memory(node, error);
	return 0;
}

static int parse_directory(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);

	if (*value->raw != '/')
		return conf_error(node, error, "directory: an absolute path was expected");
	return options && !replace(&options->directory, value->raw) ? 0 : no_memory(node, error);
}

static int parse_timeout(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);

	if (!options)
		return no_memory(node, error);
	if (conf_duration(value, &options->time) < 0 || !options->time || options->time > 24 * 3600 * CLOCK_SECOND)
		return conf_error(node, error, "timeout: one up to a day was expected, like 60 or 5m");
	return 0;
}

static int parse_output(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);

	if (!options)
		return no_memory(node, error);
	return conf_bytes(value, &options->output) < 0 || !options->output ? conf_error(node, error, "output: bytes were expected, like 1M") : 0;
}

static int parse_memory(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);

	if (!options)
		return no_memory(node, error);
	return conf_bytes(value, &options->memory) < 0 || !options->memory ? conf_error(node, error, "memory: bytes were expected, like 256M") : 0;
}

static int parse_at_once(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);

	if (!options)
		return no_memory(node, error);
	return conf_number(value, RUNS_MAX, &options->at_once) < 0 || !options->at_once ?
	    conf_error(node, error, "at-once: a number from 1 to %d was expected", RUNS_MAX) : 0;
}

static int parse_from(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error)
{
	struct pipe_options *options = options_of(drop);

	if (!options)
		return no_memory(node, error);
	return conf_bool(value, &options->from) < 0 ? conf_error(node, error, "from: yes or no was expected") : 0;
}

static const struct drop_option options[] = {
	{ "user", parse_user },
	{ "directory", parse_directory },
	{ "timeout", parse_timeout },
	{ "output", parse_output },
	{ "memory", parse_memory },
	{ "at-once", parse_at_once },
	{ "from", parse_from },
	{ "as", drop_parse_as },
	{ "least-uid", drop_parse_least_uid },
	{ NULL, NULL },
};

const struct drop_kind pipe_kind = {
	.name = "pipe",
	.place = DROP_COMMAND,
	.rereads = true,
	.options = options,
	.check = pipe_check,
	.list = pipe_list,
	.open = pipe_open,
	.close = runs_close,
	.deliver = runs_deliver,
};
