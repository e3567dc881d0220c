/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The skeleton of every stage.  stage_main: options; hook `prepare` (as root: configuration, sockets, descriptors); jail; sandbox; hook `start` (watchers in the loop);
 * readiness; the loop; TERM: hook `drain`; end.  chroot, setuid and the sandbox happen here and nowhere else.
 *
 * TERM: drain is called, the stage finishes what it promised, accepts nothing more and calls stage_finish.  HUP: the same, exit 0, so that
 * the supervisor starts it anew with the new configuration.  INT is TERM.  A second TERM or INT, or 20 s, end it at once (what is unclear then is repeated later).
 * SIGPIPE is ignored.  Descriptors 0, 1 and 2 are open from the beginning; of the others that were open, those are left that --notify-fd, the hook `told` and, until
 * prepare is done, paths like /dev/fd/N on the command line name.  After prepare standard input is /dev/null (prepare may duplicate it).
 * The library never exits: stage_main returns the exit status (sysexits) for main to return.
 */
#ifndef DEADDROP_STAGE_H
#define DEADDROP_STAGE_H

#include "ctrl.h"
#include "descriptors.h"
#include "jail.h"
#include "log.h"
#include "loop.h"
#include "sandbox.h"

#define STAGE_IN_MAX 16
#define STAGE_OUT_MAX 32

struct stage;

struct stage_option {			/* one of the stage's own; a table ends with a NULL name */
	const char *name;		/* without "--" */
	char letter;			/* or 0 */
	const char *argument;		/* its name in --help, NULL: a switch */
	const char *help;		/* one line, with the default */
};

struct stage_program {
	const char *name;		/* "queue"; the program is deaddrop-queue */
	const char *synopsis;		/* lines for --help */
	const char *summary;		/* one sentence */
	const char *examples;		/* two worked ones */
	const struct stage_option *options;
	unsigned needs;			/* SANDBOX_…; jail.no_processes is set beforehand unless THREADS or CHILDREN is among them */
	bool has_in, has_out, has_config, has_once;	/* which common options apply; has_in or has_out implies SANDBOX_UNIX */
	size_t buffer_cap;		/* of the hub */
	size_t buffer_share;		/* of it, a user's (ctrl_hub_share); 0: no such limit */
	void *(*create)(void);		/* the stage's own state; NULL: no memory */
	void (*destroy)(void *self);
	/* An own option, while the command line is read: neither log nor loop is there yet.  value is "" for a switch.  0, or -1 with error.  A name of the table
	 * that is also a common one takes its place. */
	int (*option)(void *self, struct stage *stage, const char *name, const char *value, struct str *error);
	/* Operands (not options).  May be NULL: operands are a usage error. */
	int (*operand)(void *self, struct stage *stage, const char *value, struct str *error);
	/* Which descriptors that were open at the start the environment or the configuration names.  Returns as prepare; NULL: none. */
	int (*told)(void *self, struct stage *stage, struct descriptors *told, struct str *error);
	/* Before the jail; the --in sockets are bound after it.  Returns 0, or a sysexits code with error set: EX_USAGE, EX_CONFIG, EX_NOINPUT, … ; may fill stage_jail and stage_sandbox.
	 * A by-hand run is done here too: it returns with stage_exit_now called. */
	int (*prepare)(void *self, struct stage *stage, struct str *error);
	/* --check, instead of going on after prepare: prints problems to standard error, and returns as prepare.  May be NULL: what prepare finds is all. */
	int (*check)(void *self, struct stage *stage, struct str *error);
	/* After jail and sandbox; stage_finish may be called.  Returns as prepare. */
	int (*start)(void *self, struct stage *stage, struct str *error);
	void (*drain)(void *self, struct stage *stage);	/* NULL: the stage leaves at once */
	void (*rest)(void *self);	/* there was no work for a second: what can be had again may be freed; or NULL */
};

/* The common options, as parsed */
struct stage_socket {
	const char *path;
	mode_t mode;			/* --in-mode before its --in; default 0660 */
	gid_t group;			/* --in-group; (gid_t)-1 */
	bool trusted;			/* given with --in-trust instead of --in */
	int fd, lock_fd;		/* bound by the skeleton between prepare and jail; -1 before.  Listening on it is the stage's, in start: it then
					 * takes fd over; the skeleton closes both at the end only where start was not reached. */
};

int stage_main(const struct stage_program *program, int argc, char **argv);

struct loop *stage_loop(struct stage *stage);
struct ctrl_hub *stage_hub(struct stage *stage);
struct log *stage_log(struct stage *stage);
struct jail *stage_jail(struct stage *stage);
struct sandbox *stage_sandbox(struct stage *stage);
const struct stage_socket *stage_in(const struct stage *stage, size_t n);	/* NULL past the last */
const char *stage_out(const struct stage *stage, size_t n);			/* --out N, NULL past the last */
const char *stage_config(const struct stage *stage);				/* --config FILE or NULL */
bool stage_once(const struct stage *stage);
bool stage_draining(const struct stage *stage);
bool stage_checking(const struct stage *stage);		/* --check: prepare starts nothing and changes nothing */
unsigned stage_verbose(const struct stage *stage);
/* From prepare: what an administrator should see to, a line each; to the log, with --check to standard error. */
void stage_warn(struct stage *stage, struct span lines);
void stage_finish(struct stage *stage, int status);		/* from within the loop: leave with this status */
void stage_exit_now(struct stage *stage, int status);		/* from prepare: the run is over, status is the exit code */

#endif
