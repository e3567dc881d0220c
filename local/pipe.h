/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pipe kind of drop: a program reads the message, once for each recipient.  Its exit status says what became of it.  It is started
 * by the keeper: no shell, and nothing of an
 * address but in its environment.
 */
#ifndef DEADDROP_LOCAL_PIPE_H
#define DEADDROP_LOCAL_PIPE_H

#include "drop.h"

#define PIPE_TIME (60 * CLOCK_SECOND)		/* where the drop says nothing */
#define PIPE_OUTPUT (1024U * 1024)
#define PIPE_MEMORY (1024ULL * 1024 * 1024)
#define PIPE_AT_ONCE 4

struct pipe_options {
	bool has_user;
	uid_t uid;
	gid_t gid;
	char *user_name, *home, *shell;	/* of that user */
	char *directory;		/* NULL: home */
	uint64_t time, output, memory, at_once;
	bool from;			/* a From_ line goes first */
};

extern const struct drop_kind pipe_kind;

const char *pipe_directory(const struct drop *drop);	/* where the program starts; NULL: at the root, or in its recipient's HOME */
void pipe_free_options(struct pipe_options *options);	/* NULL is allowed */
/* What an exit status of waitpid means: the verdict, its code, and what is said of it. */
void pipe_outcome(int status, struct span line, struct outcome *outcome);
/* NAME=value for a recipient: those that every program and delivery as the recipient gets.  0 or -1 ENOMEM. */
#define PIPE_VARIABLES 6
struct pipe_environment { struct str text[PIPE_VARIABLES]; char *vector[PIPE_VARIABLES + 1]; };
extern const char *const pipe_names[PIPE_VARIABLES + 1];
int pipe_set_environment(struct pipe_environment *env, const struct deliver_job *job, size_t n, bool extension);
void pipe_free_environment(struct pipe_environment *env);

#endif
