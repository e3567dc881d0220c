/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Jobs over a control socket: a real hub, a scripted peer. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../local/intake.h"
#include "frame.h"

#define KEY_1 "1763712345000001-0000000000000005-0-0-0000000000000007"
#define KEY_2 "1763712345000002-0000000000000005-0-0-0000000000000007"

struct fixture {
	char dir[64], path[128];
	struct loop *loop;
	struct ctrl_hub *hub;
	struct log *log;
	struct drop_table table;
	struct intake *intake;
	struct batch *batch;
	int log_fd, lock;
	unsigned turns, ended;
};

static bool turn(void *arg)
{
	struct fixture *f = arg;

	batch_run(f->batch);
	intake_flush(f->intake);
	if (!--f->turns)
		loop_stop(f->loop);
	return true;
}

static void ended(void *arg)
{
	struct fixture *f = arg;

	f->ended++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct str error = STR_INIT(1024);
	char box[128];
	int fd;

	strcpy(f->dir, "/tmp/local_intake.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/c", f->dir);
	snprintf(box, sizeof box, "%s/box", f->dir);
	f->log_fd = open("/dev/null", O_WRONLY);
	f->log = log_new("local", LOG_FILE, f->log_fd);
	f->loop = loop_new();
	f->hub = ctrl_hub_new(f->loop, "local", 1024U * 1024);
	f->intake = intake_new(f->hub, f->log, &f->table, ended, f);
	f->batch = batch_new(f->loop, f->log, "host", intake_answer, f->intake);
	intake_set_batch(f->intake, f->batch);
	*state = f;
	return drop_add_maildir(&f->table, "inbox", box, 0660, &error) || ctrl_bind(f->path, 0600, (uid_t)-1, (gid_t)-1, &fd, &f->lock) ||
	    intake_listen(f->intake, fd) || loop_turn(f->loop, turn, f) ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];
	int status;

	intake_close(f->intake);
	ctrl_hub_free(f->hub);
	batch_free(f->batch);
	intake_free(f->intake);
	loop_free(f->loop);
	log_free(f->log);
	close(f->log_fd);
	close(f->lock);
	drop_free(&f->table);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	status = system(command);
	free(f);
	return status;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, f->path, strlen(f->path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* Script: frames separated by '|'; "#N" stands for N bytes 'x' behind the type before it. */
static void say(struct fixture *f, int fd, const char *script)
{
	struct str out = STR_INIT(4U * 1024 * 1024), frame = STR_INIT(FRAME_MAX);
	struct span rest = span_of(script), word;
	size_t sent = 0;

	while (span_word(&rest, '|', &word)) {
		const char *mark = memchr(word.data, '#', word.len);

		str_cut(&frame, 0);
		if (mark)
			for (unsigned long n = strtoul(mark + 1, NULL, 10); n; n--)
				str_add_char(&frame, 'x');
		else
			str_add_span(&frame, span_skip(word, 1));
		assert_int_equal(frame_put(&out, *word.data, str_span(&frame)), 0);
	}
	while (sent < out.len) {
		ssize_t n = send(fd, out.data + sent, out.len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		sent += n < 0 ? 0 : (size_t)n;
		f->turns = n < 0 ? 5 : 0;
		if (f->turns)
			loop_run(f->loop);
	}
	str_free(&out);
	str_free(&frame);
}

static void send_file(int fd, const char *value, int file)
{
	union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
	struct str out = STR_INIT(1024);
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };

	memset(&control, 0, sizeof control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof file);
	memcpy(CMSG_DATA(&control.header), &file, sizeof file);
	assert_int_equal(frame_put(&out, 'F', span_of(value)), 0);
	part = (struct iovec){ out.data, out.len };
	assert_int_equal(sendmsg(fd, &message, 0), out.len);
	str_free(&out);
}

/* Lets the stage work, then takes what it says: frames as text, one a line, without the hello. */
static char *hear(struct fixture *f, int fd, char *text, size_t size)
{
	char buffer[65536];
	struct frame frame;
	size_t at = 0, used, len = 0;
	ssize_t got;

	f->turns = 30;
	loop_run(f->loop);
	*text = '\0';
	got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
	while (got > 0 && frame_take(buffer + at, (size_t)got - at, &frame, &used) == FRAME_WHOLE) {
		at += used;
		if (frame.type != 'H')
			len += (size_t)snprintf(text + len, size - len, "%c%.*s\n", frame.type, (int)frame.value.len, frame.value.data);
	}
	if (got > 0)
		got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
	if (!got || (got < 0 && errno == ECONNRESET))		/* reset: it did not even read on */
		snprintf(text + len, size - len, "(closed)");
	return text;
}

static void test_a_job(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	int fd = dial(f);

	say(f, fd, "Htest 1|J" KEY_1 "|Dinbox|Sroot|Aarrival=1763712345123456|Atry=1|Afuture=x|Rfrank|rnotify=NEVER|Rbob|BSubject: x\n\n|Bbody\n|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "K" KEY_1 " 0 2.0.0 inbox/new/1763712345." KEY_1 ".host\n"
	    "K" KEY_1 " 1 2.0.0 inbox/new/1763712345." KEY_1 ".host\n");
	/* asked again from another connection, and pipelined with one for a drop that is not there */
	close(fd);
	fd = dial(f);
	say(f, fd, "Htest 1|J" KEY_1 "|Dinbox|S|Aarrival=1763712345123456|Rfrank|B\n|E|J" KEY_2 "|Dnone/x|S|Aarrival=1763712345123456|Rfrank|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "K" KEY_1 " 0 2.0.0 inbox/new/1763712345." KEY_1 ".host\n"
	    "Z" KEY_2 " 0 4.3.5 no drop named none in the command line\n");
	assert_int_equal(f->ended, 1);
	close(fd);
}

/* Each breaks the rules; nothing is answered or delivered, the connection is dropped. */
static void test_rules(void **state)
{
#define BEGIN "Htest 1|J" KEY_1 "|Dinbox|Sroot|Aarrival=1763712345123456|Rfrank|"
	static const char *const broken[] = {
		"Htest 1|E", "Htest 1|Rfrank", "Htest 1|Jkey", "Htest 1|J" KEY_1 "|J" KEY_1, "Htest 1|J" KEY_1 "|D", "Htest 1|J" KEY_1 "|Da|Db",
		"Htest 1|J" KEY_1 "|D#1025", "Htest 1|J" KEY_1 "|S#1025", "Htest 1|J" KEY_1 "|Sa\nb", "Htest 1|J" KEY_1 "|R#1025", "Htest 1|J" KEY_1 "|rnotify=x",
		"Htest 1|J" KEY_1 "|Aarrival=-1", "Htest 1|J" KEY_1 "|Aarrival=0", "Htest 1|J" KEY_1 "|Aarrival", "Htest 1|J" KEY_1 "|A#2000",
		"Htest 1|J" KEY_1 "|Dinbox|Rfrank|E", "Htest 1|J" KEY_1 "|Aarrival=1|Rfrank|E", "Htest 1|J" KEY_1 "|Dinbox|Aarrival=1|E",
		BEGIN "Bx|Rbob", BEGIN "Ex", BEGIN "Q", BEGIN "F0 1|E", BEGIN "F|E", "Htest 2|J" KEY_1, "J" KEY_1,
		BEGIN "B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|B#65000|E",
	};
	struct fixture *f = *state;
	char text[4096];

	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		int fd = dial(f);

		say(f, fd, broken[i]);
		hear(f, fd, text, sizeof text);
		if (strcmp(text, "(closed)") != 0)
			fail_msg("%s: %s", broken[i], text);
		assert_int_equal(intake_connections(f->intake), 0);
		close(fd);
	}
	assert_int_equal(batch_pending(f->batch), 0);
}

static void test_too_many_recipients(void **state)
{
	struct fixture *f = *state;
	struct str script = STR_INIT(65536);
	char text[32768];
	int fd = dial(f);

	str_add(&script, "Htest 1|J" KEY_1 "|Dinbox|Aarrival=1|");
	for (int i = 0; i < 100; i++)
		str_printf(&script, "Rr%d|", i);
	str_add(&script, "E");
	say(f, fd, script.data);
	hear(f, fd, text, sizeof text);
	assert_non_null(strstr(text, "K" KEY_1 " 99 2.0.0"));
	str_cut(&script, script.len - 1);
	str_add(&script, "Rr100|E");
	close(fd);
	fd = dial(f);
	say(f, fd, script.data);
	assert_string_equal(hear(f, fd, text, sizeof text), "(closed)");
	close(fd);
	str_free(&script);
}

static void test_descriptors(void **state)
{
	static const struct { const char *value; bool good; } tries[] = {
		{ "0 10", true }, { "10 0", true }, { "3 7", true }, { "0 11", false }, { "11 0", false }, { "9223372036854775807 1", false },
		{ "1 9223372036854775807", false }, { "-1 2", false }, { "1", false }, { "1  2", false },
	};
	struct fixture *f = *state;
	char text[4096], name[] = "/tmp/local_intake.XXXXXX";
	int file = mkstemp(name);

	unlink(name);
	assert_int_equal(write(file, "0123456789", 10), 10);
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		char begin[256];
		int fd = dial(f);

		snprintf(begin, sizeof begin, "Htest 1|J17637123450000%02zu-0000000000000005-0-0-0000000000000007|Dinbox|Aarrival=1|Rfrank|BSubject: x\n", i);
		say(f, fd, begin);
		send_file(fd, tries[i].value, file);
		say(f, fd, "E");
		hear(f, fd, text, sizeof text);
		if ((*text == 'K') != tries[i].good)
			fail_msg("%s: %s", tries[i].value, text);
		close(fd);
	}
	close(file);
	/* what is no regular file cannot hold a message */
	file = open("/dev/zero", O_RDONLY);
	int fd = dial(f);
	say(f, fd, BEGIN "Bx");
	send_file(fd, "0 10", file);
	say(f, fd, "E");
	assert_string_equal(hear(f, fd, text, sizeof text), "(closed)");
	close(fd);
	close(file);
}

/* Its jobs are finished all the same. */
static void test_connection_vanishes(void **state)
{
	struct fixture *f = *state;
	char text[4096], name[512];
	struct stat info;
	int fd = dial(f);

	say(f, fd, BEGIN "B\n|E|J" KEY_2 "|Dinbox");
	close(fd);
	f->turns = 30;
	loop_run(f->loop);
	assert_int_equal(intake_connections(f->intake), 0);
	snprintf(name, sizeof name, "%s/box/new/1763712345." KEY_1 ".host", f->dir);
	assert_int_equal(stat(name, &info), 0);
	fd = dial(f);
	say(f, fd, BEGIN "B\n|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "K" KEY_1 " 0 2.0.0 inbox/new/1763712345." KEY_1 ".host\n");
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_job),
		TEST(test_rules),
		TEST(test_too_many_recipients),
		TEST(test_descriptors),
		TEST(test_connection_vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
