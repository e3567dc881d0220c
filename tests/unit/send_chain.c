/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deaddrop-send as it is shipped, on spools made here, with a deliverer played by the test: exactly once, and what follows from answers that are
 * late, wrong, missing or torn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "frame.h"
#include "id.h"
#include "outcome.h"
#include "record.h"

#define MARK UINT64_C(0x1122334455667788)
#define NAME "1763712345123456-9f8e7d6c5b4a3921"

static const char *sender;		/* of the messages that build makes */
static const struct id_name file_name = { UINT64_C(1763712345123456), UINT64_C(0x9f8e7d6c5b4a3921) };

struct job {
	char key[ID_KEY_MAX], drop[64];
	unsigned recipients, recipient_attributes, tries;
	bool unclear;
	size_t inline_len;
	unsigned long long offset, length;
	int fd;
};

struct fake {
	char program[512], dir[64];
	int listener, fd;
	pid_t send;
	char in[262144];
	size_t in_len;
	int passed[4];			/* descriptors that no job has taken yet, the oldest first */
	size_t passed_count;
};

static int
setup(void **state)
{
	struct fake *k = calloc(1, sizeof(*k));
	char *slash;
	ssize_t n;

	sender = "a@b";

	assert_non_null(k);
	*state = k;
	n = readlink("/proc/self/exe", k->program, sizeof(k->program) - 64);
	assert_true(n > 0);
	slash = strrchr(k->program, '/');
	*slash = '\0';
	slash = strrchr(k->program, '/');
	strncpy(slash, "/bin/deaddrop-send", 32);
	if (access(k->program, X_OK) < 0)
		skip();
	snprintf(k->dir, sizeof(k->dir), "/tmp/send_chain.XXXXXX");
	assert_non_null(mkdtemp(k->dir));
	assert_int_equal(chdir(k->dir), 0);
	assert_int_equal(mkdir("journal", 0770), 0);
	k->listener = k->fd = -1;
	return 0;
}

static int
teardown(void **state)
{
	struct fake *k = *state;
	char command[128];

	if (k->listener >= 0)
		close(k->listener);
	if (k->fd >= 0)
		close(k->fd);
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", k->dir);
	assert_int_equal(system(command), 0);
	free(k);
	return 0;
}

static void
fake_listen(struct fake *k)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "local.ctrl" };

	k->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(k->listener >= 0);
	unlink("local.ctrl");
	assert_int_equal(bind(k->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(k->listener, 8), 0);
}

static void
fake_accept(struct fake *k)
{
	struct pollfd p = { .fd = k->listener, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
	k->fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(k->fd >= 0);
	k->in_len = 0;
	assert_int_equal(write(k->fd, "8:Hlocal 1,", 11), 11);
}

static void
fake_drop(struct fake *k)
{
	close(k->fd);
	k->fd = -1;
}

static bool
fake_fill(struct fake *k)
{
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	struct iovec v = { k->in + k->in_len, sizeof(k->in) - k->in_len };
	union { char space[CMSG_SPACE(4 * sizeof(int))]; struct cmsghdr align; } control;
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space) };
	ssize_t n;

	assert_int_equal(poll(&p, 1, 10000), 1);
	n = recvmsg(k->fd, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return false;
	if (CMSG_FIRSTHDR(&m) != NULL) {
		size_t len = CMSG_FIRSTHDR(&m)->cmsg_len - CMSG_LEN(0);

		assert_true(k->passed_count + len / sizeof(int) <= 4);
		memcpy(k->passed + k->passed_count, CMSG_DATA(CMSG_FIRSTHDR(&m)), len);
		k->passed_count += len / sizeof(int);
	}
	k->in_len += (size_t)n;
	return true;
}

static int
take_passed(struct fake *k)
{
	int fd = k->passed_count > 0 ? k->passed[0] : -1;

	if (k->passed_count > 0)
		memmove(k->passed, k->passed + 1, --k->passed_count * sizeof(int));
	return fd;
}

static void
take(struct fake *k, struct job *job, struct frame f)
{
	int len = (int)f.value.len;

	if (f.type == 'J')
		snprintf(job->key, sizeof(job->key), "%.*s", len, f.value.data);
	else if (f.type == 'D')
		snprintf(job->drop, sizeof(job->drop), "%.*s", len, f.value.data);
	else if (f.type == 'R')
		job->recipients++;
	else if (f.type == 'r')
		job->recipient_attributes++;
	else if (f.type == 'A' && span_is(f.value, "unclear=1"))
		job->unclear = true;
	else if (f.type == 'A' && span_starts(f.value, "try="))
		job->tries = (unsigned)strtoul(f.value.data + 4, NULL, 10);
	else if (f.type == 'B')
		job->inline_len += f.value.len;
	else if (f.type == 'F') {
		sscanf(f.value.data, "%llu %llu", &job->offset, &job->length);
		job->fd = take_passed(k);
	}
}

/* The next whole job; false at the end of the connection. */
static bool
fake_job(struct fake *k, struct job *job)
{
	struct frame f;
	size_t used;

	*job = (struct job){ .fd = -1 };
	for (;;) {
		enum frame_result result = frame_take(k->in, k->in_len, &f, &used);
		char type;

		assert_int_not_equal(result, FRAME_BAD);
		if (result == FRAME_MORE) {
			if (!fake_fill(k))
				return false;
			continue;
		}
		take(k, job, f);
		type = f.type;
		memmove(k->in, k->in + used, k->in_len - used);
		k->in_len -= used;
		if (type == 'E')
			return true;
	}
}

static void
fake_answer(struct fake *k, const struct job *job, unsigned n, char verdict)
{
	char value[256], frame[300];
	int len;

	snprintf(value, sizeof(value), "%c%s %u %s somewhere", verdict, job->key, n, verdict == 'K' ? "2.0.0" : verdict == 'Z' ? "4.2.0" : "5.1.1");
	len = snprintf(frame, sizeof(frame), "%zu:%s,", strlen(value), value);
	assert_int_equal(write(k->fd, frame, (size_t)len), len);
}

static void write_file(const char *path, const char *data, size_t len);

static void
start_send_with(struct fake *k, const char *option, const char *value)
{
	const char *argv[] = { k->program, "--out", "local.ctrl", "--config", "send.conf", "--logfile", "log", "--sandbox", "off", option, value, NULL };

	if (access("send.conf", F_OK) < 0)
		write_file("send.conf", "bounce limit 0\n", 15);	/* what fails is kept in dead */
	k->send = fork();
	assert_true(k->send >= 0);
	if (k->send == 0) {
		execv(k->program, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
}

static void
start_send(struct fake *k, const char *once)
{
	start_send_with(k, once, NULL);
}

static int
end_send(struct fake *k, int signal_number)
{
	int status;

	if (signal_number != 0)
		kill(k->send, signal_number);
	assert_int_equal(waitpid(k->send, &status, 0), k->send);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A journal file of count messages; where its records begin goes to starts (count + 1 of them). */
static void
build(struct str *out, size_t count, size_t body_len, unsigned recipients, size_t *starts)
{
	struct envelope e;
	char *body = malloc(body_len + 1);

	assert_non_null(body);
	memset(body, 'x', body_len);
	if (body_len > 20)
		memcpy(body, "Subject: hi\n\n", 13);
	envelope_init(&e, 65536);
	assert_int_equal(envelope_set_sender(&e, span_of(sender)), 0);
	for (unsigned i = 0; i < recipients; i++)
		assert_int_equal(envelope_add_recipient(&e, span_of("root")), 0);
	for (size_t i = 0; i < count; i++) {
		struct record_header h = { .mark = MARK, .id = { file_name, (uint32_t)i }, .arrival = file_name.usec, .committed = out->len,
			.key = { "0123456789abcdef0123456789abcdef", 32 }, .origin = { "test", 4 }, .envelope = &e };

		starts[i] = out->len;
		assert_int_equal(record_build(out, &h, body_len, crc32c(record_body_crc(MARK), body, body_len)), 0);
		assert_int_equal(str_append(out, body, body_len), 0);
	}
	starts[count] = out->len;
	envelope_free(&e);
	free(body);
}

static void
write_file(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void
make_journal_open(size_t count, size_t body_len, unsigned recipients, bool ended)
{
	struct str out = STR_INIT(64U * 1024 * 1024);
	size_t starts[64];

	build(&out, count, body_len, recipients, starts);
	if (ended)
		assert_int_equal(record_end_mark(&out, MARK, out.len), 0);
	write_file("journal/" NAME, out.data, out.len);
	str_free(&out);
}

static void
make_journal(size_t count, size_t body_len, unsigned recipients)
{
	make_journal_open(count, body_len, recipients, true);
}

static unsigned
files_in(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	unsigned count = 0;

	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL)
		count += d->d_name[0] >= '0' && d->d_name[0] <= '9';
	closedir(dir);
	return count;
}

static void
assert_spool(unsigned journal, unsigned outcome, unsigned deferred, unsigned dead)
{
	assert_int_equal(files_in("journal"), journal);
	assert_int_equal(files_in("outcome"), outcome);
	assert_int_equal(files_in("deferred"), deferred);
	assert_int_equal(files_in("dead"), dead);
}

/* Answers count jobs, all with one verdict. */
static void
serve(struct fake *k, unsigned count, char verdict)
{
	struct job job;

	while (count-- > 0) {
		assert_true(fake_job(k, &job));
		for (unsigned n = 0; n < job.recipients; n++)
			fake_answer(k, &job, n, verdict);
	}
}

static void
test_done(void **state)
{
	struct fake *k = *state;

	make_journal(3, 100, 2);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	serve(k, 3, 'K');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

static void
test_never(void **state)
{
	struct fake *k = *state;

	sender = "";		/* so nobody is to be told */
	make_journal(3, 100, 1);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	serve(k, 1, 'K');
	serve(k, 2, 'X');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 2);
	assert_int_equal(access("dead/" NAME "-1", F_OK), 0);
}

static void
test_later(void **state)
{
	struct fake *k = *state;
	struct job job;

	write_file("send.conf", "retry 1s 1s until 1d\n", 21);
	make_journal(2, 100, 1);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	serve(k, 1, 'Z');
	serve(k, 1, 'K');
	assert_int_equal(end_send(k, 0), 75);
	assert_spool(0, 0, 1, 0);
	fake_drop(k);
	sleep(2);
	start_send(k, "--once");
	fake_accept(k);
	assert_true(fake_job(k, &job));
	assert_int_equal(job.tries, 2);
	assert_string_equal(job.drop, "inbox");
	fake_answer(k, &job, 0, 'K');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

/* Some answered, some not, then -9: only the others come again, as unclear ones. */
static void
test_killed(void **state)
{
	struct fake *k = *state;
	struct job job;

	make_journal(4, 100, 1);
	fake_listen(k);
	start_send(k, "-v");
	fake_accept(k);
	serve(k, 2, 'K');
	assert_true(fake_job(k, &job));
	assert_false(job.unclear);
	usleep(300000);
	assert_int_equal(end_send(k, SIGKILL), 128 + SIGKILL);
	fake_drop(k);
	start_send(k, "--once");
	fake_accept(k);
	for (char index = '2'; index <= '3'; index++) {
		assert_true(fake_job(k, &job));
		assert_true(job.unclear);
		assert_int_equal(job.key[ID_NAME_LEN + 1], index);
		fake_answer(k, &job, 0, 'K');
	}
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

/* What a deliverer may do wrong: each time the job comes again on a new connection, as unclear. */
static void
test_broken(void **state)
{
	static const char *const wrong[] = { "", "garbage", "3:Yxy,", "90:K1763712345123456-9f8e7d6c5b4a3921-0-0-0123456789abcdef" };
	struct fake *k = *state;
	struct job job;

	make_journal(1, 100, 1);
	fake_listen(k);
	start_send(k, "-v");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fake_accept(k);
		assert_true(fake_job(k, &job));
		assert_int_equal(job.unclear, i > 0);
		assert_int_equal(write(k->fd, wrong[i], strlen(wrong[i])), (ssize_t)strlen(wrong[i]));
		fake_drop(k);
	}
	fake_accept(k);
	assert_true(fake_job(k, &job));
	fake_answer(k, &job, 5, 'K');		/* a recipient that the job has not */
	assert_false(fake_job(k, &job));
	fake_drop(k);
	fake_accept(k);
	serve(k, 1, 'K');
	usleep(1500000);
	assert_int_equal(end_send(k, SIGTERM), 0);
	assert_spool(0, 0, 0, 0);
}

/* Two drops: one done, one later; the done one does not come again. */
static void
test_two_drops(void **state)
{
	struct fake *k = *state;
	struct job job, again;

	write_file("send.conf", "retry 1s\ndefault local:inbox local:copy/x\n", 42);
	make_journal(1, 100, 3);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	for (int i = 0; i < 2; i++) {
		assert_true(fake_job(k, &job));
		assert_int_equal(job.recipients, 3);
		for (unsigned n = 0; n < 3; n++)
			fake_answer(k, &job, n, strcmp(job.drop, "inbox") == 0 ? 'K' : 'Z');
	}
	assert_int_equal(end_send(k, 0), 75);
	assert_spool(0, 0, 1, 0);
	fake_drop(k);
	sleep(2);
	write_file("send.conf", "retry 1s\ndefault local:other\n", 29);
	start_send(k, "--once");
	fake_accept(k);
	assert_true(fake_job(k, &again));
	/* The first send ended cleanly, so no attempt is unclear: what waits goes where the configuration says now (unclear.t has the others). */
	assert_string_equal(again.drop, "other");
	assert_int_equal(again.recipients, 3);
	for (unsigned n = 0; n < again.recipients; n++)
		fake_answer(k, &again, n, 'K');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

static void
test_large(void **state)
{
	struct fake *k = *state;
	struct job job;
	char byte;

	make_journal(1, 3000000, 1);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	assert_true(fake_job(k, &job));
	assert_true(job.fd >= 0);
	assert_int_equal(job.inline_len + job.length, 3000000);
	assert_int_equal(pread(job.fd, &byte, 1, (off_t)(job.offset + job.length - 1)), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(write(job.fd, "x", 1), -1);
	close(job.fd);
	fake_answer(k, &job, 0, 'K');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

/* One that shares its file is handed out alone, and nobody can change what was handed out. */
static void
test_large_beside_others(void **state)
{
	struct fake *k = *state;
	struct job job;
	struct stat st;
	char bytes[2];

	make_journal(3, 100000, 1);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	for (unsigned n = 0; n < 3; n++) {
		assert_true(fake_job(k, &job));
		assert_true(job.fd >= 0);
		assert_int_equal(job.inline_len + job.length, 100000);
		assert_int_equal(fstat(job.fd, &st), 0);
		assert_int_equal(st.st_size, 100000);
		assert_int_equal(pread(job.fd, bytes, 2, (off_t)(job.offset + job.length - 1)), 1);
		assert_int_equal(bytes[0], 'x');
		assert_int_equal(pwrite(job.fd, "y", 1, 0), -1);
		assert_int_equal(ftruncate(job.fd, 0), -1);
		close(job.fd);
		fake_answer(k, &job, 0, 'K');
	}
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

/* Cut at every byte: whole records are delivered, the rest is ignored, nothing lands in dead. */
static void
test_torn(void **state)
{
	struct fake *k = *state;
	struct str out = STR_INIT(65536);
	size_t starts[3];

	build(&out, 2, 40, 1, starts);
	for (size_t len = 1; len <= out.len; len += len % 8 == 1 || len + 1 == out.len || len == starts[1] ? 1 : 3) {
		unsigned whole = len >= starts[2] ? 2 : len >= starts[1] ? 1 : 0;

		write_file("journal/" NAME, out.data, len);
		fake_listen(k);
		start_send(k, "--once");
		if (whole > 0) {
			fake_accept(k);
			serve(k, whole, 'K');
			fake_drop(k);
		}
		assert_int_equal(end_send(k, 0), 0);
		close(k->listener);
		assert_int_equal(files_in("dead"), 0);
		unlink("journal/" NAME);
		unlink("outcome/" NAME);
		unlink("outcome/mark");
	}
	k->listener = -1;
	str_free(&out);
}

static void
test_damage(void **state)
{
	struct fake *k = *state;
	struct str out = STR_INIT(65536);
	size_t starts[4];

	fake_listen(k);
	build(&out, 3, 40, 1, starts);
	for (unsigned bad = 0; bad < 2; bad++)
		for (size_t at = starts[bad]; at < starts[bad + 1]; at += 29) {
			out.data[at] ^= 4;
			write_file("journal/" NAME, out.data, out.len);
			out.data[at] ^= 4;
			start_send(k, "--once");
			fake_accept(k);
			serve(k, 2, 'K');
			assert_int_equal(end_send(k, 0), 0);
			fake_drop(k);
			assert_int_equal(access("dead/" NAME, F_OK), 0);
			unlink("dead/" NAME);
			unlink("journal/" NAME);
			unlink("outcome/" NAME);
			unlink("outcome/mark");
		}
	str_free(&out);
}

/* A file without an end mark: queue says that nobody asks for its keys any more. */
static void
test_until(void **state)
{
	static const char hello[] = "8:Hqueue 1,", early[] = "34:U" NAME ",", until[] = "34:U1763712345123457-0000000000000000,";
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "send.ctrl" };
	struct fake *k = *state;
	int queue;

	make_journal_open(1, 100, 1, false);
	fake_listen(k);
	start_send_with(k, "--in", "send.ctrl");
	fake_accept(k);
	serve(k, 1, 'K');
	queue = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(queue, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(queue, hello, sizeof(hello) - 1), (ssize_t)sizeof(hello) - 1);
	assert_int_equal(write(queue, early, sizeof(early) - 1), (ssize_t)sizeof(early) - 1);
	usleep(1500000);
	assert_spool(1, 1, 0, 0);
	assert_int_equal(write(queue, until, sizeof(until) - 1), (ssize_t)sizeof(until) - 1);
	usleep(1500000);
	assert_spool(0, 0, 0, 0);
	close(queue);
	assert_int_equal(end_send(k, SIGTERM), 0);
}

/* By hand, without queue, its age tells. */
static void
test_two_minutes(void **state)
{
	struct timespec times[2];
	struct fake *k = *state;

	make_journal_open(1, 100, 1, false);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	serve(k, 1, 'K');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(1, 1, 0, 0);
	for (int ago = 110; ago <= 125; ago += 15) {
		clock_gettime(CLOCK_REALTIME, &times[0]);
		times[0].tv_sec -= ago;
		times[1] = times[0];
		assert_int_equal(utimensat(AT_FDCWD, "journal/" NAME, times, 0), 0);
		start_send(k, "--once");
		assert_int_equal(end_send(k, 0), 0);
		assert_spool(ago < 120, ago < 120, 0, 0);
	}
}

/* TERM with jobs in flight: they are waited for, nothing more is handed out, and what is done with goes before it leaves. */
static void
test_term(void **state)
{
	struct fake *k = *state;
	struct job jobs[3];

	make_journal(3, 100, 1);
	fake_listen(k);
	start_send(k, "-v");
	fake_accept(k);
	for (int i = 0; i < 3; i++)
		assert_true(fake_job(k, &jobs[i]));
	kill(k->send, SIGTERM);
	usleep(300000);
	assert_int_equal(waitpid(k->send, NULL, WNOHANG), 0);
	for (int i = 0; i < 3; i++)
		fake_answer(k, &jobs[i], 0, 'K');
	assert_int_equal(end_send(k, 0), 0);
	assert_spool(0, 0, 0, 0);
}

/* Versions that are not known here: left as they are, and what stands before them is delivered. */
static void
test_version(void **state)
{
	struct fake *k = *state;
	struct str out = STR_INIT(65536);
	size_t starts[3];
	char left[65536];
	int fd;

	build(&out, 2, 40, 1, starts);
	out.data[starts[1] + 10] = '2';
	write_file("journal/" NAME, out.data, out.len);
	mkdir("deferred", 0770);
	out.data[10] = '2';
	write_file("deferred/1763712345000000-9f8e7d6c5b4a3921-0", out.data, out.len);
	out.data[10] = '1';
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	serve(k, 1, 'K');
	end_send(k, 0);
	assert_spool(1, 1, 1, 0);
	fd = open("journal/" NAME, O_RDONLY);
	assert_int_equal(read(fd, left, sizeof(left)), (ssize_t)out.len);
	close(fd);
	assert_memory_equal(left, out.data, out.len);
	str_free(&out);
}

static void
test_damaged_deferred(void **state)
{
	static const char id[] = "1763712345000000-9f8e7d6c5b4a3921-0";
	struct fake *k = *state;
	char path[80];

	mkdir("deferred", 0770);
	mkdir("dead", 0770);
	snprintf(path, sizeof(path), "deferred/%s", id);
	write_file(path, "%deaddrop 1 garbage\n", 20);
	fake_listen(k);
	start_send(k, "--once");
	end_send(k, 0);
	assert_spool(0, 0, 0, 1);
	snprintf(path, sizeof(path), "dead/%s", id);
	assert_int_equal(access(path, F_OK), 0);
}

/* What queue holds and has not announced may be taken back: it is acted on when the lock is gone. */
static void
test_locked(void **state)
{
	struct fake *k = *state;
	struct job job;
	int fd;

	make_journal_open(1, 100, 1, false);
	fd = open("journal/" NAME, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	assert_false(fake_job(k, &job));
	assert_int_equal(end_send(k, 0), 75);
	fake_drop(k);
	start_send(k, "--once");
	fake_accept(k);
	usleep(300000);
	close(fd);
	serve(k, 1, 'K');
	assert_int_equal(end_send(k, 0), 0);
}

/* A next try that lies further ahead than any wait comes from a clock that was wrong, or from other settings: it is set right. */
static void
test_clamp(void **state)
{
	struct fake *k = *state;

	write_file("send.conf", "retry 300d until 300d\n", 22);
	make_journal(1, 100, 1);
	fake_listen(k);
	start_send(k, "--once");
	fake_accept(k);
	serve(k, 1, 'Z');
	assert_int_equal(end_send(k, 0), 75);
	fake_drop(k);
	assert_spool(0, 0, 1, 0);
	write_file("send.conf", "retry 1s until 300d\n", 20);
	start_send(k, "-v");
	fake_accept(k);
	serve(k, 1, 'K');
	usleep(300000);
	assert_int_equal(end_send(k, SIGTERM), 0);
	assert_spool(0, 0, 0, 0);
}

static void
test_job_timeout(void **state)
{
	struct fake *k = *state;
	struct job job;

	make_journal(1, 100, 1);
	fake_listen(k);
	start_send_with(k, "--job-timeout", "1s");
	fake_accept(k);
	assert_true(fake_job(k, &job));
	assert_false(job.unclear);
	assert_false(fake_job(k, &job));
	fake_drop(k);
	fake_accept(k);
	assert_true(fake_job(k, &job));
	assert_true(job.unclear);
	fake_answer(k, &job, 0, 'K');
	usleep(300000);
	assert_int_equal(end_send(k, SIGTERM), 0);
	assert_spool(0, 0, 0, 0);
}

/* Of a large message that moves, some is copied a turn; others go on meanwhile. */
static void
test_large_moves(void **state)
{
	struct fake *k = *state;
	struct job job;
	char bytes[2];

	write_file("send.conf", "retry 1s until 1d\n", 18);
	make_journal(1, 13000000, 1);
	fake_listen(k);
	start_send(k, "-v");
	fake_accept(k);
	serve(k, 1, 'Z');
	assert_true(fake_job(k, &job));
	assert_int_equal(job.tries, 2);
	assert_int_equal(job.inline_len + job.length, 13000000);
	assert_int_equal(pread(job.fd, bytes, 2, (off_t)(job.offset + job.length - 1)), 2);
	assert_memory_equal(bytes, "x%", 2);
	fake_answer(k, &job, 0, 'K');
	close(job.fd);
	usleep(300000);
	assert_int_equal(end_send(k, SIGTERM), 0);
	assert_spool(0, 0, 0, 0);
}

/* A spool may hold more attributes than a deliverer takes for a job, which drops the connection, and with it all that others have under way. */
static void
test_many_attributes(void **state)
{
	struct fake *k = *state;
	struct str out = STR_INIT(4U * 1024 * 1024);
	struct envelope e;
	struct record_header h = { .mark = MARK, .id = { file_name, 0 }, .arrival = file_name.usec, .key = { "0123456789abcdef0123456789abcdef", 32 },
		.origin = { "test", 4 }, .envelope = &e };
	struct job job;

	envelope_init(&e, 2U * 1024 * 1024);
	assert_int_equal(envelope_add_recipient(&e, span_of("root")), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(envelope_add_recipient_attribute(&e, span_of(i % 2 ? "orcpt" : "notify"), span_of("x")), 0);
	assert_int_equal(record_build(&out, &h, 0, record_body_crc(MARK)), 0);
	assert_int_equal(record_end_mark(&out, MARK, out.len), 0);
	write_file("journal/" NAME, out.data, out.len);
	str_free(&out);
	envelope_free(&e);
	fake_listen(k);
	start_send(k, NULL);
	fake_accept(k);
	assert_true(fake_job(k, &job));
	assert_int_equal(job.recipients, 1);
	assert_int_equal(job.recipient_attributes, 2);
	fake_answer(k, &job, 0, 'K');
	usleep(300000);
	assert_int_equal(end_send(k, SIGTERM), 0);
	assert_spool(0, 0, 0, 0);
}

/* A filter that makes too much of a header is passed over: the job is handed out, and those behind it. */
static void
test_grown_header(void **state)
{
	static const char conf[] = "bounce limit 0\nfilter subject /x/ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'\n";
	struct fake *k = *state;
	struct str out = STR_INIT(1U * 1024 * 1024);
	struct envelope e;
	struct record_header h = { .mark = MARK, .id = { file_name, 0 }, .arrival = file_name.usec, .key = { "0123456789abcdef0123456789abcdef", 32 },
		.origin = { "test", 4 }, .envelope = &e };
	char *body = malloc(50001);
	struct job job;

	assert_non_null(body);
	memset(body, 'x', 50000);
	memcpy(body, "Subject: ", 9);
	memcpy(body + 49996, "\n\nb\n", 5);
	envelope_init(&e, 65536);
	assert_int_equal(envelope_add_recipient(&e, span_of("root")), 0);
	assert_int_equal(record_build(&out, &h, 50000, crc32c(record_body_crc(MARK), body, 50000)), 0);
	assert_int_equal(str_append(&out, body, 50000), 0);
	assert_int_equal(record_end_mark(&out, MARK, out.len), 0);
	write_file("journal/" NAME, out.data, out.len);
	write_file("send.conf", conf, strlen(conf));
	str_free(&out);
	envelope_free(&e);
	free(body);
	fake_listen(k);
	start_send(k, NULL);
	fake_accept(k);
	assert_true(fake_job(k, &job));
	assert_int_equal(job.inline_len, 50000);
	fake_answer(k, &job, 0, 'K');
	usleep(300000);
	assert_int_equal(end_send(k, SIGTERM), 0);
	assert_spool(0, 0, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_drops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_beside_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_until, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_term, setup, teardown),
		cmocka_unit_test_setup_teardown(test_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clamp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_job_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grown_header, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
