/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drops: what the names in jobs mean (local.conf), and the kinds of drop there are.
 *
 * A kind of delivery is one file and one line in the table of drop.c.  Whatever it is, it meets the rest of the stage here only: it reads its
 * options, prepares before the jail, and is handed jobs.
 */
#ifndef DEADDROP_LOCAL_DROP_H
#define DEADDROP_LOCAL_DROP_H

#include "conf.h"
#include "job.h"
#include "loop.h"

#define DROP_NAME_MAX 64
#define DROP_MODE 0660			/* of files, where the drop says nothing */

struct drop_kind;

struct drop {
	struct drop *next;
	char *name;
	const struct drop_kind *kind;
	char *path;			/* the host's */
	const char *inside;		/* the same behind the chroot; lies in path */
	char *folder;			/* with "$1" for the argument; NULL: none */
	bool nested;			/* an argument may have dots */
	bool has_group;
	gid_t group;
	mode_t mode;			/* of files; directories get x where they have r, and set-gid */
};

struct drop_owner {			/* whom directories that are made before the jail belong to */
	uid_t uid;			/* (uid_t)-1: to us */
	gid_t gid;
};

/* What a kind gets for its run: it calls done once for each job that it was handed, in the call or later. */
struct drop_host {
	struct loop *loop;		/* NULL by hand */
	const char *name;		/* the host's name, fit for a file's name */
	void (*done)(void *arg, struct job *job);
	void *arg;
};

struct drop_option {
	const char *name;
	int (*parse)(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
};

struct drop_kind {
	const char *name;
	const struct drop_option *options;	/* end with a NULL name */
	/* Before the jail, as root or not: makes what is missing.  0, or -1 with error. */
	int (*prepare)(const struct drop *drop, const struct drop_owner *owner, struct str *error);
	/* For --check: looks, and changes nothing.  0, or -1 with error. */
	int (*check)(const struct drop *drop, struct str *error);
	/* The kind's state for the run; host outlives it.  NULL: no memory. */
	void *(*open)(const struct drop_host *host);
	void (*close)(void *state);
	/* Delivers jobs, all to drops of this kind; sets result (or settles recipients one by one) and calls done for each. */
	void (*deliver)(void *state, struct job **jobs, size_t count);
	/* Whether earlier attempts succeeded, for at most 256 jobs at once: found[i] becomes 1 (made durable, result is set), 0 (no) or -1 (cannot tell: result
	 * says later).  NULL where one cannot look. */
	void (*look_up)(void *state, struct job **jobs, size_t count, signed char *found);
};

struct drop_table {
	struct drop *first;
	const char *chroot;		/* or NULL; for jail_inside */
	char *source;			/* the configuration's name, for messages */
};

extern const struct drop_kind *const drop_kinds[];	/* ends with NULL */

/* Reads local.conf.  0, or -1 with error ("file:line: …"). */
int drop_read(struct drop_table *table, const char *file, struct str *error);
/* Adds one without a configuration: a Maildir at path; a relative one is below the chroot. */
int drop_add_maildir(struct drop_table *table, const char *name, const char *path, mode_t mode, struct str *error);
void drop_free(struct drop_table *table);

/* The drop that a job's target names; NULL if there is none.  A target is NAME or NAME/ARGUMENT. */
const struct drop *drop_find(const struct drop_table *table, struct span target);
/* False: the target has no argument. */
bool drop_argument(struct span target, struct span *argument);

/* The folder's name for an argument: appends it, or nothing where the drop has no folder.  0, or -1 with why set: a target that does not fit the configuration is
 * later, an argument that would leave the drop (design: captures) is never. */
int drop_folder(const struct drop *drop, struct span target, struct str *out, struct outcome *why);

/* Options that several kinds share */
int drop_parse_folder(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
int drop_parse_nested(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
int drop_parse_group(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
int drop_parse_mode(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);

#endif
