/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Between the sandbox's files: which system calls fall under which rule (sandbox_calls.c), the filter made of them (sandbox_seccomp.c), and Landlock.
 * The kernel's interfaces are written down here, as the C library's headers may be older than the kernel and musl comes without the kernel's.
 */
#ifndef DEADDROP_SANDBOX_INTERNAL_H
#define DEADDROP_SANDBOX_INTERNAL_H

#include "sandbox.h"

#include <sys/syscall.h>

enum sandbox_rule {
	SANDBOX_ALLOW,
	SANDBOX_KILL,			/* with names EPERM */
	SANDBOX_REFUSE,			/* EPERM */
	SANDBOX_IDENTITY,		/* change of user or group: kills; with children or names EPERM, as some of them try it */
	SANDBOX_OPENAT_READING,		/* third argument: flags without writing or creating */
	SANDBOX_OPEN_READING,		/* the same, second argument */
	SANDBOX_FILE_EXECUTABLE,	/* mmap: executable where it is a file's */
	SANDBOX_SIGKILL,		/* second argument: SIGKILL */
	SANDBOX_NOT_EXECUTABLE,		/* third argument without PROT_EXEC (mmap, mprotect) */
	SANDBOX_IOCTL,			/* second argument: what the C library asks of a descriptor, and FIONREAD, FIONBIO */
	SANDBOX_SOCKET,			/* first argument: a family that the stage needs */
	SANDBOX_PAIR,			/* first argument: AF_UNIX */
	SANDBOX_CLONE,			/* a thread, or with children or names a process; never a namespace */
	SANDBOX_LIMIT,			/* prlimit64: reading its own */
	SANDBOX_SELF,			/* first argument: the process itself (kill, tgkill, tkill) */
	SANDBOX_PRCTL,			/* first argument: names of threads and of memory */
	SANDBOX_RULES
};

/* Calls that fall under rule where one of needs is given (0: always).  The first group that holds a call decides. */
struct sandbox_group {
	enum sandbox_rule rule;
	unsigned needs;
	const int *calls;
	size_t count;
};

extern const struct sandbox_group sandbox_calls[];
extern const size_t sandbox_calls_count;

/* Seccomp for all threads of the process.  0, or -1 with error. */
int sandbox_seccomp_enter(enum sandbox_mode mode, unsigned needs, struct str *error);
/* Landlock for the calling thread and those that it makes.  Returns the ABI used, 0 for none, -1 with error. */
int sandbox_landlock_enter(const struct sandbox *box, struct str *error);

/* Numbers that are the same on every architecture, for older headers */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#define SYS_fspick 433
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#endif
