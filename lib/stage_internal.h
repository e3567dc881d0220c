/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The skeleton's state, for stage*.c alone. */
#ifndef DEADDROP_STAGE_INTERNAL_H
#define DEADDROP_STAGE_INTERNAL_H

#include <signal.h>

#include "stage.h"

#define STAGE_ERROR_MAX 4096

struct stage {
	const struct stage_program *program;
	void *self;
	struct str error;		/* why the last step failed */
	struct log *log;
	struct loop *loop;
	struct ctrl_hub *hub;
	struct jail jail;
	struct sandbox sandbox;
	int landlock;			/* the ABI in use, 0 for none */

	struct stage_socket in[STAGE_IN_MAX];
	size_t in_count;
	mode_t in_mode;			/* for the --in that follow */
	gid_t in_group;
	const char *out[STAGE_OUT_MAX];
	size_t out_count;
	const char *config, *user, *logfile;
	bool once, check, syslog;
	unsigned verbose;

	int argc;
	char **argv;
	struct descriptors told;	/* kept of those that were open at the start */
	struct descriptors named;	/* kept until prepare is done: a path of the command line leads there */

	int notify_fd;			/* --notify-fd; -1 when not given or done */
	int notify_socket;		/* connected to systemd's; -1 without */
	int log_file;
	struct loop_watch *log_watch;	/* while lines wait for a sink that the loop can watch */
	struct loop_timer log_timer;	/* while they wait for one that it cannot */
	struct loop_timer patience;	/* from drain on */
	struct loop_timer rest;		/* from work on, until there was none for a while */
	uint64_t worked;
	bool resting;			/* this turn is the rest's own */
	bool started;			/* start was reached: its hook owns the sockets */
	bool draining, finished, over;
	int status;
};

/* Reads the command line, delivers own options and operands.  0, or a sysexits code with stage->error set.  --help and --version print, and end the run. */
int stage_options_read(struct stage *stage, int argc, char **argv);

/* Signals, before anything that may make threads, which inherit the mask. */
int stage_run_signals(struct stage *stage);
/* Until stage_finish.  0, or a sysexits code with stage->error set. */
int stage_run_loop(struct stage *stage);
/* Readiness: looks for the supervisor's socket (before the chroot), says ready, says stopping. */
void stage_run_find_notify(struct stage *stage);
void stage_run_ready(struct stage *stage);

#endif
