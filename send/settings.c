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

static const struct {
	const char *name, *expected;
	int (*set)(struct send *s, const char *value);
} setters[] = {
	{ "spool", "a directory", set_spool },
	{ "admin-group", "a group", set_admin_group },
	{ "in-flight", "a number of 1 to 100000", set_in_flight },
	{ "journal-wait", "a time such as 30m or 1h", set_journal_wait },
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

/* Every drop of the configuration must have a deliverer, or its mail would wait for ever. */
static int
check_drops(struct send *s, struct stage *stage, struct str *error)
{
	for (size_t i = 0; i < s->config.plan.count; i++) {
		struct span drop = str_span(&s->config.plan.drops[i]), name, rest;
		bool found = false;

		plan_split(drop, &name, &rest);
		found = stage_out(stage, 0) == NULL && span_is(name, "local");
		for (size_t n = 0; stage_out(stage, n) != NULL; n++)
			found |= span_equal(channel_name(stage_out(stage, n)), name);
		if (found)
			continue;
		str_printf(error, "%s: no --out %.*s.ctrl is given for the drop %.*s", stage_config(stage) != NULL ? stage_config(stage) : "default",
		    (int)name.len, name.data, (int)drop.len, drop.data);
		return -1;
	}
	return 0;
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
	return 0;
}

int
settings_prepare(void *self, struct stage *stage, struct str *error)
{
	struct send *s = self;

	if (config_load(&s->config, stage_config(stage), error) < 0)
		return EX_CONFIG;
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
