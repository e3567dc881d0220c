/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "keeper.h"
#include "keeper_internal.h"

#define USER 61234
#define GROUP 61235

/* What the callbacks saw */
struct seen {
	struct loop *loop;
	unsigned wanted, answers, started, ended;	/* the loop stops after `wanted` callbacks */
	int fd, error, status;
	struct keeper_process process;
	size_t count;
	struct sockaddr_storage first;
	char name[300];
	struct keeper *stop;		/* stopped from within the next callback */
};

struct fixture {
	char directory[64];
	struct loop *loop;
	struct keeper_list *list;
	struct loop_timer limit;
	struct seen seen;
};

static void one_more(struct seen *seen)
{
	if (seen->stop != NULL) {
		struct keeper *keeper = seen->stop;

		seen->stop = NULL;
		keeper_stop(keeper);
	}
	if (seen->wanted > 0 && --seen->wanted == 0)
		loop_stop(seen->loop);
}

static void got_fd(void *arg, int fd, int error)
{
	struct seen *seen = arg;

	seen->answers++;
	seen->fd = fd;
	seen->error = error;
	one_more(seen);
}

static void got_start(void *arg, const struct keeper_process *process, int error)
{
	struct seen *seen = arg;

	seen->started++;
	seen->error = error;
	if (process != NULL)
		seen->process = *process;
	one_more(seen);
}

static void got_end(void *arg, uint32_t handle, int status)
{
	struct seen *seen = arg;

	(void)handle;
	seen->ended++;
	seen->status = status;
	one_more(seen);
}

static void got_names(void *arg, const struct sockaddr_storage *addresses, size_t count, int error)
{
	struct seen *seen = arg;

	seen->answers++;
	seen->error = error;
	seen->count = count;
	if (count > 0)
		seen->first = addresses[0];
	one_more(seen);
}

static void got_host(void *arg, const char *name, int error)
{
	struct seen *seen = arg;

	seen->answers++;
	seen->error = error;
	(void)snprintf(seen->name, sizeof seen->name, "%s", name != NULL ? name : "");
	one_more(seen);
}

static void too_late(void *arg)
{
	(void)arg;
	fail_msg("no answer within 20 s");
}

static void wait_for(struct fixture *f, unsigned callbacks)
{
	f->seen.wanted = callbacks;
	assert_int_equal(loop_timer_set(f->loop, &f->limit, clock_boot() + 20 * CLOCK_SECOND), 0);
	assert_int_equal(loop_run(f->loop), 0);
	loop_timer_clear(f->loop, &f->limit);
	assert_int_equal(f->seen.wanted, 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	(void)snprintf(f->directory, sizeof f->directory, "/tmp/keeper.XXXXXX");
	if (mkdtemp(f->directory) == NULL || chdir(f->directory) < 0 || chmod(f->directory, 0755) < 0)
		return -1;
	f->loop = loop_new();
	f->list = keeper_list_new();
	f->seen.loop = f->loop;
	loop_timer_init(&f->limit, too_late, NULL);
	*state = f;
	return f->loop != NULL && f->list != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "file", "fifo", "new", "link", "socket", "out" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		unlink(files[i]);
	if (chdir("/") < 0 || rmdir(f->directory) < 0)
		return -1;
	loop_free(f->loop);
	keeper_list_free(f->list);
	free(f);
	return 0;
}

static const char *in_directory(const struct fixture *f, const char *name, char path[128])
{
	(void)snprintf(path, 128, "%s/%s", f->directory, name);
	return path;
}

static int add_file(struct fixture *f, const char *name, int flags)
{
	char path[128];
	int index = keeper_add_file(f->list, in_directory(f, name, path), flags, 0640);

	assert_true(index >= 0);
	return index;
}

static struct keeper *start_as(struct fixture *f, uid_t uid, gid_t gid)
{
	struct str error = STR_INIT(1024);
	struct keeper *keeper = keeper_start(f->list, uid, gid, &error);

	if (keeper == NULL)
		fail_msg("%s", error.data);
	str_free(&error);
	assert_int_equal(keeper_attach(keeper, f->loop), 0);
	return keeper;
}

static struct keeper *start(struct fixture *f)
{
	return start_as(f, getuid(), getgid());
}

static int add_shell(struct fixture *f, const char *script, uid_t uid, gid_t gid)
{
	char *const argv[] = { (char []){ "/bin/sh" }, (char []){ "-c" }, strdup(script), NULL };
	char *const env[] = { (char []){ "PATH=/usr/bin:/bin" }, NULL }, *const names[] = { (char []){ "SENDER" }, (char []){ "RECIPIENT" }, NULL };
	const struct keeper_command command = { .argv = argv, .env = env, .env_names = names, .uid = uid, .gid = gid, .max_files = 50 };
	int index = keeper_add_command(f->list, &command);

	free(argv[2]);
	assert_true(index >= 0);
	return index;
}

static void read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

/* Runs a command to its end and returns what it wrote. */
static void run_to_end(struct fixture *f, struct keeper *keeper, int index, char *const *env, char *text, size_t size)
{
	f->seen.started = f->seen.ended = 0;
	assert_int_equal(keeper_run(keeper, index, env, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, 0);
	assert_int_equal(f->seen.started, 1);
	close(f->seen.process.input);
	if (f->seen.ended == 0)
		wait_for(f, 1);
	assert_int_equal(f->seen.ended, 1);
	read_all(f->seen.process.output, text, size);
}

static void lists(void **state)
{
	struct fixture *f = *state;
	char *const argv[] = { (char []){ "true" }, NULL };
	const struct keeper_command relative = { .argv = argv }, none = { .argv = argv + 1 };
	char path[200];

	assert_true(keeper_list_empty(f->list));
	assert_int_equal(keeper_add_file(f->list, "relative", O_RDONLY, 0), -1);
	assert_int_equal(keeper_add_file(f->list, "/x", O_RDWR, 0), -1);
	assert_int_equal(keeper_add_file(f->list, "/x", O_WRONLY | O_TRUNC, 0), -1);
	assert_int_equal(keeper_add_socket(f->list, "relative"), -1);
	memset(path, '/', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(keeper_add_socket(f->list, path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(keeper_add_command(f->list, &relative), -1);
	assert_int_equal(keeper_add_command(f->list, &none), -1);
	assert_true(keeper_list_empty(f->list));
	for (int i = 0; i < KEEPER_ITEMS_MAX; i++)
		assert_int_equal(keeper_add_file(f->list, "/x", O_RDONLY, 0), i);
	assert_int_equal(keeper_add_file(f->list, "/x", O_RDONLY, 0), -1);
	assert_int_equal(errno, ENOSPC);
	assert_false(keeper_list_empty(f->list));
}

static void clean_environment(void **state)
{
	char *const names[] = { (char []){ "A" }, (char []){ "LONG" }, NULL };
	static const struct { const char *env[3]; bool clean; } cases[] = {
		{ { "A=x" }, true }, { { "A=" }, true }, { { "A=\xc3\xa9 = ;$(x)" }, true }, { { "A=x", "LONG=y" }, true },
		{ { "A" }, false }, { { "" }, false }, { { "=x" }, false }, { { "B=x" }, false }, { { "LO=x" }, false }, { { "LONGER=x" }, false },
		{ { "A=x\n" }, false }, { { "A=\x7f" }, false }, { { "A=() { :; }" }, false }, { { "A=1", "A=2" }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *env[3] = { NULL };
		size_t count = 0;

		for (; cases[i].env[count] != NULL; count++)
			env[count] = strdup(cases[i].env[count]);
		assert_int_equal(keeper_list_clean(names, env, count), cases[i].clean);
		for (size_t k = 0; k < count; k++)
			free(env[k]);
	}
}

static void expect_open(struct fixture *f, struct keeper *keeper, int index, int error)
{
	f->seen.fd = -2;
	assert_int_equal(keeper_open(keeper, index, got_fd, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, error);
	assert_true(error == 0 ? f->seen.fd >= 0 : f->seen.fd == -1);
}

static void files(void **state)
{
	struct fixture *f = *state;
	int file = add_file(f, "file", O_RDONLY), missing = add_file(f, "missing", O_RDONLY), fifo = add_file(f, "fifo", O_RDONLY);
	int new = add_file(f, "new", O_WRONLY | O_APPEND | O_CREAT), link_to = add_file(f, "link", O_WRONLY | O_APPEND | O_CREAT), directory = add_file(f, "", O_RDONLY);
	struct keeper *keeper;
	struct stat about;
	char byte;

	f->seen.fd = open("file", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(f->seen.fd, "x", 1), 1);
	close(f->seen.fd);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("file", "link"), 0);
	keeper = start(f);
	expect_open(f, keeper, file, 0);
	assert_int_equal(fcntl(f->seen.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(read(f->seen.fd, &byte, 1), 1);
	close(f->seen.fd);
	expect_open(f, keeper, missing, ENOENT);
	expect_open(f, keeper, fifo, EINVAL);
	expect_open(f, keeper, directory, EINVAL);
	expect_open(f, keeper, link_to, ELOOP);
	for (int i = 0; i < 2; i++) {
		expect_open(f, keeper, new, 0);
		assert_int_equal(write(f->seen.fd, "ab", 2), 2);
		close(f->seen.fd);
	}
	assert_int_equal(stat("new", &about), 0);
	assert_int_equal(about.st_size, 4);
	assert_int_equal(about.st_mode & 0777, 0640);
	keeper_stop(keeper);
}

static void sockets(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int there = keeper_add_socket(f->list, in_directory(f, "socket", path)), missing = keeper_add_socket(f->list, "/no/such/socket");
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct keeper *keeper = start(f);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(keeper_connect(keeper, there, got_fd, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, 0);
	assert_int_equal(write(f->seen.fd, "x", 1), 1);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	close(f->seen.fd);
	assert_int_equal(keeper_connect(keeper, missing, got_fd, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, ENOENT);
	assert_int_equal(f->seen.fd, -1);
	close(listener);
	keeper_stop(keeper);
}

static void commands(void **state)
{
	struct fixture *f = *state;
	/* signals 32 and 33 are the C library's own: what it inherited of them it can neither see nor reset */
	int facts = add_shell(f, "echo $SENDER-$RECIPIENT-$PWD; umask; ls /proc/self/fd | wc -l; "
	    "grep -E 'NoNew|SigIgn|SigBlk' /proc/self/status | sed '/^SigIgn/s/0000000180000000/0000000000000000/'; "
	    "echo e >&2; exit 3", getuid(), getgid());
	int copy = add_shell(f, "cat", getuid(), getgid());
	char *const argv[] = { (char []){ "/no/such/program" }, NULL };
	const struct keeper_command absent = { .argv = argv, .uid = getuid(), .gid = getgid() };
	int missing = keeper_add_command(f->list, &absent);
	char *const env[] = { (char []){ "SENDER=a b" }, NULL }, *const bad[] = { (char []){ "PATH=/tmp" }, NULL };
	struct keeper *keeper = start(f);
	char text[4096];

	run_to_end(f, keeper, facts, env, text, sizeof text);
	/* 0, 1, 2 and the one that ls reads with */
	assert_string_equal(text, "a b--/\n0077\n4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nNoNewPrivs:\t1\ne\n");
	assert_true(WIFEXITED(f->seen.status));
	assert_int_equal(WEXITSTATUS(f->seen.status), 3);

	assert_int_equal(keeper_run(keeper, copy, NULL, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(write(f->seen.process.input, "through", 7), 7);
	close(f->seen.process.input);
	wait_for(f, 1);
	read_all(f->seen.process.output, text, sizeof text);
	assert_string_equal(text, "through");

	f->seen.started = f->seen.ended = 0;
	assert_int_equal(keeper_run(keeper, missing, NULL, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, ENOENT);
	assert_int_equal(keeper_run(keeper, copy, bad, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, EINVAL);
	run_to_end(f, keeper, facts, NULL, text, sizeof text);
	assert_int_equal(f->seen.started, 1);
	assert_int_equal(f->seen.ended, 1);
	keeper_stop(keeper);
}

static void kill_command(void **state)
{
	struct fixture *f = *state;
	int index = add_shell(f, "sleep 100 & sleep 100", getuid(), getgid());
	struct keeper *keeper = start(f);
	char text[16];

	assert_int_equal(keeper_run(keeper, index, NULL, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	close(f->seen.process.input);
	assert_int_equal(keeper_kill(keeper, f->seen.process.handle + 1, SIGTERM), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(keeper_kill(keeper, f->seen.process.handle, SIGTERM), 0);
	wait_for(f, 1);
	assert_true(WIFSIGNALED(f->seen.status));
	assert_int_equal(WTERMSIG(f->seen.status), SIGTERM);
	read_all(f->seen.process.output, text, sizeof text);	/* ends: the whole group is dead */
	assert_int_equal(keeper_kill(keeper, f->seen.process.handle, SIGTERM), -1);
	keeper_stop(keeper);
}

static void many(void **state)
{
	struct fixture *f = *state;
	int index = add_shell(f, "exit 0", getuid(), getgid()), file = add_file(f, "file", O_RDONLY);
	struct keeper *keeper;

	keeper_allow_names(f->list);
	keeper = start(f);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(keeper_run(keeper, index, NULL, got_start, got_end, &f->seen), 0);
		while (f->seen.started == i)		/* the end of an earlier one may come between */
			wait_for(f, 1);
		assert_int_equal(f->seen.error, 0);
		close(f->seen.process.input);
		close(f->seen.process.output);
	}
	if (f->seen.ended < 40)
		wait_for(f, 40 - f->seen.ended);
	assert_int_equal(f->seen.started, 40);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(keeper_open(keeper, file, got_fd, &f->seen), 0);
	wait_for(f, 1000);
	f->seen.answers = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(keeper_resolve(keeper, "127.0.0.1", "25", got_names, &f->seen), 0);
	wait_for(f, 100);
	assert_int_equal(f->seen.answers, 100);
	assert_int_equal(f->seen.error, 0);
	keeper_stop(keeper);
}

static void names(void **state)
{
	struct fixture *f = *state;
	struct keeper *keeper;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char longest[300];
	struct addrinfo *found;

	keeper_allow_names(f->list);
	keeper = start(f);
	assert_int_equal(keeper_resolve(keeper, "127.0.0.1", "2525", got_names, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, 0);
	assert_int_equal(f->seen.count, 1);
	assert_int_equal(f->seen.first.ss_family, AF_INET);
	assert_int_equal(((struct sockaddr_in *)(void *)&f->seen.first)->sin_port, htons(2525));
	/* a host without /etc/hosts does not know it */
	bool known = getaddrinfo("localhost", NULL, NULL, &found) == 0;
	assert_int_equal(keeper_resolve(keeper, "localhost", NULL, got_names, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error == 0, known);
	assert_int_equal(f->seen.count >= 1, known);
	if (known)
		freeaddrinfo(found);
	assert_int_equal(keeper_resolve(keeper, "", NULL, got_names, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, EAI_NONAME);
	assert_int_equal(keeper_host(keeper, (struct sockaddr *)&address, sizeof address, got_host, &f->seen), 0);
	wait_for(f, 1);
	assert_true(f->seen.error != 0 || strlen(f->seen.name) > 0);
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(keeper_resolve(keeper, longest, NULL, got_names, &f->seen), -1);
	keeper_stop(keeper);
}

static void names_not_allowed(void **state)
{
	struct fixture *f = *state;
	struct keeper *keeper;

	add_file(f, "file", O_RDONLY);
	keeper = start(f);
	assert_int_equal(keeper_resolve(keeper, "127.0.0.1", "25", got_names, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, EAI_FAIL);
	keeper_stop(keeper);
}

static void stop_answers_all(void **state)
{
	struct fixture *f = *state;
	int index = add_shell(f, "trap '' TERM; echo ready; sleep 100 & wait; sleep 100", getuid(), getgid()), file = add_file(f, "file", O_RDONLY);
	struct keeper *keeper;
	char text[64];

	keeper_allow_names(f->list);
	keeper = start(f);
	assert_int_equal(keeper_run(keeper, index, NULL, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	close(f->seen.process.input);
	assert_int_equal(fcntl(f->seen.process.output, F_SETFL, 0), 0);
	assert_int_equal(read(f->seen.process.output, text, 6), 6);
	assert_int_equal(keeper_open(keeper, file, got_fd, &f->seen), 0);
	assert_int_equal(keeper_resolve(keeper, "127.0.0.1", "25", got_names, &f->seen), 0);
	keeper_stop(keeper);
	assert_int_equal(f->seen.answers, 2);
	assert_int_equal(f->seen.error, EAI_AGAIN);
	assert_int_equal(f->seen.ended, 1);
	assert_int_equal(f->seen.status, KEEPER_STATUS_UNKNOWN);
	assert_false(WIFEXITED(f->seen.status));
	assert_false(WIFSIGNALED(f->seen.status));
	read_all(f->seen.process.output, text, sizeof text);	/* ends within 2 s: SIGTERM was ignored, SIGKILL was not */
}

static void stop_from_callback(void **state)
{
	struct fixture *f = *state;
	int file = add_file(f, "missing", O_RDONLY);

	f->seen.stop = start(f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(keeper_open(f->seen.stop, file, got_fd, &f->seen), 0);
	wait_for(f, 5);
	assert_int_equal(f->seen.answers, 5);
}

static void keeper_dies(void **state)
{
	struct fixture *f = *state;
	int index = add_shell(f, "echo $PPID; exec sleep 100", getuid(), getgid()), file = add_file(f, "file", O_RDONLY);
	struct keeper *keeper = start(f);
	char text[32] = "";
	int pid;

	assert_int_equal(keeper_run(keeper, index, NULL, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(fcntl(f->seen.process.output, F_SETFL, 0), 0);
	assert_true(read(f->seen.process.output, text, sizeof text - 1) > 0);
	pid = atoi(text);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGTERM), 0);	/* is the stage's affair: nothing happens */
	expect_open(f, keeper, file, ENOENT);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(keeper_open(keeper, file, got_fd, &f->seen), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_for(f, 2);
	assert_int_equal(f->seen.error, EPIPE);
	assert_int_equal(f->seen.status, KEEPER_STATUS_UNKNOWN);
	assert_int_equal(keeper_open(keeper, file, got_fd, &f->seen), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(keeper_run(keeper, index, NULL, got_start, got_end, &f->seen), -1);
	keeper_stop(keeper);
	close(f->seen.process.input);
	read_all(f->seen.process.output, text, sizeof text);	/* ends: the command went with its keeper */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* What a stage that was taken over might send: the keeper goes, and nothing else happens. */
static void hostile_requests(void **state)
{
	struct fixture *f = *state;
	static const struct keeper_request bad[] = {
		{ KEEPER_VERBS, 1, 0, 0, 0 }, { UINT32_MAX, 1, 0, 0, 0 }, { KEEPER_OPEN, 1, 1, 0, 0 }, { KEEPER_OPEN, 1, -1, 0, 0 }, { KEEPER_OPEN, 1, INT32_MAX, 0, 0 },
		{ KEEPER_RUN, 1, 0, 0, 0 }, { KEEPER_CONNECT, 1, 0, 0, 0 }, { KEEPER_OPEN, 1, 0, 0, 5 },
	};
	struct str error = STR_INIT(1024);
	char big[20000] = "", byte;

	add_file(f, "file", O_RDONLY);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0] + 2; i++) {
		int fd = keeper_child_fork(f->list, getuid(), getgid(), &error);

		assert_true(fd >= 0);
		assert_int_equal(recv(fd, &byte, 1, 0), 1);
		assert_int_equal(byte, 0);
		if (i < sizeof bad / sizeof bad[0])
			assert_int_equal(send(fd, &bad[i], sizeof bad[i], 0), sizeof bad[i]);
		else if (i == sizeof bad / sizeof bad[0])
			assert_int_equal(send(fd, &bad[0], 3, 0), 3);
		else
			assert_int_equal(send(fd, big, sizeof big, 0), sizeof big);
		assert_true(recv(fd, &byte, 1, 0) <= 0);
		close(fd);
	}
	str_free(&error);
}

/* As root: whom it becomes, and whom its commands */
static void users(void **state)
{
	struct fixture *f = *state;
	int index;
	struct keeper *keeper;
	char text[4096];

	if (geteuid() != 0) {
		print_message("[  NOTE  ] not root: nothing to see here\n");
		skip();
	}
	index = add_shell(f, "id -u; id -g; id -G; grep -E '^(Uid|Groups|CapEff)' /proc/$PPID/status", USER, GROUP);
	keeper = start_as(f, USER, GROUP);
	run_to_end(f, keeper, index, NULL, text, sizeof text);
	assert_string_equal(text, "61234\n61235\n61235\nUid:\t61234\t61234\t61234\t61234\nGroups:\t61235 \nCapEff:\t0000000000000000\n");
	keeper_stop(keeper);
	keeper = start_as(f, USER + 1, GROUP);		/* commands of another user: it stays root */
	run_to_end(f, keeper, index, NULL, text, sizeof text);
	assert_non_null(strstr(text, "61234\n61235\n61235\nUid:\t0\t0\t0\t0\n"));
	keeper_stop(keeper);
	f->seen.fd = open("file", O_WRONLY | O_CREAT, 0600);
	close(f->seen.fd);
	add_file(f, "file", O_RDONLY);			/* which only root may read */
	keeper = start_as(f, USER, GROUP);
	run_to_end(f, keeper, index, NULL, text, sizeof text);
	assert_non_null(strstr(text, "Uid:\t0\t0\t0\t0\n"));
	keeper_stop(keeper);
}

static void not_root(void **state)
{
	struct fixture *f = *state;
	struct str error = STR_INIT(1024);
	int status;
	pid_t pid;

	add_shell(f, "exit 0", USER, GROUP);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(GROUP) < 0 || setuid(USER + 1) < 0))
			_exit(1);
		_exit(keeper_start(f->list, getuid(), getgid(), &error) == NULL && strstr(error.data, "must be root") != NULL ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	str_free(&error);
}

/* ---- what is forbidden to it ---- */

/* A number of the status of the youngest child, which the keeper is; hexadecimal ones too. */
static unsigned long long status_of(const char *name)
{
	char path[64], line[256];
	unsigned long long value = ~0ULL;
	int pid = -1, one;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "r");
	assert_non_null(file);
	while (fscanf(file, "%d", &one) == 1)
		pid = one;
	fclose(file);
	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = strtoull(line + strlen(name) + 1, NULL, strncmp(name, "Cap", 3) == 0 ? 16 : 10);
	fclose(file);
	return value;
}

static void expect_status(struct fixture *f, const char *name, unsigned long long value)
{
	struct keeper *keeper = start(f);

	assert_int_equal(status_of(name), value);
	keeper_stop(keeper);
}

/* A keeper of files, sockets and names has a filter, one of commands, which would inherit it, has none. */
static void filters(void **state)
{
	struct fixture *f = *state;
	char path[128];

	add_file(f, "file", O_RDONLY);
	assert_true(keeper_add_socket(f->list, in_directory(f, "socket", path)) >= 0);
	expect_status(f, "Seccomp", 2);
	expect_status(f, "NoNewPrivs", 1);
	keeper_set_sandbox(f->list, SANDBOX_OFF);
	expect_status(f, "Seccomp", 0);
	keeper_set_sandbox(f->list, SANDBOX_ON);
	keeper_allow_names(f->list);
	expect_status(f, "Seccomp", 2);
	add_shell(f, "true", getuid(), getgid());
	expect_status(f, "Seccomp", 0);
	expect_status(f, "NoNewPrivs", 1);
}

/* A service that is started anew makes its directory anew, and a token may be behind a link. */
static void made_anew(void **state)
{
	struct fixture *f = *state;
	char path[128], target[160];
	int token, behind_link;
	struct keeper *keeper;

	assert_int_equal(mkdir("run", 0755), 0);
	assert_int_equal(mkdir("run/service", 0755), 0);
	(void)snprintf(target, sizeof target, "%s", in_directory(f, "run/service/token", path));
	assert_int_equal(symlink(target, "link"), 0);
	token = add_file(f, "run/service/token", O_RDONLY);
	behind_link = add_file(f, "link", O_RDONLY);
	keeper = start(f);
	expect_open(f, keeper, token, ENOENT);
	for (int i = 0; i < 2; i++) {
		f->seen.fd = open("run/service/token", O_WRONLY | O_CREAT, 0644);
		assert_true(f->seen.fd >= 0);
		close(f->seen.fd);
		expect_open(f, keeper, token, 0);
		close(f->seen.fd);
		expect_open(f, keeper, behind_link, 0);
		close(f->seen.fd);
		assert_int_equal(unlink("run/service/token"), 0);
		assert_int_equal(rmdir("run/service"), 0);
		assert_int_equal(mkdir("run/service", 0755), 0);
	}
	keeper_stop(keeper);
	assert_int_equal(rmdir("run/service"), 0);
	assert_int_equal(rmdir("run"), 0);
}

static void wipe(void *arg)
{
	*(volatile int *)arg = 1;
}

/* In its own memory alone */
static void forgets(void **state)
{
	struct fixture *f = *state;
	int *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(shared != MAP_FAILED);
	keeper_set_forget(f->list, wipe, shared);
	keeper_allow_names(f->list);
	keeper_stop(start(f));
	assert_int_equal(*shared, 1);
	munmap(shared, sizeof *shared);
}

/* In the process that asks for a name: what it can still do, and what it cannot. */
static int ask_confined(const struct keeper_list *list)
{
	struct addrinfo *found, hints = { .ai_flags = AI_NUMERICHOST };
	int fd;

	if (keeper_child_sandbox_names(list) < 0)
		return 1;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2 || getaddrinfo("127.0.0.1", "25", &hints, &found) != 0)
		return 2;
	fd = socket(AF_NETLINK, SOCK_RAW, 0);
	if (fd < 0 || open("/etc/passwd", O_RDONLY) < 0)
		return 3;
	if (open("/tmp/deaddrop-keeper-test", O_WRONLY | O_CREAT, 0600) >= 0 || open("/dev/null", O_RDWR) >= 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		return 4;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED || kill(getppid(), 0) == 0 || kill(getppid(), SIGTERM) == 0)
		return 5;
	return execl("/bin/true", "true", NULL) < 0 && errno == EPERM ? 0 : 6;
}

static void names_beside_commands(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	add_shell(f, "true", getuid(), getgid());
	keeper_allow_names(f->list);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(ask_confined(f->list));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What stays root has just the powers for its list, and names are asked for by somebody else. */
static void capabilities(void **state)
{
	struct fixture *f = *state;
	struct keeper *keeper;
	int index;

	if (geteuid() != 0) {
		print_message("[  NOTE  ] not root: nothing to see here\n");
		skip();
	}
	f->seen.fd = open("file", O_WRONLY | O_CREAT, 0600);
	close(f->seen.fd);
	index = add_file(f, "file", O_RDONLY);		/* which only root may read */
	keeper = start_as(f, USER, GROUP);
	assert_int_equal(status_of("Uid"), 0);
	assert_int_equal(status_of("CapEff"), 0x6);
	assert_int_equal(status_of("CapBnd"), 0x6);
	assert_int_equal(status_of("Seccomp"), 2);
	expect_open(f, keeper, index, 0);
	close(f->seen.fd);
	keeper_stop(keeper);

	keeper_allow_names(f->list);
	keeper = start_as(f, USER, GROUP);
	assert_int_equal(status_of("CapEff"), 0xe6);
	assert_int_equal(status_of("Seccomp"), 2);
	expect_open(f, keeper, index, 0);
	close(f->seen.fd);
	assert_int_equal(keeper_resolve(keeper, "127.0.0.1", "25", got_names, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, 0);
	keeper_stop(keeper);

	add_shell(f, "true", USER + 1, GROUP);
	keeper = start_as(f, USER, GROUP);
	assert_int_equal(status_of("CapPrm") & ~0x1000000ULL, 0xe6);	/* a container may have taken SYS_RESOURCE from us */
	keeper_stop(keeper);
}

/* Bytes that no name has, and addresses that are none, do not reach the C library. */
static void strange_names(void **state)
{
	static const char *const strange[] = { "a\nb", "a b", "\x01", "x\x7f", "localhost\t" };
	struct fixture *f = *state;
	const struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "/x" };
	const struct sockaddr_in cut = { .sin_family = AF_INET };
	struct keeper *keeper;

	keeper_allow_names(f->list);
	keeper = start(f);
	for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
		assert_int_equal(keeper_resolve(keeper, strange[i], NULL, got_names, &f->seen), 0);
		wait_for(f, 1);
		assert_int_equal(f->seen.error, EAI_NONAME);
	}
	assert_int_equal(keeper_resolve(keeper, "127.0.0.1", "2 5", got_names, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, EAI_NONAME);
	assert_int_equal(keeper_host(keeper, (const struct sockaddr *)&path, sizeof path, got_host, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, EAI_NONAME);
	assert_int_equal(keeper_host(keeper, (const struct sockaddr *)&cut, sizeof cut - 9, got_host, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.error, EAI_NONAME);
	keeper_stop(keeper);
}

/* ---- becoming a user whom the request names ---- */

static int add_recipient(struct fixture *f, const char *script, uid_t least_uid, int (*function)(void *arg))
{
	char *const argv[] = { (char []){ "/bin/sh" }, (char []){ "-c" }, strdup(script), NULL };
	char *const env[] = { (char []){ "PATH=/usr/bin:/bin" }, (char []){ "HOME=/nowhere" }, NULL }, *const names[] = { (char []){ "SENDER" }, NULL };
	const struct keeper_recipient recipient = {
		.command = { .argv = function != NULL ? NULL : argv, .env = env, .env_names = names }, .function = function, .arg = f, .least_uid = least_uid,
	};
	int index = keeper_add_recipient(f->list, &recipient);

	free(argv[2]);
	assert_true(index >= 0);
	return index;
}

static void expect_refused(struct fixture *f, struct keeper *keeper, int index, const char *user, int error)
{
	f->seen.started = f->seen.ended = 0;
	assert_int_equal(keeper_become(keeper, index, user, NULL, got_start, got_end, &f->seen), 0);
	wait_for(f, 1);
	assert_int_equal(f->seen.started, 1);
	if (f->seen.error != error)
		fail_msg("%s: %s, not %s", user, strerror(f->seen.error), strerror(error));
}

static void become_to_end(struct fixture *f, struct keeper *keeper, int index, const char *user, char *text, size_t size)
{
	expect_refused(f, keeper, index, user, 0);
	close(f->seen.process.input);
	if (f->seen.ended == 0)
		wait_for(f, 1);
	read_all(f->seen.process.output, text, size);
}

static int say_who(void *arg)
{
	const struct fixture *f = arg;
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) < 0 || dprintf(1, "%u %u %u %u %s %s", real, effective, saved, getegid(), getenv("HOME"),
	    access(f->directory, W_OK) < 0 ? "no" : "yes") < 0;
}

/* Debian's daemon: uid and gid 1, HOME /usr/sbin */
static void recipients(void **state)
{
	static const char *const nobody_else[] = { "", "-x", ".x", "a/b", "../daemon", "a b", "x:y", "\x7f", "+daemon", "no-such-user", "no-such-user+daemon", "daemon2" };
	static const char script[] = "id -u; id -g; id -G; grep -E '^(Uid|Groups|CapEff)' /proc/self/status; echo $HOME $USER $LOGNAME $EXTENSION; umask; pwd -P";
	static const char is_daemon[] = "1\n1\n1\nUid:\t1\t1\t1\t1\nGroups:\t1 \nCapEff:\t0000000000000000\n/usr/sbin daemon daemon";
	struct fixture *f = *state;
	char text[4096], name[300];
	int low, high, function;
	struct keeper *keeper;

	if (geteuid() != 0) {
		print_message("[  NOTE  ] not root: nothing to see here\n");
		skip();
	}
	low = add_recipient(f, script, 0, NULL);
	high = add_recipient(f, script, 1000, NULL);
	function = add_recipient(f, "", 1, say_who);
	keeper = start_as(f, USER, GROUP);
	become_to_end(f, keeper, low, "daemon", text, sizeof text);
	assert_memory_equal(text, is_daemon, sizeof is_daemon - 1);
	assert_string_equal(text + sizeof is_daemon - 1, "\n0077\n/usr/sbin\n");
	become_to_end(f, keeper, low, "DAEMON+Lists+x", text, sizeof text);
	assert_string_equal(text + sizeof is_daemon - 1, " Lists+x\n0077\n/usr/sbin\n");
	become_to_end(f, keeper, function, "daemon", text, sizeof text);
	assert_string_equal(text, "1 1 1 1 /usr/sbin no");

	expect_refused(f, keeper, low, "root", EPERM);
	expect_refused(f, keeper, low, "ROOT+x", EPERM);
	expect_refused(f, keeper, function, "root", EPERM);
	expect_refused(f, keeper, low, "nobody", EPERM);
	expect_refused(f, keeper, high, "daemon", EPERM);
	expect_refused(f, keeper, high, "daemon+x", EPERM);
	for (size_t i = 0; i < sizeof nobody_else / sizeof nobody_else[0]; i++)
		expect_refused(f, keeper, low, nobody_else[i], ESRCH);
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	expect_refused(f, keeper, low, name, ESRCH);
	keeper_stop(keeper);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists), TEST(clean_environment), TEST(files), TEST(sockets), TEST(commands), TEST(kill_command), TEST(many), TEST(names), TEST(names_not_allowed),
		TEST(stop_answers_all), TEST(stop_from_callback), TEST(keeper_dies), TEST(hostile_requests), TEST(users), TEST(filters), TEST(made_anew), TEST(forgets),
		TEST(names_beside_commands), TEST(capabilities), TEST(strange_names), TEST(recipients), TEST(not_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
