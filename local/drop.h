/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drops: what the names in jobs mean (local.conf), and the kinds of drop there are.
 *
 * A kind of delivery is one file and one line in the table of drop.c.  Whatever it is, it meets the rest of the stage here only: it reads its
 * options, prepares before the jail, and is handed jobs.
 */
#ifndef DEADDROP_LOCAL_DROP_H
#define DEADDROP_LOCAL_DROP_H

#include "clock.h"
#include "conf.h"
#include "deliver.h"
#include "keeper.h"
#include "work.h"

#define DROP_NAME_MAX 64
#define DROP_MODE 0660			/* of files, where the drop says nothing */
#define DROP_OWN_MODE 0600		/* the same for a user's own: as recipient, and by hand */
#define DROP_LEAST_UID 1000		/* as recipient: nobody below it */

struct drop_kind;

/* What stands behind the kind in a drop's line */
enum drop_place {
	DROP_DIRECTORY,
	DROP_FILE,			/* with a folder: the directory of files that the folder names */
	DROP_COMMAND,
	DROP_NOWHERE			/* nothing does */
};

struct drop {
	struct drop *next;
	char *name;
	unsigned line;			/* of the configuration; 0: it is not from there */
	const struct drop_kind *kind;
	char *path;			/* as it was configured: the host's; or a command; "" where the kind has none */
	char *root;			/* the host's directory that all of it lies in; NULL for those as recipient, and without a directory */
	const char *inside;		/* the same behind the chroot; lies in root */
	char *above;			/* the directory that root lies in, behind the chroot; NULL without one */
	const char *leaf;		/* the file's name in there; NULL: the folder is it.  Lies in path */
	char *folder;			/* with "$1" for the argument; NULL: none */
	bool nested;			/* an argument may have dots */
	bool has_group;
	gid_t group;
	bool has_mode;
	mode_t mode;			/* of files; directories get x where they have r, and set-gid */
	bool as_recipient;
	uid_t least_uid;
	int index;			/* in the keeper's list, or -1 */
	bool mboxo;			/* quote From as mboxo does */
	uint64_t lock_wait;		/* microseconds; 0: the default */
	char *unseen;			/* the MH sequence that new messages join; "": none, NULL: the default */
	struct pipe_options *pipe;	/* NULL: the defaults */
};

struct drop_owner {			/* whom directories that are made before the jail belong to */
	uid_t uid;			/* (uid_t)-1: to us */
	gid_t gid;
};

/* What a kind gets for its run: it calls done once for each job that it was handed, in the call or later. */
struct drop_host {
	struct loop *loop;
	struct works *works;		/* for what must not hold up the loop */
	struct keeper *keeper;		/* NULL where no drop needs one */
	const char *name;		/* the host's name, fit for a file's name */
	bool sync_fs;			/* one syncfs in place of a sync for each file */
	struct syncer *syncer;		/* NULL: one file after another is synced */
	void (*done)(void *arg, struct deliver_job *job);
	void *arg;
};

struct drop_option {
	const char *name;
	int (*parse)(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
};

struct drop_kind {
	const char *name;
	enum drop_place place;
	bool rereads;			/* wants to read a message more than once: what comes as a stream is put into a file before */
	const struct drop_option *options;	/* beside drop_box_options, which all with a path have; end with a NULL name.  NULL: none */
	/* Before the jail, as root or not: makes what is missing.  0, or -1 with error.  NULL: there is nothing to do; so it is with check. */
	int (*prepare)(const struct drop *drop, const struct drop_owner *owner, struct str *error);
	/* For --check: looks, and changes nothing.  0, or -1 with error. */
	int (*check)(const struct drop *drop, struct str *error);
	/* Puts into the keeper's list what deliveries need of it, and sets drop->index.  0, or -1 with error.  NULL: nothing. */
	int (*list)(struct drop *drop, struct keeper_list *list, struct str *error);
	/* The kind's state for the run; host outlives it.  NULL: no memory. */
	void *(*open)(const struct drop_host *host);
	void (*close)(void *state);	/* what is under way ends without an answer */
	/* Delivers jobs, all to drops of this kind; sets result (or settles recipients one by one) and calls done for each. */
	void (*deliver)(void *state, struct deliver_job **jobs, size_t count);
	/* Whether earlier attempts succeeded, for at most 256 jobs at once: found[i] becomes 1 (made durable, result is set), 0 (no)
	 * or -1 (cannot tell: result
	 * says later).  NULL where one cannot look, or where deliver does it itself, under its lock. */
	void (*look_up)(void *state, struct deliver_job **jobs, size_t count, signed char *found);
};

struct drop_table {
	struct drop *first;
	const char *chroot;		/* or NULL; for jail_inside */
	char *source;			/* the configuration's name, for messages */
};

extern const struct drop_kind *const drop_kinds[];	/* ends with NULL */
const struct drop_kind *drop_kind_named(const char *name);	/* or NULL */
/* The kind that a drop's jobs are handed to: its own, or that of deliveries as the recipient. */
const struct drop_kind *drop_runner(const struct drop *drop);

/* Passes status on; where it is not 0 the error gets the line before it where the drop stands. */
int drop_at_line(const struct drop_table *table, const struct drop *drop, int status, struct str *error);
/* Reads local.conf.  0, or -1 with error ("file:line: …"). */
int drop_read(struct drop_table *table, const char *file, struct str *error);
/* Adds one without a configuration; a relative path is below the chroot.  NULL with error. */
struct drop *drop_add(struct drop_table *table, const char *name, const struct drop_kind *kind, const char *path, mode_t mode, struct str *error);
/* What a drop as recipient is in her own process: "~/" becomes home.  It ends up in table alone, under the same name.  NULL with error. */
struct drop *drop_at_home(struct drop_table *table, const struct drop *drop, const char *home, struct str *error);
void drop_free(struct drop_table *table);

/* The drop that a job's target names; NULL if there is none.  A target is NAME or NAME/ARGUMENT. */
const struct drop *drop_find(const struct drop_table *table, struct span target);
/* The job's, as it was found when it was taken over. */
const struct drop *drop_of(const struct deliver_job *job);
/* False: the target has no argument. */
bool drop_argument(struct span target, struct span *argument);

/* The folder's name for an argument: appends it, or nothing where the drop has no folder.  0, or -1 with why set: a target that does
 * not fit the configuration is
 * later, an argument that would leave the drop (design: captures) is never. */
int drop_folder(const struct drop *drop, struct span target, struct str *out, struct outcome *why);

/* Options that several kinds share (drop_options.c) */
extern const struct drop_option drop_box_options[];	/* of every kind that has a directory or a file */
int drop_parse_as(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
int drop_parse_least_uid(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);
int drop_parse_lock(struct drop *drop, const struct conf_node *node, const struct conf_word *value, struct str *error);

#endif
