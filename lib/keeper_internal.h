/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Between the keeper's files: the list, the messages, and the parts of the process (keeper_child*.c).
 * The socket keeps message boundaries (SOCK_SEQPACKET).  A request is a struct keeper_request and the bytes it announces, an answer
 * likewise; descriptors
 * ride on answers alone.  Both ends are the same program, so that the structures need no byte order.  The process trusts nothing in a
 * request: it must be right
 * also when the stage is no longer itself.
 */
#ifndef DEADDROP_KEEPER_INTERNAL_H
#define DEADDROP_KEEPER_INTERNAL_H

#include "keeper.h"

#include <netdb.h>

enum keeper_verb { KEEPER_OPEN, KEEPER_CONNECT, KEEPER_RUN, KEEPER_BECOME, KEEPER_KILL, KEEPER_RESOLVE, KEEPER_HOST, KEEPER_VERBS };
enum keeper_kind { KEEPER_STARTED, KEEPER_DONE, KEEPER_ENDED };

#define KEEPER_PAYLOAD_MAX 16384U	/* of a request: environment strings */
#define KEEPER_FDS_MAX 2
#define KEEPER_SOCKET 3			/* its number in the process */

struct keeper_request {
	uint32_t verb, id;
	int32_t index, number;		/* number: a signal */
	uint32_t length;		/* bytes that follow */
};

struct keeper_answer {
	uint32_t kind, id;
	int32_t error, status;
	uint32_t count;			/* addresses, or bytes of a name */
};

struct keeper_received {
	struct keeper_answer answer;
	union {
		struct sockaddr_storage addresses[KEEPER_ADDRESSES_MAX];
		char name[KEEPER_NAME_MAX + 1];
	} is;
	int fds[KEEPER_FDS_MAX];	/* -1: none, or taken */
};

/* 1: one came, whose descriptors are the caller's; 0: none now; -1: the keeper is gone. */
int keeper_receive(int fd, struct keeper_received *received);

/* One item; which members count follows from the verb that it serves. */
struct keeper_item {
	enum keeper_verb verb;
	char *path;			/* a command: argv[0] */
	int flags;
	mode_t mode;
	struct keeper_command command;	/* its vectors are copies */
	int (*function)(void *arg);	/* of KEEPER_BECOME, or NULL */
	void *arg;
	uid_t least_uid;
};

#define KEEPER_NOBODY 65534
#define KEEPER_USER_ENV 5		/* strings that a user adds to the environment */

/* A user as the process found her.  The strings are the owner's to free. */
struct keeper_user {
	struct str name, home, shell, extension;
	uid_t uid;
	gid_t gid;
};

struct keeper_list {
	struct keeper_item items[KEEPER_ITEMS_MAX];
	size_t count;
	bool names;
	enum sandbox_mode sandbox;
	void (*forget)(void *arg);	/* NULL: nothing */
	void *forget_arg;
};

/* NAME=value whose name is one of names, none of them twice, with a value free of control characters. */
bool keeper_list_clean(char *const *names, char *const *env, size_t count);

/* Forks.  The stage's end of the socket, or -1 with error. */
int keeper_child_fork(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error);

/* Within the process */

struct keeper_job;			/* a running command */
struct keeper_names;			/* a name being resolved or waiting for its turn */

struct keeper_child {
	const struct keeper_list *list;
	uid_t uid;			/* whom it is to be where the list does not demand root */
	gid_t gid;
	struct loop *loop;
	struct loop_watch *watch;
	int fd;
	struct keeper_unsent *unsent, **unsent_end;
	struct keeper_job *processes;
	size_t process_count;
	struct keeper_names *names;	/* in order of arrival; the first of them run */
	size_t names_count, names_running;
	bool ending;			/* the stage has gone */
	struct loop_timer patience;
	char request[sizeof (struct keeper_request) + KEEPER_PAYLOAD_MAX + 1];
};

/* Sends, or keeps until the socket takes it; the descriptors are closed in any case. */
void keeper_child_answer(struct keeper_child *child, const struct keeper_answer *answer, const void *payload, size_t len, const int *fds, size_t fd_count);
/* KEEPER_DONE with nothing but an error. */
void keeper_child_fail(struct keeper_child *child, uint32_t id, int error);
/* Of everything inherited the socket is left, as KEEPER_SOCKET, and 0, 1, 2 lead nowhere. */
int keeper_child_close(int fd);
/* Becomes the user where the list allows it. */
int keeper_child_confine(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error);
/* Root becomes that user for good; whoever else must be her already.  0, or -1 with errno. */
int keeper_child_be(uid_t uid, gid_t gid);
/* Whether root can: in a user namespace that maps nobody else he cannot. */
bool keeper_child_can_be(uid_t uid, gid_t gid);
/* What is forbidden to the process from now on.  0, or -1 with error. */
int keeper_child_sandbox(const struct keeper_list *list, struct str *error);
/* The same in a fork that resolves a name: 0, or -1. */
int keeper_child_sandbox_names(const struct keeper_list *list);
/* In a fork of the process: default signals, and no descriptor but 0, 1, 2 and keep, which becomes 3. */
int keeper_child_strip(int keep);

void keeper_child_run(struct keeper_child *child, const struct keeper_request *request, char *payload);	/* KEEPER_BECOME too */
/* Finds the user of a local part and becomes her, in the command's process: 0, or an errno. */
int keeper_child_become(const char *local, uid_t least_uid, struct keeper_user *user);
/* Adds what she has to the environment: 0, or an errno.  The strings stay. */
int keeper_child_user_environment(const struct keeper_user *user, char **env);	/* *env has room for KEEPER_USER_ENV more */
void keeper_child_kill(struct keeper_child *child, const struct keeper_request *request);
void keeper_child_kill_all(struct keeper_child *child, int signal);
void keeper_child_run_ended(struct keeper_child *child, pid_t pid, int status);

void keeper_child_name(struct keeper_child *child, const struct keeper_request *request, char *payload);
void keeper_child_name_ended(struct keeper_child *child, pid_t pid);

#endif
