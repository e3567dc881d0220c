/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line: one table of the common options, one of the stage's own, and --help made from both. */
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "conf.h"
#include "stage_internal.h"
#include "version.h"

struct common {
	struct stage_option option;
	bool (*applies)(const struct stage_program *program);	/* NULL: always */
	int (*set)(struct stage *stage, const char *value);
};

static bool has_in(const struct stage_program *p) { return p->has_in; }
static bool has_out(const struct stage_program *p) { return p->has_out; }
static bool has_config(const struct stage_program *p) { return p->has_config; }
static bool has_once(const struct stage_program *p) { return p->has_once; }

/* stage->error := the text; returns -1. */
static int
refuse(struct stage *stage, const char *option, const char *text, const char *value)
{
	str_cut(&stage->error, 0);
	str_printf(&stage->error, "%s%s%s%.200s", option, text[0] != 0 && option[0] != 0 ? ": " : "", text, value);
	return -1;
}

static int
add_in(struct stage *stage, const char *path, bool trusted)
{
	if (stage->in_count == STAGE_IN_MAX)
		return refuse(stage, "--in", "too many sockets", "");
	stage->in[stage->in_count++] = (struct stage_socket){ .path = path, .mode = stage->in_mode, .group = stage->in_group,
	    .trusted = trusted, .fd = -1, .lock_fd = -1 };
	return 0;
}

static int set_in(struct stage *stage, const char *value) { return add_in(stage, value, false); }
static int set_in_trust(struct stage *stage, const char *value) { return add_in(stage, value, true); }

static int
set_in_mode(struct stage *stage, const char *value)
{
	mode_t mode;
	if (conf_mode_text(value, &mode) != 0 || mode > 0777)
		return refuse(stage, "--in-mode", "expected an octal mode like 0660, not ", value);
	stage->in_mode = mode;
	return 0;
}

static int
set_in_group(struct stage *stage, const char *value)
{
	uint64_t number;
	const struct group *group = getgrnam(value);
	if (group != NULL)
		stage->in_group = group->gr_gid;
	else if (span_decimal(span_of(value), UINT_MAX - 1, &number) == 0)
		stage->in_group = (gid_t)number;
	else
		return refuse(stage, "--in-group", "there is no such group: ", value);
	return 0;
}

static int
set_out(struct stage *stage, const char *value)
{
	if (stage->out_count == STAGE_OUT_MAX)
		return refuse(stage, "--out", "too many sockets", "");
	stage->out[stage->out_count++] = value;
	return 0;
}

static int set_config(struct stage *stage, const char *value) { stage->config = value; return 0; }

static int
set_chroot(struct stage *stage, const char *value)
{
	if (value[0] != '/')
		return refuse(stage, "--chroot", "expected an absolute path, not ", value);
	stage->jail.root = value;
	return 0;
}

static int
set_user(struct stage *stage, const char *value)
{
	stage->user = value;
	return jail_parse_user(&stage->jail, value, &stage->error);
}

static int set_check(struct stage *stage, const char *value) { (void)value; stage->check = true; return 0; }
static int set_once(struct stage *stage, const char *value) { (void)value; stage->once = true; return 0; }
static int set_verbose(struct stage *stage, const char *value) { (void)value; stage->verbose++; return 0; }
static int set_syslog(struct stage *stage, const char *value) { (void)value; stage->syslog = true; return 0; }
static int set_logfile(struct stage *stage, const char *value) { stage->logfile = value; return 0; }

static int
set_notify_fd(struct stage *stage, const char *value)
{
	uint64_t number;
	if (span_decimal(span_of(value), INT_MAX, &number) != 0 || number < 3)
		return refuse(stage, "--notify-fd", "expected a descriptor's number from 3, not ", value);
	stage->notify_fd = (int)number;
	return 0;
}

static int
set_sandbox(struct stage *stage, const char *value)
{
	if (sandbox_parse_mode(value, &stage->sandbox.mode) != 0)
		return refuse(stage, "--sandbox", "expected on, off or log, not ", value);
	return 0;
}

static int print_help(struct stage *stage, const char *value);

static int
print_version(struct stage *stage, const char *value)
{
	(void)value;
	printf("deaddrop-%s %s\n", stage->program->name, DEADDROP_VERSION);
	stage_exit_now(stage, fflush(stdout) == 0 ? 0 : EX_IOERR);
	return 0;
}

static const struct common common_options[] = {
	{ { "in", 0, "SOCKET", "control socket to listen on; repeatable (default: none)" }, has_in, set_in },
	{ { "in-trust", 0, "SOCKET", "the same, for peers whose word on a message's origin is believed" }, has_in, set_in_trust },
	{ { "in-mode", 0, "MODE", "access mode of the sockets that follow (default: 0660)" }, has_in, set_in_mode },
	{ { "in-group", 0, "GROUP", "group of the sockets that follow (default: as created)" }, has_in, set_in_group },
	{ { "out", 0, "SOCKET", "control socket of the next stage, inside the chroot; repeatable (default: none)" }, has_out, set_out },
	{ { "config", 0, "FILE", "configuration, read before the chroot (default: none)" }, has_config, set_config },
	{ { "chroot", 0, "DIR", "confine the stage to this directory; needs root (default: no chroot)" }, NULL, set_chroot },
	{ { "user", 0, "USER[:GROUP]", "run as this user; needs root (default: the caller)" }, NULL, set_user },
	{ { "sandbox", 0, "on|off|log", "system call filter and Landlock; log only tells (default: on)" }, NULL, set_sandbox },
	{ { "check", 0, NULL, "verify options and configuration, print problems, leave (default: no)" }, NULL, set_check },
	{ { "once", 0, NULL, "do what is there, then leave (default: stay)" }, has_once, set_once },
	{ { "verbose", 'v', NULL, "log more; twice: protocol traces (default: no)" }, NULL, set_verbose },
	{ { "syslog", 0, NULL, "log to syslog, facility mail (default: standard error)" }, NULL, set_syslog },
	{ { "logfile", 0, "FILE", "append the log to this file (default: standard error)" }, NULL, set_logfile },
	{ { "notify-fd", 0, "N", "write a newline to this descriptor when ready (default: none)" }, NULL, set_notify_fd },
	{ { "help", 'h', NULL, "print this, and leave" }, NULL, print_help },
	{ { "version", 0, NULL, "print the version, and leave" }, NULL, print_version },
};

#define COMMON_COUNT (sizeof common_options / sizeof common_options[0])

static const struct stage_option no_options[] = { { NULL, 0, NULL, NULL } };

static const struct stage_option *
own_options(const struct stage *stage)
{
	return stage->program->options != NULL ? stage->program->options : no_options;
}

/* Names are compared by their length too, for "--name=value". */
static bool
is_named(const struct stage_option *option, const char *name, size_t len)
{
	return strlen(option->name) == len && memcmp(option->name, name, len) == 0;
}

struct choice {
	const struct stage_option *option;	/* NULL: none */
	const struct common *common;		/* NULL: the stage's own */
};

/* By name, or by letter where name is NULL.  The stage's own come first. */
static struct choice
find(const struct stage *stage, const char *name, size_t len, char letter)
{
	for (const struct stage_option *o = own_options(stage); o->name != NULL; o++)
		if (name != NULL ? is_named(o, name, len) : o->letter == letter)
			return (struct choice){ o, NULL };
	for (const struct common *c = common_options; c < common_options + COMMON_COUNT; c++)
		if ((c->applies == NULL || c->applies(stage->program)) && (name != NULL ? is_named(&c->option, name, len) : c->option.letter == letter))
			return (struct choice){ &c->option, c };
	return (struct choice){ NULL, NULL };
}

static void
print_option(const struct stage_option *o)
{
	char left[64];
	char letter[] = { '-', o->letter, ',', ' ', 0 };
	int len = snprintf(left, sizeof left, "  %s--%s%s%s", o->letter != 0 ? letter : "    ", o->name, o->argument != NULL ? " " : "",
	    o->argument != NULL ? o->argument : "");
	if (len < 30)
		printf("%-30s %s\n", left, o->help);
	else
		printf("%s\n%31s%s\n", left, "", o->help);
}

static int
print_help(struct stage *stage, const char *value)
{
	const struct stage_program *p = stage->program;
	(void)value;
	printf("Usage:\n%s%s\n%s\n\nOptions:\n", p->synopsis, p->synopsis[0] != 0 && p->synopsis[strlen(p->synopsis) - 1] == '\n' ? "" : "\n",
	    p->summary);
	for (const struct stage_option *o = own_options(stage); o->name != NULL; o++)
		print_option(o);
	for (const struct common *c = common_options; c < common_options + COMMON_COUNT; c++)
		if (find(stage, c->option.name, strlen(c->option.name), 0).common == c)
			print_option(&c->option);
	printf("\nExamples:\n%s%s", p->examples, p->examples[0] != 0 && p->examples[strlen(p->examples) - 1] == '\n' ? "" : "\n");
	stage_exit_now(stage, fflush(stdout) == 0 ? 0 : EX_IOERR);
	return 0;
}

/* How many letters two names have in common at their heads and tails; 0 where they differ by more than one slip, or the end that is missing. */
static size_t
likeness(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b), least = a_len < b_len ? a_len : b_len, most = a_len < b_len ? b_len : a_len;
	size_t head = 0, tail = 0;
	while (head < least && a[head] == b[head])
		head++;
	while (head + tail < least && a[a_len - tail - 1] == b[b_len - tail - 1])
		tail++;
	return head + tail >= 3 && (head == b_len || head + tail + 2 >= most) ? head + tail : 0;
}

/* An option that nobody knows: the known one that it is most like is a good guess. */
static int
unknown(struct stage *stage, const char *given)
{
	const char *best = NULL, *name = given + strspn(given, "-");
	size_t most = 0;
	for (const struct stage_option *o = own_options(stage); o->name != NULL; o++)
		if (likeness(o->name, name) > most) {
			most = likeness(o->name, name);
			best = o->name;
		}
	for (const struct common *c = common_options; c < common_options + COMMON_COUNT; c++)
		if ((c->applies == NULL || c->applies(stage->program)) && likeness(c->option.name, name) > most) {
			most = likeness(c->option.name, name);
			best = c->option.name;
		}
	str_cut(&stage->error, 0);
	str_printf(&stage->error, "unknown option %.100s", given);
	if (best != NULL)
		str_printf(&stage->error, "; is --%s meant?", best);
	return -1;
}

static int
deliver(struct stage *stage, struct choice choice, const char *value)
{
	if (choice.common != NULL)
		return choice.common->set(stage, value);
	return stage->program->option(stage->self, stage, choice.option->name, value, &stage->error);
}

/* An option by name at argv[*i]; takes the next argument where it needs one. */
static int
read_long(struct stage *stage, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
	struct choice choice = find(stage, name, len, 0);
	if (choice.option == NULL)
		return unknown(stage, argv[*i]);
	if (choice.option->argument == NULL)
		return equals != NULL ? refuse(stage, argv[*i], "this option takes no argument", "") : deliver(stage, choice, "");
	if (equals != NULL)
		return deliver(stage, choice, equals + 1);
	if (*i + 1 >= argc)
		return refuse(stage, argv[*i], "missing argument ", choice.option->argument);
	return deliver(stage, choice, argv[++*i]);
}

/* Letters at argv[*i]: switches may stand together, an argument stands behind its letter or is the next one. */
static int
read_letters(struct stage *stage, int argc, char **argv, int *i)
{
	int word = *i;
	for (const char *letter = argv[word] + 1; *letter != 0 && !stage->over; letter++) {
		struct choice choice = find(stage, NULL, 0, *letter);
		if (choice.option == NULL)
			return unknown(stage, argv[word]);
		if (choice.option->argument == NULL) {
			if (deliver(stage, choice, "") != 0)
				return -1;
			continue;
		}
		if (letter[1] != 0)
			return deliver(stage, choice, letter + 1);
		if (*i + 1 >= argc)
			return refuse(stage, argv[word], "missing argument ", choice.option->argument);
		return deliver(stage, choice, argv[++*i]);
	}
	return 0;
}

int
stage_options_read(struct stage *stage, int argc, char **argv)
{
	const struct stage_program *p = stage->program;
	bool only_operands = false;
	int result = 0;
	for (int i = 1; i < argc && result == 0 && !stage->over; i++) {
		const char *word = argv[i];
		if (only_operands || word[0] != '-' || word[1] == 0)
			result = p->operand != NULL ? p->operand(stage->self, stage, word, &stage->error)
			    : refuse(stage, "", "unexpected argument ", word);
		else if (word[1] != '-')
			result = read_letters(stage, argc, argv, &i);
		else if (word[2] == 0)
			only_operands = true;
		else
			result = read_long(stage, argc, argv, &i);
	}
	if (result == 0 && stage->syslog && stage->logfile != NULL)
		result = refuse(stage, "--syslog, --logfile", "only one of them can be used", "");
	if (result == 0)
		return 0;
	str_printf(&stage->error, "\ntry deaddrop-%s --help", p->name);
	return EX_USAGE;
}
