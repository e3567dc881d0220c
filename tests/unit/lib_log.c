/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"

static void
pipe_log(int ends[2], struct log **log)
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	*log = log_new("queue", LOG_STDERR, ends[1]);
	assert_non_null(*log);
}

/* Everything that the pipe holds now. */
static size_t
drain(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	return len;
}

static void
check_line(void (*fill)(struct log_line *line), const char *expected)
{
	static char text[65536];
	int ends[2];
	struct log *log;
	struct log_line line;
	pipe_log(ends, &log);
	log_begin(&line, log, "test");
	fill(&line);
	log_end(&line);
	drain(ends[0], text, sizeof text);
	assert_string_equal(text, expected);
	log_free(log);
	close(ends[0]);
	close(ends[1]);
}

static void
fill_plain(struct log_line *line)
{
	struct id id = { { 1763712345123456, 0x9f8e7d6c5b4a3921 }, 3 };
	log_id(line, id);
	log_address(line, "from", span_of("frank@example.org"));
	log_num(line, "nrcpt", 1);
	log_word(line, "via", "inject");
	log_seconds(line, "delay", 310000);
	log_seconds(line, "long", 61 * CLOCK_SECOND + 59000);
	log_span(line, "next", 900 * CLOCK_SECOND);
	log_text(line, span_of("No one here."));
}

static void
fill_spans(struct log_line *line)
{
	static const unsigned seconds[] = { 0, 1, 60, 90, 3600, 5400, 86400, 90000, 90061, 86460 };
	for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
		log_span(line, "s", seconds[i] * CLOCK_SECOND);
}

static void
fill_hostile(struct log_line *line)
{
	log_word(line, "a", "x\nqueue: accept id=1");
	log_word(line, "b", "x y=z");
	log_word(line, "c", "x\"y");
	log_word(line, "d", "x\\y");
	log_word(line, "e", "");
	log_str(line, "f", (struct span){ "x\0y", 3 });
	log_word(line, "g", "\x1b[2J\x7f\r");
	log_address(line, "h", span_of("a> b=<c"));
	log_address(line, "i", span_of(""));
	log_address(line, "j", span_of("a>b"));
	log_text(line, span_of("x\" status=2.0.0\n"));
	log_text(line, span_of(""));
}

static void
fill_utf8(struct log_line *line)
{
	log_word(line, "ok", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	log_word(line, "latin", "\xe9t\xe9");
	log_word(line, "overlong", "\xc0\x8a\xe0\x80\x8a");
	log_word(line, "surrogate", "\xed\xa0\x80");
	log_word(line, "beyond", "\xf4\x90\x80\x80");
	log_word(line, "torn", "\xe2\x82");
	log_word(line, "c1", "\xc2\x9b" "2J");
	log_word(line, "override", "\xe2\x80\xae");
	log_word(line, "separator", "\xe2\x80\xa8");
}

static void
lines(void **state)
{
	(void)state;
	check_line(fill_plain, "queue: test id=1763712345123456-9f8e7d6c5b4a3921-3 from=<frank@example.org> nrcpt=1 via=inject delay=0.31 "
	    "long=61.05 next=15m \"No one here.\"\n");
	check_line(fill_spans, "queue: test s=0s s=1s s=1m s=1m30s s=1h s=1h30m s=1d s=1d1h s=1d1h s=1d\n");
}

static void
forging(void **state)
{
	(void)state;
	check_line(fill_hostile, "queue: test a=\"x\\x0Aqueue: accept id=1\" b=\"x y=z\" c=\"x\\x22y\" d=\"x\\x5Cy\" e=\"\" f=\"x\\x00y\" "
	    "g=\"\\x1B[2J\\x7F\\x0D\" h=\"<a> b=<c>\" i=<> j=\"<a>b>\" \"x\\x22 status=2.0.0\\x0A\" \"\"\n");
	check_line(fill_utf8, "queue: test ok=\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\" latin=\"\\xE9t\\xE9\" overlong=\"\\xC0\\x8A\\xE0\\x80\\x8A\" "
	    "surrogate=\"\\xED\\xA0\\x80\" beyond=\"\\xF4\\x90\\x80\\x80\" torn=\"\\xE2\\x82\" c1=\"\\xC2\\x9B2J\" override=\"\\xE2\\x80\\xAE\" "
	    "separator=\"\\xE2\\x80\\xA8\"\n");
}

/* A value never takes the whole line, and a line that is full still ends, in one piece. */
static void
long_values(void **state)
{
	(void)state;
	char text[3 * LOG_LINE_MAX], value[3000];
	int ends[2];
	struct log *log;
	struct log_line line;
	memset(value, '\n', sizeof value);
	pipe_log(ends, &log);
	log_begin(&line, log, "test");
	log_address(&line, "from", (struct span){ value, sizeof value });
	log_num(&line, "status", 5);
	log_end(&line);
	size_t len = drain(ends[0], text, sizeof text);
	assert_true(len > LOG_VALUE_MAX && len < LOG_VALUE_MAX + 100);
	assert_non_null(strstr(text, "\\x0A...>\" status=5\n"));
	for (size_t size = 900; size < 1100; size++) {
		log_begin(&line, log, "test");
		for (int i = 0; i < 5; i++)
			log_str(&line, "key", (struct span){ value, i == 4 ? size : 200 });
		for (int i = 0; i < 5; i++)
			log_address(&line, "a", (struct span){ value, size / 4 });
		log_text(&line, span_of("x"));
		log_end(&line);
		len = drain(ends[0], text, sizeof text);
		assert_true(len <= LOG_LINE_MAX && text[len - 1] == '\n' && strchr(text, '\n') == text + len - 1);
		assert_string_equal(text + len - 5, " ...\n");
		unsigned quotes = 0;
		for (size_t i = 0; i < len; i++)
			quotes += text[i] == '"';
		assert_int_equal(quotes % 2, 0);
	}
	log_free(log);
	close(ends[0]);
	close(ends[1]);
}

static void
common_cases(void **state)
{
	(void)state;
	char text[4096];
	int ends[2];
	struct log *log;
	pipe_log(ends, &log);
	log_event(log, "warn", "%d things\n", 3);
	errno = ENOENT;
	log_errno(log, "open: %s", "/x");
	assert_int_equal(errno, ENOENT);
	drain(ends[0], text, sizeof text);
	assert_string_equal(text, "queue: warn \"3 things\\x0A\"\nqueue: error \"open: /x: No such file or directory\"\n");
	log_set_verbose(log, 2);
	assert_int_equal(log_verbose(log), 2);
	log_free(log);
	log_event(NULL, "none", "%s", "at all");
	log_retry(NULL);
	log_free(NULL);
	assert_false(log_waiting(NULL));
	close(ends[0]);
	close(ends[1]);
}

/* A reader that does not read: nothing blocks, the shared open file keeps its flags, and the count stands where lines are missing. */
static void
full_pipe(void **state)
{
	(void)state;
	static char text[512 * 1024];
	int ends[2];
	struct log *log;
	pipe_log(ends, &log);
	unsigned total = 4000;
	for (unsigned i = 0; i < total; i++)
		log_event(log, "line", "number %04u ........................................", i);
	assert_true(log_waiting(log));
	assert_true(log_lost(log) > 0);
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	uint64_t lost = log_lost(log);
	size_t len = drain(ends[0], text, sizeof text);
	for (int i = 0; i < 4; i++) {
		log_retry(log);
		len += drain(ends[0], text + len, sizeof text - len);
	}
	assert_false(log_waiting(log));
	unsigned seen = 0, expected = 0;
	uint64_t told = 0;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		unsigned number;
		unsigned long long count;
		if (sscanf(line, "queue: line \"number %u ", &number) == 1) {
			assert_int_equal(number, expected++);
			assert_string_equal(line + strlen(line) - 3, "..\"");
			seen++;
		} else {
			assert_int_equal(sscanf(line, "queue: log lost=%llu", &count), 1);
			told += count;
		}
	}
	assert_int_equal(told, lost);
	assert_int_equal(seen + lost, total);
	log_free(log);
	close(ends[0]);
	close(ends[1]);
}

static void
batches(void **state)
{
	(void)state;
	char text[16384];
	int ends[2];
	struct log *log;
	pipe_log(ends, &log);
	log_batch(log, true);
	log_event(log, "one", "%s", "x");
	assert_int_equal(drain(ends[0], text, sizeof text), 0);
	log_event(log, "two", "%s", "y");
	log_retry(log);
	drain(ends[0], text, sizeof text);
	assert_string_equal(text, "queue: one \"x\"\nqueue: two \"y\"\n");
	for (int i = 0; i < 100; i++)
		log_event(log, "line", "%099d", i);
	assert_true(drain(ends[0], text, sizeof text) >= PIPE_BUF);
	log_batch(log, false);
	assert_false(log_waiting(log));
	log_free(log);
	close(ends[0]);
	close(ends[1]);
}

/* Standard error may be a socket (systemd's journal), which must not block either. */
static void
socket_sink(void **state)
{
	(void)state;
	char text[256];
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct log *log = log_new("send", LOG_STDERR, ends[1]);
	log_event(log, "hello", "%s", "x");
	drain(ends[0], text, sizeof text);
	assert_string_equal(text, "send: hello \"x\"\n");
	for (int i = 0; i < 20000; i++)
		log_event(log, "line", "%d", i);
	assert_true(log_lost(log) > 0);
	close(ends[0]);
	log_event(log, "gone", "%s", "the reader went away");
	log_free(log);
	close(ends[1]);
}

static void
file_sink(void **state)
{
	(void)state;
	char name[] = "/tmp/deaddrop-log-XXXXXX", text[256], event[32];
	unsigned y, mo, d, h, mi, s, ms;
	int fd = mkstemp(name);
	assert_int_not_equal(fd, -1);
	unlink(name);
	struct log *log = log_new("send", LOG_FILE, fd);
	log_event(log, "hello", "%s", "x");
	log_free(log);
	ssize_t len = pread(fd, text, sizeof text - 1, 0);
	assert_true(len > 0);
	text[len] = 0;
	assert_int_equal(sscanf(text, "%4u-%2u-%2u %2u:%2u:%2u.%3u send: %31s \"x\"\n", &y, &mo, &d, &h, &mi, &s, &ms, event), 8);
	assert_string_equal(event, "hello");
	close(fd);
}

/* Syslog as a daemon in a chroot sees it: connected before, gone later.  In a child whose root is a scratch directory, for /dev/log is the host's. */
static void
syslog_child(const char *dir, int reply, int wait)
{
	char byte;
	if (chroot(dir) != 0 || chdir("/") != 0 || dup2(reply, STDERR_FILENO) == -1)
		_exit(1);
	struct log *log = log_new("send", LOG_SYSLOG, -1);
	log_event(log, "hello", "%s", "x");
	log_errno(log, "open: %s", "/y");
	if (write(reply, "1", 1) != 1 || read(wait, &byte, 1) != 1)
		_exit(2);
	log_event(log, "later", "%s", "z");
	log_free(log);
	log = log_new("send", LOG_SYSLOG, -1);
	log_event(log, "none", "%s", "at all");
	log_free(log);
	_exit(0);
}

static void
syslog_sink(void **state)
{
	(void)state;
	char dir[] = "/tmp/deaddrop-log-XXXXXX", path[64], text[1024], expected[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int reply[2], wait[2], status;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/dev", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/log", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_true(pipe(reply) == 0 && pipe(wait) == 0);
	pid_t pid = fork();
	if (pid == 0 && close(fd) == 0)
		syslog_child(dir, reply[1], wait[0]);
	assert_int_equal(read(reply[0], text, 1), 1);
	ssize_t len = recv(fd, text, sizeof text - 1, 0);
	text[len > 0 ? len : 0] = 0;
	snprintf(expected, sizeof expected, "<22>deaddrop-send[%ld]: hello \"x\"", (long)pid);
	assert_string_equal(text, expected);
	assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
	assert_memory_equal(text, "<19>", 4);
	close(fd);
	unlink(address.sun_path);
	assert_int_equal(write(wait[1], "2", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	drain(reply[0], text, sizeof text);
	assert_non_null(strstr(text, "later \"z\"\n"));
	assert_non_null(strstr(text, "send: error \"syslog: connect: /dev/log; standard error is used: "));
	assert_non_null(strstr(text, "send: none \"at all\"\n"));
	for (int i = 0; i < 2; i++) {
		close(reply[i]);
		close(wait[i]);
	}
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines), cmocka_unit_test(forging), cmocka_unit_test(long_values), cmocka_unit_test(common_cases),
		cmocka_unit_test(full_pipe), cmocka_unit_test(batches), cmocka_unit_test(socket_sink), cmocka_unit_test(file_sink),
		cmocka_unit_test(syslog_sink),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
