/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The skeleton, run in child processes: what they print, in which order their hooks are called, how they end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0			/* the sanitizers' own calls are none that a stage's filter lets pass */
#endif

struct self {
	const char *mode;
};

static void *create(void) { return calloc(1, sizeof(struct self)); }

static void
destroy(void *self)
{
	fputs("destroy\n", stderr);
	free(self);
}

static int
option(void *arg, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct self *self = arg;
	(void)stage;
	fprintf(stderr, "option %s=%s\n", name, value);
	if (strcmp(name, "mode") == 0)
		self->mode = value;
	if (strcmp(value, "wrong") != 0)
		return 0;
	str_add(error, "--mode: expected something else");
	return -1;
}

static int
operand(void *self, struct stage *stage, const char *value, struct str *error)
{
	(void)self, (void)stage, (void)error;
	fprintf(stderr, "operand %s\n", value);
	return 0;
}

static bool
is_mode(const struct self *self, const char *mode)
{
	return self->mode != NULL && strcmp(self->mode, mode) == 0;
}

static int
prepare(void *arg, struct stage *stage, struct str *error)
{
	struct self *self = arg;
	fprintf(stderr, "prepare in=%s out=%s config=%s once=%d verbose=%u checking=%d\n", stage_in(stage, 0) != NULL ? stage_in(stage, 0)->path : "-",
	    stage_out(stage, 0) != NULL ? stage_out(stage, 0) : "-", stage_config(stage) != NULL ? stage_config(stage) : "-",
	    stage_once(stage), stage_verbose(stage), stage_checking(stage));
	if (is_mode(self, "by-hand"))
		stage_exit_now(stage, 75);
	if (!is_mode(self, "broken"))
		return 0;
	str_add(error, "x.conf:3: expected a word");
	return EX_CONFIG;
}

static int
check(void *arg, struct stage *stage, struct str *error)
{
	(void)stage;
	if (!is_mode(arg, "unsound"))
		return 0;
	str_add(error, "x.conf:4: no such path");
	return EX_CONFIG;
}

static int
start(void *arg, struct stage *stage, struct str *error)
{
	(void)error;
	fprintf(stderr, "start uid=%u nnp=%d seccomp=%d tmp=%d\n", (unsigned)getuid(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	    prctl(PR_GET_SECCOMP), access("/etc/passwd", F_OK));
	for (int i = 0; i < 3000 && is_mode(arg, "chatty"); i++)
		log_event(stage_log(stage), "line", "%04d ........................................", i);
	if (is_mode(arg, "short"))
		stage_finish(stage, 3);
	if (is_mode(arg, "socket")) {
		struct stat st;
		if (stat(stage_in(stage, 0)->path, &st) != 0 || !S_ISSOCK(st.st_mode))
			return EX_SOFTWARE;
		fprintf(stderr, "socket mode=%o open=%d\n", (unsigned)(st.st_mode & 07777), fcntl(stage_in(stage, 0)->fd, F_GETFD) >= 0);
		stage_finish(stage, 0);
	}
	return 0;
}

static void
drain(void *arg, struct stage *stage)
{
	fprintf(stderr, "drain %d\n", stage_draining(stage));
	if (!is_mode(arg, "stubborn"))
		stage_finish(stage, 0);
}

static const struct stage_option options[] = {
	{ "mode", 'm', "WORD", "what to do (default: nothing)" }, { "quick", 'q', NULL, "a switch (default: no)" }, { NULL, 0, NULL, NULL },
};

static const struct stage_program program = {
	.name = "test", .synopsis = "deaddrop-test [options]", .summary = "A stage for the test.", .examples = "  deaddrop-test --mode a\n  deaddrop-test -q",
	.options = options, .has_in = true, .has_out = true, .has_config = true, .has_once = true, .buffer_cap = 1 << 20,
	.create = create, .destroy = destroy, .option = option, .operand = operand, .prepare = prepare, .check = check, .start = start, .drain = drain,
};

static const struct stage_program bare = { .name = "bare", .synopsis = "deaddrop-bare\n", .summary = "Less.", .examples = "  none\n", .buffer_cap = 4096 };

struct run {
	pid_t pid;
	int out;			/* standard output and error */
	size_t len;
	char text[256 * 1024];
};

#define ARGS_MAX 32

static void
begin(struct run *run, const struct stage_program *p, uid_t uid, const char *const *args)
{
	int ends[2], argc = 0;
	char *argv[ARGS_MAX + 1];
	for (argv[argc++] = (char *)(uintptr_t)"x"; args[argc - 1] != NULL && argc < ARGS_MAX; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	argv[argc] = NULL;
	memset(run, 0, sizeof *run);
	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	run->pid = fork();
	assert_int_not_equal(run->pid, -1);
	if (run->pid == 0) {
		alarm(60);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		setvbuf(stdout, NULL, _IONBF, 0);
		if (uid != 0 && (setgid(uid) != 0 || setuid(uid) != 0))
			_exit(99);
		int status = stage_main(p, argc, argv);
		if (uid != 0 || getuid() != 0)
			_exit(status);	/* no leak check where the sanitizer may not start its helper */
		exit(status);
	}
	close(ends[1]);
	run->out = ends[0];
}

/* Reads on until the text is there, or the end if it is NULL. */
static void
await(struct run *run, const char *text)
{
	while (text == NULL || strstr(run->text, text) == NULL) {
		assert_true(run->len < sizeof run->text - 1);
		struct pollfd p = { .fd = run->out, .events = POLLIN };
		if (poll(&p, 1, 30000) != 1)
			fail_msg("no answer after: %s", run->text);
		ssize_t n = read(run->out, run->text + run->len, sizeof run->text - 1 - run->len);
		assert_int_not_equal(n, -1);
		if (n == 0 && text != NULL)
			fail_msg("no \"%s\" in: %s", text, run->text);
		if (n == 0)
			return;
		run->len += (size_t)n;
		run->text[run->len] = 0;
	}
}

static void
finish(struct run *run, int expected)
{
	int status;
	await(run, NULL);
	assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
	close(run->out);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		print_error("status %x:\n%s\n", (unsigned)status, run->text);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static void
has(const struct run *run, const char *text)
{
	if (strstr(run->text, text) == NULL)
		fail_msg("no \"%s\" in: %s", text, run->text);
}

/* The texts stand in the output in this order. */
static void
in_order(const struct run *run, const char *const *texts)
{
	const char *at = run->text;
	for (; *texts != NULL; texts++) {
		at = strstr(at, *texts);
		if (at == NULL)
			fail_msg("no \"%s\" in its place in: %s", *texts, run->text);
		at += strlen(*texts);
	}
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define RUN(run, p, status, ...) do { begin(run, p, 0, LIST(__VA_ARGS__)); finish(run, status); } while (0)

static void
help_and_version(void **state)
{
	(void)state;
	struct run run;
	RUN(&run, &program, 0, "--help");
	in_order(&run, LIST("Usage:\ndeaddrop-test [options]\n", "A stage for the test.\n", "  -m, --mode WORD              what to do (default: nothing)\n",
	    "      --in SOCKET ", "      --config FILE ", "(default: ", "  -h, --help ", "Examples:\n  deaddrop-test --mode a\n  deaddrop-test -q\n", "destroy"));
	RUN(&run, &bare, 0, "-h");
	assert_null(strstr(run.text, "--in "));
	assert_null(strstr(run.text, "--config"));
	assert_null(strstr(run.text, "--once"));
	has(&run, "--chroot");
	RUN(&run, &program, 0, "--version");
	has(&run, "deaddrop-test ");
}

static void
options_read(void **state)
{
	(void)state;
	struct run run;
	RUN(&run, &program, 75, "--mode", "a", "--mode=b=c", "-m", "d", "-me", "-qqv", "one", "-", "--in", "/in", "--out=/out", "--config", "c", "--once",
	    "--mode=by-hand", "--", "--last");
	in_order(&run, LIST("option mode=a\n", "option mode=b=c\n", "option mode=d\n", "option mode=e\n", "option quick=\noption quick=\n", "operand one\n",
	    "operand -\n", "option mode=by-hand\n", "operand --last\n", "prepare in=/in out=/out config=c once=1 verbose=1 checking=0\n", "destroy"));
	assert_null(strstr(run.text, "start"));
}

static void
usage_errors(void **state)
{
	(void)state;
	struct run run;
	RUN(&run, &program, EX_USAGE, "--in-mod");
	has(&run, "deaddrop-test: unknown option --in-mod; is --in-mode meant?\ntry deaddrop-test --help\n");
	RUN(&run, &program, EX_USAGE, "--xyz");
	has(&run, "deaddrop-test: unknown option --xyz\n");
	RUN(&run, &program, EX_USAGE, "-qx");
	has(&run, "unknown option -qx");
	RUN(&run, &program, EX_USAGE, "--mode");
	has(&run, "--mode: missing argument WORD");
	RUN(&run, &program, EX_USAGE, "-m");
	has(&run, "-m: missing argument WORD");
	RUN(&run, &program, EX_USAGE, "--quick=yes");
	has(&run, "takes no argument");
	RUN(&run, &program, EX_USAGE, "--mode", "wrong");
	has(&run, "--mode: expected something else\ntry");
	RUN(&run, &program, EX_USAGE, "--in-mode", "999");
	has(&run, "--in-mode: expected an octal mode like 0660, not 999");
	RUN(&run, &program, EX_USAGE, "--in-group", "no-such-group");
	has(&run, "no-such-group");
	RUN(&run, &program, EX_USAGE, "--chroot", "relative");
	has(&run, "--chroot: expected an absolute path, not relative");
	RUN(&run, &program, EX_USAGE, "--user", "no-such-user");
	has(&run, "no-such-user");
	RUN(&run, &program, EX_USAGE, "--sandbox", "maybe");
	has(&run, "--sandbox: expected on, off or log, not maybe");
	RUN(&run, &program, EX_USAGE, "--syslog", "--logfile", "x");
	has(&run, "only one of them");
	RUN(&run, &bare, EX_USAGE, "word");
	has(&run, "deaddrop-bare: unexpected argument word\n");
	RUN(&run, &bare, EX_USAGE, "--in", "x");
	has(&run, "unknown option --in");
}

static void
checks(void **state)
{
	(void)state;
	struct run run;
	RUN(&run, &program, 0, "--check", "--chroot", "/");
	has(&run, "checking=1");
	has(&run, "deaddrop-test: configuration is fine\n");
	assert_null(strstr(run.text, "start"));
	RUN(&run, &program, EX_CONFIG, "--check", "--mode", "unsound");
	has(&run, "deaddrop-test: x.conf:4: no such path\n");
	RUN(&run, &program, EX_CONFIG, "--mode", "broken");
	has(&run, "deaddrop-test: x.conf:3: expected a word\n");
	RUN(&run, &program, EX_CANTCREAT, "--logfile", "/no-such-dir/log");
	has(&run, "--logfile /no-such-dir/log: No such file or directory");
}

static void
needs_root(void **state)
{
	(void)state;
	struct run run;
	begin(&run, &program, geteuid() == 0 ? 65534 : 0, LIST("--chroot", "/"));
	finish(&run, EX_NOPERM);
	has(&run, "deaddrop-test: --chroot: needs root; leave --chroot and --user out to run by hand\n");
}

static void
life(void **state)
{
	(void)state;
	static const struct { int signal; const char *name; } signals[] = { { SIGTERM, "TERM" }, { SIGHUP, "HUP" }, { SIGINT, "INT" } };
	struct run run;
	for (size_t i = 0; i < 3; i++) {
		char line[64];
		begin(&run, &program, 0, LIST("--sandbox", "off"));
		await(&run, "test: start version=");
		kill(run.pid, signals[i].signal);
		finish(&run, 0);
		snprintf(line, sizeof line, "test: stop signal=%s\n", signals[i].name);
		in_order(&run, LIST("prepare", "start uid=", "chroot=none landlock=0 seccomp=off\n"));
		in_order(&run, LIST("drain 1\n", "destroy\n", "test: end status=0\n"));
		has(&run, line);
	}
	RUN(&run, &program, 3, "--sandbox=off", "--mode=short");
	has(&run, "test: end status=3\n");
}

static void
second_signal(void **state)
{
	(void)state;
	struct run run;
	begin(&run, &program, 0, LIST("--sandbox", "off", "--mode", "stubborn"));
	await(&run, "test: start");
	kill(run.pid, SIGTERM);
	await(&run, "test: stop signal=TERM\n");
	kill(run.pid, SIGHUP);
	usleep(100000);
	assert_int_equal(waitpid(run.pid, NULL, WNOHANG), 0);
	kill(run.pid, SIGTERM);
	finish(&run, 0);
}

static void
readiness(void **state)
{
	(void)state;
	struct run run;
	int ends[2];
	char number[16], byte = 0, text[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int name = snprintf(text, sizeof text, "@deaddrop-test-%ld", (long)getpid());
	memcpy(address.sun_path + 1, text + 1, (size_t)name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)name)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", text, 1), 0);
	assert_int_equal(pipe(ends), 0);
	snprintf(number, sizeof number, "%d", ends[1]);
	begin(&run, &program, 0, LIST("--sandbox", SANITIZED ? "off" : "on", "--notify-fd", number));
	unsetenv("NOTIFY_SOCKET");
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, '\n');
	assert_int_equal(read(ends[0], &byte, 1), 0);
	ssize_t n = recv(fd, text, sizeof text, 0);
	assert_true(n == 7 && memcmp(text, "READY=1", 7) == 0);
	kill(run.pid, SIGTERM);
	n = recv(fd, text, sizeof text, 0);
	assert_true(n == 10 && memcmp(text, "STOPPING=1", 10) == 0);
	finish(&run, 0);
	close(ends[0]);
	close(fd);
}

static void
sockets_and_logfile(void **state)
{
	(void)state;
	struct run run;
	char dir[] = "/tmp/deaddrop-stage-XXXXXX", in[64], lock[80], logfile[64], text[4096];
	assert_non_null(mkdtemp(dir));
	snprintf(in, sizeof in, "%s/in", dir);
	snprintf(lock, sizeof lock, "%s/in.lock", dir);
	snprintf(logfile, sizeof logfile, "%s/log", dir);
	RUN(&run, &program, 0, "--sandbox=off", "--in-mode", "0606", "--in", in, "--mode=socket", "--logfile", logfile);
	has(&run, "socket mode=606 open=1\n");
	int fd = open(logfile, O_RDONLY);
	ssize_t len = read(fd, text, sizeof text - 1);
	close(fd);
	assert_true(len > 0);
	text[len] = 0;
	assert_non_null(strstr(text, " test: start version="));
	assert_non_null(strstr(text, " test: end status=0\n"));
	unlink(in);
	assert_int_equal(mkdir(in, 0700), 0);
	RUN(&run, &program, EX_CANTCREAT, "--sandbox=off", "--in", in);
	has(&run, "deaddrop-test: --in /tmp/deaddrop-stage-");
	assert_int_equal(rmdir(in), 0);
	unlink(lock);
	unlink(logfile);
	assert_int_equal(rmdir(dir), 0);
}

/* The log's reader sleeps: the stage goes on, and says what was lost when it wakes. */
static void
slow_log(void **state)
{
	(void)state;
	struct run run;
	int ends[2];
	char number[16], byte;
	assert_int_equal(pipe(ends), 0);
	snprintf(number, sizeof number, "%d", ends[1]);
	begin(&run, &program, 0, LIST("--sandbox", SANITIZED ? "off" : "on", "--mode", "chatty", "--notify-fd", number));
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);	/* ready, though nothing more fits into the log */
	close(ends[0]);
	await(&run, "test: log lost=");
	kill(run.pid, SIGTERM);
	finish(&run, 0);
	in_order(&run, LIST("test: line \"0000 ", "test: log lost=", "test: stop signal=TERM\n", "test: end status=0\n"));
}

static void
closed_descriptors(void **state)
{
	(void)state;
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = { (char *)(uintptr_t)"x", (char *)(uintptr_t)"--mode=short", (char *)(uintptr_t)"--sandbox=off", NULL };
		close(0);
		close(1);
		close(2);
		int result = stage_main(&program, 3, argv);
		for (int fd = 0; fd < 3; fd++)
			if (fcntl(fd, F_GETFD) == -1)
				_exit(90);
		_exit(result);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

/* All of it, as an installed stage runs. */
static void
confined(void **state)
{
	(void)state;
	struct run run;
	char dir[] = "/tmp/deaddrop-stage-XXXXXX";
	if (geteuid() != 0 || SANITIZED)
		skip();
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	begin(&run, &program, 0, LIST("--chroot", dir, "--user", "65534:65534"));
	await(&run, "test: start version=");
	await(&run, " seccomp=on\n");
	kill(run.pid, SIGTERM);
	finish(&run, 0);
	has(&run, "start uid=65534 nnp=1 seccomp=2 tmp=-1\n");
	in_order(&run, LIST("test: start version=", " uid=65534 chroot=/tmp/deaddrop-stage-"));
	assert_int_equal(rmdir(dir), 0);
}

/* By hand, as an ordinary user: no chroot, no other user, and still a filter. */
static void
by_hand(void **state)
{
	(void)state;
	struct run run;
	if (SANITIZED)
		skip();
	begin(&run, &program, geteuid() == 0 ? 65534 : 0, LIST("-v"));
	await(&run, " seccomp=on\n");
	kill(run.pid, SIGINT);
	finish(&run, 0);
	has(&run, " nnp=1 seccomp=2 ");
	has(&run, " chroot=none ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_and_version), cmocka_unit_test(options_read), cmocka_unit_test(usage_errors), cmocka_unit_test(checks),
		cmocka_unit_test(needs_root), cmocka_unit_test(life), cmocka_unit_test(second_signal), cmocka_unit_test(readiness),
		cmocka_unit_test(sockets_and_logfile), cmocka_unit_test(slow_log), cmocka_unit_test(closed_descriptors), cmocka_unit_test(confined), cmocka_unit_test(by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
