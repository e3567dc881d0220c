/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper: a small process outside the jail that opens, connects, starts and resolves what its stage may still need (design: what a
 * jailed stage needs
 * from outside).  The list is fixed before the fork; a request names an index into it.  It returns descriptors and reads no mail.
 * It runs as the user given (root only where the list demands it, with just the capabilities for it), single-threaded, and ends when its socket does, ending its
 * children with it.
 */
#ifndef DEADDROP_KEEPER_H
#define DEADDROP_KEEPER_H

#include <sys/socket.h>
#include <sys/types.h>

#include "loop.h"
#include "sandbox.h"
#include "str.h"

#define KEEPER_ITEMS_MAX 256
#define KEEPER_ADDRESSES_MAX 16
#define KEEPER_NAME_MAX 255

struct keeper_list;
struct keeper;

struct keeper_list *keeper_list_new(void);
void keeper_list_free(struct keeper_list *list);
/* Each returns the index, or -1 with errno.  Strings are copied. */
int keeper_add_file(struct keeper_list *list, const char *path, int flags, mode_t mode);	/* O_RDONLY, or O_WRONLY|O_APPEND|O_CREAT */
int keeper_add_socket(struct keeper_list *list, const char *path);				/* UNIX stream */
struct keeper_command {
	char *const *argv;		/* argv[0] is an absolute path; no shell */
	char *const *env;		/* fixed; NAME=value */
	char *const *env_names;		/* names that a request may add: e.g. SENDER, RECIPIENT.  NULL: none */
	uid_t uid;
	gid_t gid;
	const char *directory;		/* NULL: / */
	uint64_t max_memory, max_cpu_seconds, max_files, max_processes;	/* 0: leave */
};
int keeper_add_command(struct keeper_list *list, const struct keeper_command *command);
/* What is done as a user whom only the request names: deliveries as the recipient.  The process looks her up itself, refuses uid 0,
 * "nobody" (65534) and what is below least_uid,
 * and has her groups, HOME as directory and umask before anything of hers is opened.  HOME, USER, LOGNAME, SHELL and EXTENSION join
 * the command's env; its uid, gid and directory
 * do not count.  Either argv is started, or function is called, with input and output as standard input and output; what it returns is
 * the exit status. */
struct keeper_recipient {
	struct keeper_command command;	/* argv NULL: function */
	int (*function)(void *arg);
	void *arg;			/* the caller's, to live on as long as the keeper */
	uid_t least_uid;		/* 0: 1 */
};
int keeper_add_recipient(struct keeper_list *list, const struct keeper_recipient *recipient);
int keeper_allow_names(struct keeper_list *list);		/* resolving; returns 0 */
/* Without commands the process has a seccomp filter and Landlock for just its list; on where nothing is said. */
void keeper_set_sandbox(struct keeper_list *list, enum sandbox_mode mode);
/* Called in the process before anything else: wipes secrets that it has inherited with the stage's memory. */
void keeper_set_forget(struct keeper_list *list, void (*fn)(void *arg), void *arg);
bool keeper_list_empty(const struct keeper_list *list);

/* Forks it; call before the jail, as root or not, while there are no threads, and let the stage not wait for its end.  uid/gid: whom
 * it becomes where the list allows that:
 * there are no commands of other users, and no file or socket is refused to that user now.  Without root, commands of other users are
 * an error here.  The list is the
 * caller's again afterwards. */
struct keeper *keeper_start(const struct keeper_list *list, uid_t uid, gid_t gid, struct str *error);
int keeper_attach(struct keeper *keeper, struct loop *loop);	/* answers come through the loop from now on */
/* Closes the socket: it ends, and its children (SIGTERM, 2 s later SIGKILL).  What is unanswered is answered from within, with EPIPE. */
void keeper_stop(struct keeper *keeper);

/*
 * Requests return 0, and then the callback comes exactly once; or -1 with errno, and it never comes (EPIPE: the keeper is gone,
 * EAGAIN: 1,024 requests wait).
 * Callbacks come from the loop, or from keeper_stop, never from within a request; they may request and stop.
 * Answers: fd is the caller's; -1 with error an errno of the keeper's attempt.  EPIPE: the keeper is gone.
 */
typedef void keeper_fd_fn(void *arg, int fd, int error);
/* A regular file; EINVAL: it is something else.  What is written to is not reached through a symbolic link (ELOOP).  The mode is not
 * cut by a umask. */
int keeper_open(struct keeper *keeper, int index, keeper_fd_fn *fn, void *arg);
/* Non-blocking.  EAGAIN: the listener's queue is full. */
int keeper_connect(struct keeper *keeper, int index, keeper_fd_fn *fn, void *arg);

/*
 * A started command: its standard input and combined output are pipes, both the caller's and non-blocking.  ended is called once after
 * a good start: status as of
 * waitpid, or KEEPER_STATUS_UNKNOWN (neither WIFEXITED nor WIFSIGNALED) when the keeper went first.  env: NAME=value, 64 at most, each
 * name in env_names, values without
 * control characters; EINVAL otherwise.  The command has a session and umask 077, no supplementary groups, no_new_privs.  process is
 * NULL where error is not 0.
 */
#define KEEPER_STATUS_UNKNOWN (-1)
struct keeper_process { uint32_t handle; int input, output; };
typedef void keeper_run_fn(void *arg, const struct keeper_process *process, int error);
typedef void keeper_end_fn(void *arg, uint32_t handle, int status);
int keeper_run(struct keeper *keeper, int index, char *const *env, keeper_run_fn *started, keeper_end_fn *ended, void *arg);
/* The same as user: a local part, whose user is all of it, or what stands before its first "+"; else the same in lower case.  Errors
 * beside those of keeper_run: ESRCH, there is no
 * such user; EPERM, she is refused; EAGAIN, the user database could not be read. */
int keeper_become(struct keeper *keeper, int index, const char *user, char *const *env, keeper_run_fn *started, keeper_end_fn *ended, void *arg);
int keeper_kill(struct keeper *keeper, uint32_t handle, int signal);	/* to its process group; ESRCH: it has ended */

typedef void keeper_names_fn(void *arg, const struct sockaddr_storage *addresses, size_t count, int error);	/* error: 0 or EAI_…; EAI_AGAIN also when the keeper is gone */
/* The sockaddrs carry the port (a number or a service's name; NULL: 0).  After 30 s EAI_AGAIN. */
int keeper_resolve(struct keeper *keeper, const char *name, const char *port, keeper_names_fn *fn, void *arg);
typedef void keeper_host_fn(void *arg, const char *name, int error);	/* name of an address, forward-confirmed by the caller */
int keeper_host(struct keeper *keeper, const struct sockaddr *address, socklen_t len, keeper_host_fn *fn, void *arg);

#endif
