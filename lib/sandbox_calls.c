/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which system calls a stage may make.  The lists name what glibc and musl make of the functions that the stages use, so that they hold for both;
 * what is in no list answers ENOSYS, upon which a C library falls back to an older call (clone3, fchmodat2) or says so.
 * What is called for each message stands first: the filter is read from the top.
 */
#include "sandbox_internal.h"

#if defined(__x86_64__) || defined(__aarch64__)

#define COUNT(calls) (sizeof (calls) / sizeof (calls)[0])
#define GROUP(rule, needs, calls) { rule, needs, calls, COUNT(calls) }

static const int always[] = {
	/* open descriptors and the loop */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_close,
	SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_epoll_create1, SYS_lseek, SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_statx,
	SYS_dup, SYS_dup3, SYS_pipe2, SYS_close_range, SYS_ppoll, SYS_pselect6, SYS_eventfd2, SYS_signalfd4,
	SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_memfd_create, SYS_ftruncate, SYS_umask,
	/* memory */
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_msync, SYS_mlock, SYS_mlock2, SYS_munlock,
	/* time */
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_times, SYS_getitimer, SYS_setitimer,
	/* threads that exist, signals, the end */
	SYS_futex, SYS_futex_waitv, SYS_set_robust_list, SYS_get_robust_list, SYS_set_tid_address, SYS_rseq, SYS_membarrier,
	SYS_sched_yield, SYS_sched_getaffinity, SYS_getcpu, SYS_restart_syscall,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack,
	SYS_exit, SYS_exit_group,
	/* facts */
	SYS_getrandom, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid,
	SYS_getgroups, SYS_getpgid, SYS_getsid, SYS_getpriority, SYS_getrusage, SYS_capget, SYS_uname, SYS_sysinfo,
#ifdef SYS_getrlimit
	SYS_getrlimit,
#endif
#ifdef __x86_64__
	SYS_epoll_wait, SYS_epoll_create, SYS_poll, SYS_select, SYS_dup2, SYS_pipe, SYS_eventfd, SYS_signalfd, SYS_time, SYS_pause, SYS_alarm, SYS_getpgrp,
#endif
};

static const int sockets[] = {
	SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto, SYS_accept4, SYS_accept, SYS_connect, SYS_getsockopt, SYS_setsockopt,
	SYS_getsockname, SYS_getpeername, SYS_shutdown, SYS_recvmmsg, SYS_sendmmsg,
};

static const int inet[] = { SYS_bind };		/* to choose the address that a connection comes from */

static const int files[] = {
	SYS_openat, SYS_openat2, SYS_fdatasync, SYS_fsync, SYS_renameat, SYS_renameat2, SYS_linkat, SYS_unlinkat, SYS_mkdirat, SYS_sync_file_range, SYS_syncfs,
	SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_truncate, SYS_fallocate, SYS_copy_file_range, SYS_sendfile, SYS_flock,
	SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_utimensat, SYS_statfs, SYS_fstatfs, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_readahead,
	SYS_fsetxattr, SYS_fgetxattr, SYS_fremovexattr,
#ifdef SYS_fadvise64
	SYS_fadvise64,
#endif
#ifdef __x86_64__
	SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_rename, SYS_link, SYS_unlink, SYS_mkdir, SYS_rmdir, SYS_readlink, SYS_getdents,
	SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

static const int reading[] = {
	SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_statfs, SYS_fstatfs, SYS_getcwd, SYS_chdir,
#ifdef __x86_64__
	SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents,
#endif
};
static const int openats[] = { SYS_openat };
static const int maps[] = { SYS_mmap };
static const int waits[] = { SYS_wait4, SYS_waitid };
static const int kills[] = { SYS_kill };
static const int becoming[] = { SYS_setgroups, SYS_setresgid, SYS_setresuid };
#ifdef __x86_64__
static const int opens[] = { SYS_open };
#endif

static const int threads[] = { SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min };

/* With children the calls that are in no list pass, as a program of somebody else's will need them; what stands here is what would be filtered. */
static const int children[] = {
	SYS_execve, SYS_execveat, SYS_wait4, SYS_waitid, SYS_setpgid, SYS_setsid, SYS_kill, SYS_tkill, SYS_tgkill, SYS_mmap, SYS_mprotect, SYS_ioctl, SYS_prctl,
	SYS_prlimit64, SYS_personality,
#ifdef __x86_64__
	SYS_fork, SYS_vfork, SYS_arch_prctl,
#endif
};

static const int executable[] = { SYS_mmap, SYS_mprotect };
static const int ioctls[] = { SYS_ioctl };
static const int families[] = { SYS_socket };
static const int pairs[] = { SYS_socketpair };
static const int clones[] = { SYS_clone };
#ifdef __x86_64__
static const int forks[] = { SYS_fork, SYS_vfork };
#endif
static const int limits[] = { SYS_prlimit64 };
static const int self[] = { SYS_kill, SYS_tgkill, SYS_tkill };	/* tkill is musl's raise: from the first thread, whose number is the process's */
static const int prctls[] = { SYS_prctl };

static const int identity[] = {
	SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_capset,
};

/* No stage has a reason to make these: who does is not the stage any more. */
static const int dangerous[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp, SYS_pidfd_getfd,
	SYS_chroot, SYS_pivot_root, SYS_mount, SYS_umount2, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr,
	SYS_unshare, SYS_setns, SYS_open_by_handle_at, SYS_fanotify_init, SYS_quotactl, SYS_swapon, SYS_swapoff, SYS_acct,
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_add_key, SYS_request_key, SYS_keyctl,
	SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname, SYS_syslog, SYS_vhangup,
	SYS_personality,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef __x86_64__
	SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
};

const struct sandbox_group sandbox_calls[] = {
	GROUP(SANDBOX_ALLOW, 0, always),
	GROUP(SANDBOX_ALLOW, SANDBOX_UNIX | SANDBOX_INET, sockets),
	GROUP(SANDBOX_ALLOW, SANDBOX_INET, inet),
	GROUP(SANDBOX_ALLOW, SANDBOX_FILES, files),
	GROUP(SANDBOX_ALLOW, SANDBOX_THREADS, threads),
	GROUP(SANDBOX_ALLOW, SANDBOX_CHILDREN, children),
	GROUP(SANDBOX_ALLOW, SANDBOX_READING, reading),
	GROUP(SANDBOX_OPENAT_READING, SANDBOX_READING, openats),
	GROUP(SANDBOX_ALLOW, SANDBOX_NAMES, waits),
	GROUP(SANDBOX_FILE_EXECUTABLE, SANDBOX_NAMES, maps),
	GROUP(SANDBOX_SIGKILL, SANDBOX_NAMES, kills),
	GROUP(SANDBOX_ALLOW, SANDBOX_BECOME, becoming),
#ifdef __x86_64__
	GROUP(SANDBOX_OPEN_READING, SANDBOX_READING, opens),
	GROUP(SANDBOX_ALLOW, SANDBOX_NAMES, forks),
#endif
	GROUP(SANDBOX_NOT_EXECUTABLE, 0, executable),
	GROUP(SANDBOX_IOCTL, 0, ioctls),
	GROUP(SANDBOX_SOCKET, 0, families),
	GROUP(SANDBOX_PAIR, SANDBOX_UNIX, pairs),
	GROUP(SANDBOX_CLONE, 0, clones),
#ifdef __x86_64__
	GROUP(SANDBOX_REFUSE, 0, forks),
#endif
	GROUP(SANDBOX_LIMIT, 0, limits),
	GROUP(SANDBOX_SELF, 0, self),
	GROUP(SANDBOX_PRCTL, 0, prctls),
	GROUP(SANDBOX_IDENTITY, 0, identity),
	GROUP(SANDBOX_KILL, 0, dangerous),
};
const size_t sandbox_calls_count = COUNT(sandbox_calls);

#else

/* An architecture whose numbers and argument words nobody has looked at yet: no filter (sandbox_has_seccomp). */
const struct sandbox_group sandbox_calls[] = { { SANDBOX_ALLOW, 0, NULL, 0 } };
const size_t sandbox_calls_count = 0;

#endif
