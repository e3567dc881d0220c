/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole queue in a child process and a scratch directory, a client that speaks raw frames, and a reader of the journal it leaves. */
#ifndef QUEUE_RUN_H
#define QUEUE_RUN_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../queue/serve.h"
#include "clock.h"
#include "crc32c.h"
#include "record.h"

#define UNUSED __attribute__((unused))
#define WAIT_MS 20000

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX "off"			/* sanitizers make calls that no stage makes */
#else
#define SANDBOX "on"
#endif

/* ---- the queue ---- */

static const struct stage_option run_options[] = {
	{ "spool", 0, "DIR", "" }, { "name", 0, "NAME", "" }, { "limit-size", 0, "N", "" }, { "limit-recipients", 0, "N", "" },
	{ "limit-connections", 0, "N", "" }, { "min-free", 0, "N", "" }, { "buffer", 0, "N", "" }, { "idle-close", 0, "N", "" },
	{ "key-hold", 0, "N", "" }, { NULL, 0, NULL, NULL },
};

static const struct stage_program run_program = {
	.name = "queue", .synopsis = "", .summary = "", .examples = "", .options = run_options,
	.needs = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_THREADS, .has_in = true, .has_out = true, .has_once = true, .buffer_cap = 16 << 20,
	.create = serve_create, .destroy = serve_destroy, .option = serve_option, .prepare = serve_prepare, .start = serve_start, .drain = serve_drain,
};

struct run {
	char dir[64];
	pid_t pid;
	rlim_t file_size;		/* RLIMIT_FSIZE of the next start; 0: none */
};

UNUSED static void run_setup(struct run *run, const char *below)
{
	char path[100];

	memset(run, 0, sizeof *run);
	snprintf(run->dir, sizeof run->dir, "%s/queue-test.XXXXXX", below);
	assert_non_null(mkdtemp(run->dir));
	snprintf(path, sizeof path, "%s/journal", run->dir);
	assert_int_equal(mkdir(path, 0700), 0);
}

UNUSED static int run_wait(struct run *run)
{
	int status;

	assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
	run->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

UNUSED static int run_stop(struct run *run, int signal)
{
	kill(run->pid, signal);
	return run_wait(run);
}

UNUSED static void run_cleanup(struct run *run)
{
	char command[120];

	if (run->pid)
		(void)run_stop(run, SIGKILL);
	snprintf(command, sizeof command, "rm -rf %s", run->dir);
	assert_int_equal(system(command), 0);
}

/* Starts it with these options ("--name", "value", …, NULL) beside the sockets in.ctrl and trust.ctrl; ready when this returns. */
UNUSED static void run_start(struct run *run, ...)
{
	static char name[] = "queue";
	char *argv[40] = { name };
	char byte, fd_text[16], in[100], trust[100], spool[100];
	int argc = 1, ready[2];
	va_list args;

	assert_int_equal(pipe(ready), 0);
	snprintf(in, sizeof in, "%s/in.ctrl", run->dir);
	snprintf(trust, sizeof trust, "%s/trust.ctrl", run->dir);
	snprintf(spool, sizeof spool, "%s/", run->dir);
	snprintf(fd_text, sizeof fd_text, "%d", ready[1]);
	const char *fixed[] = { "--in", in, "--in-trust", trust, "--spool", spool, "--notify-fd", fd_text, "--sandbox", SANDBOX, "--name", "test.example" };
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		argv[argc++] = (char *)(uintptr_t)fixed[i];
	va_start(args, run);
	while ((argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	run->pid = fork();
	assert_true(run->pid >= 0);
	if (!run->pid) {
		struct rlimit limit = { run->file_size, run->file_size };
		char log[100];

		snprintf(log, sizeof log, "%s/log", run->dir);
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (!getenv("QUEUE_TEST_VERBOSE"))
			dup2(fd, 2);
		close(ready[0]);
		if (run->file_size) {
			signal(SIGXFSZ, SIG_IGN);
			setrlimit(RLIMIT_FSIZE, &limit);
		}
		int status = stage_main(&run_program, argc, argv);
#ifdef __SANITIZE_ADDRESS__
		if (__lsan_do_recoverable_leak_check())
			status = 99;
#endif
		_exit(status);
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
}

/* ---- a client ---- */

struct client {
	int fd;
	char in[200000];
	size_t in_len, in_done;
};

UNUSED static int raw_connect(const struct run *run, const char *socket_name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", run->dir, socket_name);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

UNUSED static void raw_send(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;		/* the test sees it by what it reads */
		at += n;
		len -= (size_t)n;
	}
}

UNUSED static void put(struct str *out, char type, const char *value)
{
	assert_int_equal(frame_put(out, type, span_of(value)), 0);
}

/* The frames of a small message, appended. */
UNUSED static void put_message(struct str *out, const char *key, const char *body)
{
	put(out, 'M', key);
	put(out, 'S', "sender@example.org");
	put(out, 'R', "frank");
	for (struct span rest = span_of(body); rest.len; rest = span_skip(rest, 60000))
		assert_int_equal(frame_put(out, 'B', (struct span){ rest.data, rest.len < 60000 ? rest.len : 60000 }), 0);
	put(out, 'E', "");
}

UNUSED static struct client *client_new(const struct run *run, const char *socket_name)
{
	struct client *c = calloc(1, sizeof *c);

	c->fd = raw_connect(run, socket_name);
	raw_send(c->fd, "7:Htest 1,", 10);
	return c;
}

UNUSED static void client_free(struct client *c)
{
	close(c->fd);
	free(c);
}

UNUSED static void client_send(struct client *c, struct str *frames)
{
	raw_send(c->fd, frames->data, frames->len);
	str_free(frames);
}

/* The next frame but the hello, with a NUL behind it; NULL: the connection is gone.  Lives until the next call. */
UNUSED static char *client_read(struct client *c, int wait_ms)
{
	for (;;) {
		struct frame frame;
		size_t used;
		struct pollfd ready = { c->fd, POLLIN, 0 };
		ssize_t n;

		if (frame_take(c->in + c->in_done, c->in_len - c->in_done, &frame, &used) == FRAME_WHOLE) {
			char *text = c->in + c->in_done + used - 1 - frame.value.len - 1;

			c->in_done += used;
			text[frame.value.len + 1] = 0;
			if (frame.type != 'H')
				return text;
			continue;
		}
		memmove(c->in, c->in + c->in_done, c->in_len - c->in_done);
		c->in_len -= c->in_done;
		c->in_done = 0;
		if (poll(&ready, 1, wait_ms) != 1)
			return NULL;
		n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);
		if (n <= 0)
			return NULL;
		c->in_len += (size_t)n;
	}
}

UNUSED static void expect(struct client *c, const char *beginning)
{
	char *text = client_read(c, WAIT_MS);

	if (!text)
		fail_msg("no answer where %s was expected", beginning);
	else if (strncmp(text, beginning, strlen(beginning)))
		fail_msg("answer is %s where %s was expected", text, beginning);
}

UNUSED static const char *key_text(unsigned n, char text[33])
{
	snprintf(text, 33, "%032x", n);
	return text;
}

/* ---- what is in the journal ---- */

struct seen {
	unsigned files, ended, blank, records, torn;
	unsigned keys[100000];		/* how often key n is there */
};

UNUSED static void see_file(struct seen *seen, const char *path, size_t size)
{
	char *data = malloc(size + 1);
	int fd = open(path, O_RDONLY);
	size_t at = 0, need;
	uint32_t index = 0;
	uint64_t mark = 0;

	assert_int_equal(read(fd, data, size), size);
	close(fd);
	seen->files++;
	for (;;) {
		struct record record;
		enum record_kind kind = record_read(data + at, size - at, &record, &need);

		if (kind == RECORD_END) {
			assert_int_equal(at + RECORD_END_LINE, size);
			assert_true(record.mark == mark);
			seen->ended++;
			break;
		}
		if (kind == RECORD_BLANK) {
			seen->blank += at == 0;
			break;
		}
		/* a kill may have ended a write halfway */
		if (kind != RECORD_WHOLE || at + record.header_len + record.body_len > size) {
			seen->torn++;
			break;
		}
		assert_int_equal(crc32c(record_body_crc(record.mark), data + at + record.header_len, record.body_len), record.body_crc);
		assert_true(record.committed <= at);
		assert_int_equal(record.id.index, index++);
		assert_true(!mark || record.mark == mark);
		assert_int_equal(memcmp(data + at + record.header_len, "Received: ", 10), 0);
		mark = record.mark;
		seen->records++;
		unsigned n = (unsigned)strtoul(record.key.data + 24, NULL, 16);
		if (n < sizeof seen->keys / sizeof seen->keys[0])
			seen->keys[n]++;
		at += record.header_len + record.body_len;
	}
	free(data);
}

UNUSED static void see_journal(const struct run *run, struct seen *seen)
{
	char path[400];
	DIR *dir;
	struct dirent *entry;
	struct stat st;

	memset(seen, 0, sizeof *seen);
	snprintf(path, sizeof path, "%s/journal", run->dir);
	dir = opendir(path);
	while ((entry = readdir(dir))) {
		struct id_name name;

		if (id_parse_name(span_of(entry->d_name), &name))
			continue;
		snprintf(path, sizeof path, "%s/journal/%s", run->dir, entry->d_name);
		assert_int_equal(stat(path, &st), 0);
		see_file(seen, path, (size_t)st.st_size);
	}
	closedir(dir);
}

UNUSED static bool log_has(const struct run *run, const char *text)
{
	char path[100];
	static const size_t room = 1 << 20;
	char *data = calloc(1, room);
	FILE *file;

	snprintf(path, sizeof path, "%s/log", run->dir);
	file = fopen(path, "r");
	assert_non_null(file);
	(void)!fread(data, 1, room - 1, file);
	fclose(file);
	bool has = strstr(data, text) != NULL;
	free(data);
	return has;
}

#endif
