/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "send.h"
#include "settings.h"

#define IN_FLIGHT_MOST 100000
#define FILES_RESERVE 256	/* descriptors besides those of journal files */

const struct stage_option settings_options[] = {
	{ "spool", 0, "DIR", "the spool: journal, outcome, deferred, dead (default: the chroot, or .)" },
	{ "admin-group", 0, "GROUP", "who may see and do all through admin.ctrl, as root may (default: nobody)" },
	{ "in-flight", 0, "N", "messages that are being delivered at once (default: 1000)" },
	{ "journal-wait", 0, "TIME", "when waiting messages leave the journal for deferred (default: 1h)" },
	{ "job-timeout", 0, "TIME", "when a deliverer that does not answer a job is taken for dead (default: 15m)" },
	{ "explain", 0, NULL, "say where mail to the operands' addresses would go (message: standard input), and send nothing" },
	{ "sender", 0, "ADDRESS", "the sender that --explain assumes (default: none)" },
	{ "origin", 0, "WORD", "the origin that --explain assumes: inject, smtpd (default: inject)" },
	{ "uid", 0, "UID", "the submitter that --explain assumes (default: 0)" },
	{ "client", 0, "ADDRESS", "the client that --explain assumes (default: none)" },
	{ "client-group", 0, "NAME", "the client's group in smtpd.conf that --explain assumes; several with blanks between (default: none)" },
	{ "auth", 0, "NAME", "the login that --explain assumes (default: none)" },
	{ NULL, 0, NULL, NULL },
};

static int
set_spool(struct send *s, const char *value)
{
	s->spool_path = value;
	return value[0] != '\0' ? 0 : -1;
}

static int
set_admin_group(struct send *s, const char *value)
{
	s->admin_group = value;
	return 0;
}

static int
set_in_flight(struct send *s, const char *value)
{
	return span_decimal(span_of(value), IN_FLIGHT_MOST, &s->in_flight_max) == 0 && s->in_flight_max > 0 ? 0 : -1;
}

static int
set_journal_wait(struct send *s, const char *value)
{
	return conf_duration_text(value, &s->journal_wait);
}

static int
set_job_timeout(struct send *s, const char *value)
{
	return conf_duration_text(value, &s->job_timeout) == 0 && s->job_timeout >= CLOCK_SECOND ? 0 : -1;
}

static int
set_explain(struct send *s, const char *value)
{
	(void)value;
	s->explain.wanted = true;
	return 0;
}

static int
set_sender(struct send *s, const char *value)
{
	s->explain.sender = value;
	return 0;
}

static int
set_origin(struct send *s, const char *value)
{
	s->explain.origin = value;
	return 0;
}

static int
set_uid(struct send *s, const char *value)
{
	return span_decimal(span_of(value), UINT32_MAX, &s->explain.uid);
}

static int
set_client(struct send *s, const char *value)
{
	s->explain.client = value;
	return 0;
}

static int
set_client_group(struct send *s, const char *value)
{
	s->explain.client_groups = value;
	return 0;
}

static int
set_auth(struct send *s, const char *value)
{
	s->explain.auth = value;
	return 0;
}

static const struct {
	const char *name, *expected;
	int (*set)(struct send *s, const char *value);
} setters[] = {
	{ "spool", "a directory", set_spool },
	{ "admin-group", "a group", set_admin_group },
	{ "in-flight", "a number of 1 to 100000", set_in_flight },
	{ "journal-wait", "a time such as 30m or 1h", set_journal_wait },
	{ "job-timeout", "a time of 1s or more, such as 15m", set_job_timeout },
	{ "explain", "no value", set_explain },
	{ "sender", "an address", set_sender },
	{ "origin", "a word", set_origin },
	{ "uid", "a number", set_uid },
	{ "client", "an address", set_client },
	{ "client-group", "a name", set_client_group },
	{ "auth", "a name", set_auth },
};

int
settings_option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	(void)stage;
	for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++)
		if (strcmp(setters[i].name, name) == 0) {
			if (setters[i].set(self, value) == 0)
				return 0;
			str_printf(error, "--%s %s: expected %s", name, value, setters[i].expected);
			return -1;
		}
	str_printf(error, "--%s: unknown", name);
	return -1;
}

int
settings_operand(void *self, struct stage *stage, const char *value, struct str *error)
{
	struct send *s = self;
	const char **addresses = realloc(s->explain.addresses, (s->explain.count + 1) * sizeof(char *));

	(void)stage;
	if (addresses == NULL) {
		str_printf(error, "no memory");
		return -1;
	}
	s->explain.addresses = addresses;
	addresses[s->explain.count++] = value;
	return 0;
}

struct checking {
	struct stage *stage;
	struct str *error;
};

static int
check_drop(void *arg, const char *file, unsigned line, struct span drop)
{
	const struct checking *checking = arg;
	const char *config = stage_config(checking->stage);
	struct span name, rest;
	bool found;

	if (!plan_split(drop, &name, &rest))
		return 0;		/* discard */
	found = stage_out(checking->stage, 0) == NULL && span_is(name, "local");
	for (size_t n = 0; stage_out(checking->stage, n) != NULL; n++)
		found |= span_equal(channel_name(stage_out(checking->stage, n)), name);
	if (found)
		return 0;
	str_printf(checking->error, "%s:", file != NULL ? file : config != NULL ? config : "default");
	if (line > 0)
		str_printf(checking->error, "%u:", line);
	str_printf(checking->error, " no --out %.*s.ctrl is given for the drop %.*s", (int)name.len, name.data, (int)drop.len, drop.data);
	return -1;
}

/* Every drop of the configuration must have a deliverer, or its mail would wait for ever. */
static int
check_drops(struct send *s, struct stage *stage, struct str *error)
{
	return config_drops(&s->config, check_drop, &(struct checking){ stage, error });
}

/* A path of the spool as it is called inside the chroot. */
static int
allow_place(struct send *s, struct stage *stage, enum spool_place place, bool make, struct str *error)
{
	struct str *path = &s->paths[place];

	if (str_printf(path, "%s/%s", s->spool_path, spool_place_name(place)) < 0) {
		str_printf(error, "%s: too long", s->spool_path);
		return -1;
	}
	/* By hand, in an empty directory, only the journal must be there: queue's.  As a service, set-up makes them with their owners. */
	if (make)
		mkdir(path->data, 0770);
	return sandbox_allow(stage_sandbox(stage), path->data, SANDBOX_READ | SANDBOX_WRITE);
}

/* Without the directory there is no status. */
static int
allow_status(struct send *s, struct stage *stage, bool make)
{
	const char *root = stage_jail(stage)->root;
	struct str outside = STR_INIT(8192);
	bool there = false;

	if (str_printf(&s->status_path, "%s/status", s->spool_path) < 0)
		return -1;
	if (make)
		mkdir(s->status_path.data, 0755);
	if (str_printf(&outside, "%s%s%s", root != NULL ? root : "", root != NULL ? "/" : "", s->status_path.data) == 0)
		there = access(outside.data, F_OK) == 0;
	str_free(&outside);
	return there ? sandbox_allow(stage_sandbox(stage), s->status_path.data, SANDBOX_READ | SANDBOX_WRITE) : 0;
}

static int
allow_spool(struct send *s, struct stage *stage, struct str *error)
{
	const struct jail *jail = stage_jail(stage);
	bool by_hand = !jail->change_user && jail->root == NULL;
	const char *inside;

	if (jail->root != NULL && s->spool_path[0] == '/') {
		inside = jail_inside(jail->root, s->spool_path);
		if (inside == NULL) {
			str_printf(error, "--spool %s: not inside --chroot %s", s->spool_path, jail->root);
			return -1;
		}
		s->spool_path = inside[0] != '\0' ? inside : "/";
	}
	if (sandbox_allow(stage_sandbox(stage), s->spool_path, SANDBOX_READ) < 0)
		return -1;
	for (int place = 0; place < SPOOL_PLACES; place++)
		if (allow_place(s, stage, (enum spool_place)place, by_hand && place != SPOOL_JOURNAL, error) < 0)
			return -1;
	return allow_status(s, stage, by_hand && !stage_once(stage));
}

/* What users got wrong in their files is told, and no more. */
static void
log_notes(const struct send *s, struct stage *stage)
{
	struct span rest = str_span(&s->config.notes), line;

	while (span_word(&rest, '\n', &line))
		log_event(stage_log(stage), "warning", "%.*s", (int)line.len, line.data);
}

int
settings_prepare(void *self, struct stage *stage, struct str *error)
{
	struct send *s = self;

	if (config_load(&s->config, stage_config(stage), error) < 0)
		return EX_CONFIG;
	log_notes(s, stage);
	if (s->explain.wanted) {
		int status = explain_run(&s->explain, &s->config.plan, error);

		if (status == EX_OK)
			stage_exit_now(stage, EX_OK);
		return status;
	}
	if (s->explain.count > 0) {
		str_printf(error, "%s: there are no operands without --explain", s->explain.addresses[0]);
		return EX_USAGE;
	}
	if (check_drops(s, stage, error) < 0)
		return EX_CONFIG;
	if (s->admin_group != NULL && admin_rights_load(&s->rights, s->admin_group) < 0) {
		str_printf(error, "--admin-group %s: there is no such group", s->admin_group);
		return EX_NOUSER;
	}
	stage_jail(stage)->max_files = 2 * FILES_OPEN_MAX + FILES_RESERVE + 512;
	stage_jail(stage)->no_processes = true;
	return allow_spool(s, stage, error) < 0 ? EX_CONFIG : EX_OK;
}

int
settings_check(void *self, struct stage *stage, struct str *error)
{
	struct send *s = self;
	struct spool spool;

	(void)stage;
	if (stage_jail(stage)->root != NULL)
		return EX_OK;
	if (spool_open(&spool, s->spool_path, error) < 0)
		return EX_NOINPUT;
	spool_close(&spool);
	return EX_OK;
}
