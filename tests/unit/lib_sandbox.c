/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"

/* Each case runs in a child of its own, after the sandbox was entered: 0 is good, anything else names the check that failed. */
typedef int case_fn(void);

#define CHECK(condition) do { if (!(condition)) return __LINE__ % 200 + 20; } while (0)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static int run_box(const struct sandbox *box, case_fn *fn)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct str error = STR_INIT(1024);

		if (sandbox_enter(box, NULL, &error) < 0) {
			fprintf(stderr, "%s\n", error.data);
			_exit(1);
		}
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int run(unsigned needs, case_fn *fn)
{
	struct sandbox box = { .mode = SANDBOX_ON, .needs = needs };

	return run_box(&box, fn);
}

static bool works(unsigned needs, case_fn *fn)
{
	int status = run(needs, fn);

	if (status != 0)
		print_message("[  NOTE  ] status %x\n", (unsigned)status);
	return status == 0;
}

static bool dies(unsigned needs, case_fn *fn)
{
	int status = run(needs, fn);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void skip_unfit(void)
{
	if (!sandbox_has_seccomp() || SANITIZED) {
		print_message("[  NOTE  ] no filter on this architecture, or under a sanitizer, whose calls it does not know\n");
		skip();
	}
}

/* What every stage may do */

static volatile sig_atomic_t caught;	/* a handler can tell in no other way */

static void catch(int signal)
{
	caught = signal;
}

static int ordinary(void)
{
	int ends[2], fd, loop;
	struct epoll_event event = { .events = EPOLLIN };
	struct timespec now, little = { 0, 1000 };
	struct stat about;
	struct rlimit limit;
	char byte = 'x', *memory;
	sigset_t set;

	CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 && write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1);
	CHECK(fstat(ends[0], &about) == 0 && fcntl(ends[0], F_GETFL) >= 0);
	loop = epoll_create1(EPOLL_CLOEXEC);
	fd = eventfd(1, EFD_CLOEXEC);
	CHECK(loop >= 0 && fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0 && epoll_wait(loop, &event, 1, 100) == 1);
	CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0 && nanosleep(&little, NULL) == 0 && time(NULL) > 0);
	memory = malloc(1000000);
	CHECK(memory != NULL);
	memset(memory, 1, 1000000);
	memory = realloc(memory, 8000000);
	CHECK(memory != NULL);
	free(memory);
	CHECK(getrandom(&byte, 1, 0) == 1 && getpid() > 0 && getuid() == geteuid());
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && signalfd(-1, &set, SFD_CLOEXEC) >= 0);
	CHECK(signal(SIGUSR1, catch) != SIG_ERR && raise(SIGUSR1) == 0 && caught == SIGUSR1 && kill(getpid(), 0) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && dup2(fd, ends[0]) >= 0 && close(fd) == 0);
	CHECK(printf("%s", "") == 0 && fflush(stdout) == 0 && isatty(ends[1]) == 0);
	CHECK(prctl(PR_SET_NAME, "worker", 0, 0, 0) == 0);
	return 0;
}

static void allowed(void **state)
{
	(void)state;
	skip_unfit();
	assert_true(works(0, ordinary));
	assert_true(works(SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET | SANDBOX_THREADS | SANDBOX_CHILDREN, ordinary));
}

static int aborts(void)
{
	abort();
}

static void abort_works(void **state)
{
	int status;

	(void)state;
	skip_unfit();
	status = run(0, aborts);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* What nobody may do */

static int do_ptrace(void) { return (int)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }
static int do_chroot(void) { return (int)syscall(SYS_chroot, "/"); }
static int do_mount(void) { return (int)syscall(SYS_mount, "a", "b", "c", 0, 0); }
static int do_exec(void) { char *const argv[] = { (char []){ "true" }, NULL }; return execve("/bin/true", argv, argv + 1); }
static int do_setuid(void) { return (int)syscall(SYS_setuid, 0); }
static int do_unshare(void) { return (int)syscall(SYS_unshare, 0); }
static int do_bpf(void) { return (int)syscall(SYS_bpf, 0, 0, 0); }
static int do_keyctl(void) { return (int)syscall(SYS_keyctl, 0, 0, 0); }
static int do_uring(void) { return (int)syscall(425, 1, NULL); }
static int do_reboot(void) { return (int)syscall(SYS_reboot, 0, 0, 0, 0); }
static int do_memory(void) { return (int)syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0); }
static int do_namespace(void) { return (int)syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0); }

static void dangerous(void **state)
{
	static case_fn *const calls[] = { do_ptrace, do_chroot, do_mount, do_exec, do_setuid, do_unshare, do_bpf, do_keyctl, do_uring, do_reboot, do_memory, do_namespace };

	(void)state;
	skip_unfit();
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		assert_true(dies(SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET | SANDBOX_THREADS, calls[i]));
}

#ifdef __x86_64__
static int do_x32(void) { return (int)syscall(0x40000000L | SYS_getpid); }
static int do_i386(void) { long result = 20; __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11"); return result > 0 ? 0 : 1; }

static void other_numbers(void **state)
{
	(void)state;
	skip_unfit();
	assert_true(dies(0, do_x32));
	assert_true(WIFSIGNALED(run(0, do_i386)));
}
#endif

static int unknown_calls(void)
{
	CHECK(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
	CHECK(syscall(999) == -1 && errno == ENOSYS);
	CHECK(syscall(SYS_mknodat, AT_FDCWD, "x", 0, 0) == -1 && errno == ENOSYS);
	return 0;
}

static int without_needs(void)
{
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == ENOSYS);
	CHECK(syscall(SYS_linkat, AT_FDCWD, "a", AT_FDCWD, "b", 0) == -1 && errno == ENOSYS);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
	CHECK(fork() == -1 && errno == EPERM);
	CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
	return 0;
}

static int no_executable_memory(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK(mprotect(memory, 4096, PROT_READ) == 0);
	CHECK(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == -1 && errno == EACCES);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EACCES);
	return 0;
}

static int no_limits(void)
{
	struct rlimit limit = { 5, 5 };

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == -1);
	CHECK(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, &limit) == -1 && errno == EPERM);
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 && errno == EPERM);
	CHECK(syscall(SYS_ioctl, 0, 0x5412, "x") == -1 && errno == ENOTTY);	/* TIOCSTI: type into the terminal */
	return 0;
}

static void refused(void **state)
{
	(void)state;
	skip_unfit();
	assert_true(works(0, unknown_calls));
	assert_true(works(SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET | SANDBOX_THREADS, unknown_calls));
	assert_true(works(0, without_needs));
	assert_true(works(SANDBOX_THREADS, no_executable_memory));
	assert_true(works(0, no_limits));
}

/* Sockets */

static int unix_sockets(void)
{
	int ends[2];
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/no/such/socket" };

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK(sendmsg(ends[0], &message, 0) == 1 && recvmsg(ends[1], &message, 0) == 1);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
	ends[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(ends[0] >= 0 && connect(ends[0], (struct sockaddr *)&address, sizeof address) == -1 && errno == ENOENT);
	return 0;
}

static int inet_sockets(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == ECONNREFUSED);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
	return 0;
}

static void sockets(void **state)
{
	(void)state;
	skip_unfit();
	assert_true(works(SANDBOX_UNIX, unix_sockets));
	assert_true(works(SANDBOX_INET, inet_sockets));
}

/* Threads and children */

static void *thread(void *arg)
{
	char *memory = malloc(300000);

	memset(memory, 1, 300000);
	free(memory);
	*(int *)arg = 7;
	return arg;
}

static int make_thread(void)
{
	pthread_t id;
	int value = 0;

	CHECK(pthread_create(&id, NULL, thread, &value) == 0);
	CHECK(pthread_join(id, NULL) == 0 && value == 7);
	CHECK(fork() == -1 && errno == EPERM);
	return 0;
}

static int no_thread(void)
{
	pthread_t id;
	int value = 0;

	CHECK(pthread_create(&id, NULL, thread, &value) != 0);
	return 0;
}

static int make_child(void)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5);
	CHECK(setuid(getuid()) == -1 && errno == EPERM);
	return 0;
}

static void threads_and_children(void **state)
{
	(void)state;
	skip_unfit();
	assert_true(works(SANDBOX_THREADS, make_thread));
	assert_true(works(0, no_thread));
	assert_true(works(SANDBOX_CHILDREN, make_child));
	assert_true(dies(SANDBOX_CHILDREN, do_ptrace));
	assert_true(dies(SANDBOX_CHILDREN, do_namespace));
}

/* Files: Landlock and the calls.  The scratch directory is the child's working directory. */

static int file_calls(void)
{
	int fd = open("rw/a", O_RDWR | O_CREAT | O_CLOEXEC, 0600), directory, other;
	struct stat about;
	DIR *list;
	struct flock lock = { .l_type = F_WRLCK };

	CHECK(fd >= 0 && pwrite(fd, "abc", 3, 0) == 3 && fsync(fd) == 0 && fdatasync(fd) == 0 && ftruncate(fd, 2) == 0);
	CHECK(posix_fallocate(fd, 0, 4096) == 0 && flock(fd, LOCK_EX) == 0 && fcntl(fd, F_SETLK, &lock) == 0);
	CHECK(fchmod(fd, 0640) == 0 && fchown(fd, (uid_t)-1, getgid()) == 0 && stat("rw/a", &about) == 0 && lstat("rw/a", &about) == 0);
	CHECK(mkdir("rw/d", 0700) == 0 && link("rw/a", "rw/d/b") == 0 && rename("rw/d/b", "rw/c") == 0 && truncate("rw/c", 0) == 0);
	other = open("rw/c", O_RDWR | O_CLOEXEC);
	CHECK(other >= 0 && unlink("rw/a") == 0 && unlink("rw/c") == 0 && rmdir("rw/d") == 0);
	directory = open("rw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(directory >= 0 && fsync(directory) == 0 && syncfs(directory) == 0 && fstatat(directory, ".", &about, 0) == 0);
	list = opendir("rw");
	CHECK(list != NULL && readdir(list) != NULL && closedir(list) == 0);
	CHECK(copy_file_range(fd, NULL, other, NULL, 1, 0) >= 0 || errno == EBADF || errno == EINVAL || errno == EXDEV);
	CHECK(access("rw", R_OK) == 0 && utimensat(directory, ".", NULL, 0) == 0);
	return 0;
}

static int beyond_paths(void)
{
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
	CHECK(open("/etc/passwd", O_RDONLY | O_PATH) >= 0);
	CHECK(open("secret", O_RDONLY) == -1 && errno == EACCES);
	CHECK(open("ro/file", O_RDONLY) >= 0);
	CHECK(open("ro/file", O_WRONLY) == -1 && errno == EACCES);
	CHECK(open("ro/new", O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES);
	CHECK(unlink("ro/file") == -1 && errno == EACCES);
	CHECK(rename("ro/file", "rw/file") == -1);
	CHECK(open("one", O_RDONLY) >= 0 && open("one", O_WRONLY) >= 0);
	CHECK(open("wo/new", O_WRONLY | O_CREAT, 0600) >= 0 && open("wo/new", O_RDONLY) == -1 && errno == EACCES);
	return 0;
}

static int everything(void)
{
	CHECK(open("/etc/passwd", O_RDONLY) >= 0);
	return 0;
}

static struct sockaddr_un abstract = { .sun_family = AF_UNIX };
static socklen_t abstract_len = sizeof abstract;

static int no_abstract_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&abstract, abstract_len) == -1 && errno == EPERM);
	return 0;
}

/* The kernel chooses a free name when none is given. */
static int abstract_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&abstract, sizeof (sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&abstract, &abstract_len), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int scratch(void **state)
{
	static const char *const directories[] = { "rw", "ro", "wo" }, *const files[] = { "secret", "one", "ro/file" };
	char *path = strdup("/tmp/sandbox.XXXXXX");

	if (path == NULL || mkdtemp(path) == NULL || chdir(path) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		int fd;

		if (mkdir(directories[i], 0700) < 0)
			return -1;
		fd = open(files[i], O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			return -1;
		close(fd);
	}
	*state = path;
	return 0;
}

static int clean(void **state)
{
	static const char *const files[] = { "secret", "one", "ro/file", "wo/new" }, *const directories[] = { "rw", "ro", "wo" };

	for (size_t i = 0; i < 4; i++)
		unlink(files[i]);
	for (size_t i = 0; i < 3; i++)
		rmdir(directories[i]);
	if (chdir("/") < 0)
		return -1;
	rmdir(*state);
	free(*state);
	return 0;
}

static int landlock_version(void)
{
	return (int)syscall(444, NULL, 0, 1);
}

static void files(void **state)
{
	struct sandbox box = { .mode = SANDBOX_ON, .needs = SANDBOX_FILES | SANDBOX_UNIX };

	(void)state;
	skip_unfit();
	assert_int_equal(sandbox_allow(&box, "rw", SANDBOX_READ | SANDBOX_WRITE), 0);
	assert_int_equal(sandbox_allow(&box, "ro", SANDBOX_READ), 0);
	assert_int_equal(sandbox_allow(&box, "wo", SANDBOX_WRITE), 0);
	assert_int_equal(sandbox_allow(&box, "one", SANDBOX_READ | SANDBOX_WRITE), 0);
	assert_int_equal(run_box(&box, file_calls), 0);
	if (landlock_version() < 2) {
		print_message("[  NOTE  ] this kernel has no Landlock of ABI 2 or later\n");
		skip();
	}
	assert_int_equal(run_box(&box, beyond_paths), 0);
	if (landlock_version() >= 6) {
		int fd = abstract_listener();

		assert_int_equal(run_box(&box, no_abstract_socket), 0);
		close(fd);
	}
}

static int reports_version(void)
{
	return 0;
}

static void modes(void **state)
{
	struct sandbox box = { .mode = SANDBOX_OFF };
	enum sandbox_mode mode;
	struct str error = STR_INIT(1024);
	int landlock = 9;

	(void)state;
	assert_int_equal(run_box(&box, do_chroot), geteuid() == 0 ? 0 : 255 << 8);
	assert_int_equal(sandbox_enter(&box, &landlock, &error), 0);
	assert_int_equal(landlock, 0);
	assert_int_equal(sandbox_parse_mode("on", &mode), 0);
	assert_int_equal(mode, SANDBOX_ON);
	assert_int_equal(sandbox_parse_mode("log", &mode), 0);
	assert_int_equal(mode, SANDBOX_LOG);
	assert_int_equal(sandbox_parse_mode("off", &mode), 0);
	assert_int_equal(mode, SANDBOX_OFF);
	assert_int_equal(sandbox_parse_mode("of", &mode), -1);
	skip_unfit();
	box.mode = SANDBOX_LOG;
	assert_int_equal(run_box(&box, everything), 0);
	assert_int_equal(run_box(&box, do_unshare), 0);
	box.mode = SANDBOX_ON;
	assert_int_equal(sandbox_allow(&box, "/no/such/path", SANDBOX_READ), 0);
	assert_int_equal(sandbox_enter(&box, NULL, &error), -1);
	assert_non_null(strstr(error.data, "/no/such/path"));
	str_free(&error);
	for (size_t i = box.path_count; i < SANDBOX_PATHS_MAX; i++)
		assert_int_equal(sandbox_allow(&box, "/", SANDBOX_READ), 0);
	assert_int_equal(sandbox_allow(&box, "/", SANDBOX_READ), -1);
	box.path_count = 0;
	assert_int_equal(run_box(&box, reports_version), 0);
}

static int reads_alone(void)
{
	CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0);
	CHECK(open("/dev/null", O_WRONLY) == -1 && errno == EACCES);
	CHECK(open("/dev/null", O_RDWR) == -1 && errno == EACCES);
	CHECK(open("/tmp/sandbox.new", O_RDONLY | O_CREAT, 0600) == -1 && errno == EACCES);
	CHECK(open("/tmp", O_TMPFILE | O_WRONLY, 0600) == -1 && errno == EACCES);
	CHECK(unlink("/tmp/sandbox.new") == -1 && errno == ENOSYS);
	CHECK(fork() == -1 && errno == EPERM);
	CHECK(setresuid(getuid(), getuid(), getuid()) == 0);
	return 0;
}

static int tries_to_become(void)
{
	return setresuid(getuid(), getuid(), getuid());
}

static int keeps_memory(void)
{
	int fd = open("/bin/sh", O_RDONLY);

	CHECK(fd >= 0 && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EACCES);
	return 0;
}

static int maps_libraries(void)
{
	int fd = open("/bin/sh", O_RDONLY);

	CHECK(fd >= 0 && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EACCES);
	CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 && errno == EPERM);
	CHECK(setresuid(getuid(), getuid(), getuid()) == -1 && errno == EPERM);
	return 0;
}

/* What keepers have */
static void keepers(void **state)
{
	struct sandbox box = { .mode = SANDBOX_ON, .needs = SANDBOX_UNIX | SANDBOX_READING };

	(void)state;
	skip_unfit();
	assert_int_equal(sandbox_allow(&box, "/", SANDBOX_READ), 0);
	assert_int_equal(run_box(&box, keeps_memory), 0);
	assert_int_equal(WTERMSIG(run_box(&box, tries_to_become)), SIGSYS);
	box.needs |= SANDBOX_BECOME;
	assert_int_equal(run_box(&box, reads_alone), 0);
	box.needs = SANDBOX_UNIX | SANDBOX_READING | SANDBOX_INET | SANDBOX_NAMES;
	assert_int_equal(run_box(&box, maps_libraries), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed), cmocka_unit_test(abort_works), cmocka_unit_test(dangerous), cmocka_unit_test(refused),
#ifdef __x86_64__
		cmocka_unit_test(other_numbers),
#endif
		cmocka_unit_test(sockets), cmocka_unit_test(threads_and_children),
		cmocka_unit_test_setup_teardown(files, scratch, clean), cmocka_unit_test(modes), cmocka_unit_test(keepers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
