/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sandbox: a seccomp filter with just the calls a stage needs, and Landlock for the paths it needs.  Entered after the jail.  What is Linux's alone
 * lives in sandbox*.c.  Dangerous calls (ptrace, mount, execve where it is not asked for, module, bpf, keyctl, …) kill the process; unknown ones answer ENOSYS;
 * --sandbox log lets all pass and logs (SECCOMP_RET_LOG), --sandbox off does nothing.
 * Memory can never be made executable.  A socket of a family that was not asked for answers EAFNOSUPPORT, a fork EPERM, openat without SANDBOX_FILES ENOSYS.
 *
 * Landlock binds the calling thread and those that it makes, the filter all threads: enter before threads are made.
 * With SANDBOX_NAMES the dangerous calls answer EPERM: a module that tries one may have another way.
 * With SANDBOX_CHILDREN, where programs of others run under it, only the dangerous calls are stopped, and there is no Landlock.
 */
#ifndef DEADDROP_SANDBOX_H
#define DEADDROP_SANDBOX_H

#include "str.h"

enum sandbox_mode { SANDBOX_ON, SANDBOX_LOG, SANDBOX_OFF };

/* What a stage needs beyond memory, time, reading and writing open descriptors, epoll, signalfd, eventfd, signals to itself and exit. */
#define SANDBOX_FILES 1U	/* open, stat, create, rename, link, unlink, mkdir, sync, truncate, allocate, copy_file_range, flock, fcntl locks, getdents */
#define SANDBOX_UNIX 2U		/* UNIX sockets: socket(AF_UNIX), connect, accept, sendmsg, recvmsg, getsockopt, shutdown */
#define SANDBOX_INET 4U		/* the same for AF_INET and AF_INET6 */
#define SANDBOX_THREADS 8U	/* clone with CLONE_THREAD, futex: for pthread_create */
#define SANDBOX_CHILDREN 16U	/* fork, execve, wait, kill: for by-hand runs of a pipe only; stages use the keeper */

/* What a keeper needs */
#define SANDBOX_READING 32U	/* open for reading (for writing: EACCES), stat, list */
#define SANDBOX_NAMES 64U	/* with UNIX, INET and READING: a resolver, with whatever modules the C library loads for it: netlink, libraries mapped, a process for each question, SIGKILL */
#define SANDBOX_BECOME 128U	/* setgroups, setresgid, setresuid: of a root, for the processes that it makes */

#define SANDBOX_READ 1U		/* Landlock: read files, list directories */
#define SANDBOX_WRITE 2U	/* write, create, remove, rename, link, truncate; implies nothing of READ */
#define SANDBOX_PATHS_MAX 64

struct sandbox {
	enum sandbox_mode mode;
	unsigned needs;
	struct sandbox_path { const char *path; unsigned access; } paths[SANDBOX_PATHS_MAX];	/* inside the chroot */
	size_t path_count;
};

int sandbox_allow(struct sandbox *box, const char *path, unsigned access);      /* keeps the pointer; -1 when full */
/* 0, or -1 with error.  Landlock that the kernel has not (or below ABI 2) is passed over; *landlock (may be NULL) says which ABI was used, 0 for none.  A path that
 * does not exist is an error, with ENOENT in errno. */
int sandbox_enter(const struct sandbox *box, int *landlock, struct str *error);
/* False on architectures for which there is no filter: Landlock alone then; the stage logs it. */
bool sandbox_has_seccomp(void);
int sandbox_parse_mode(const char *text, enum sandbox_mode *mode);              /* on, off, log */

#endif
