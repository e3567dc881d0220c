/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The deliverer's side of NAME.ctrl: a real hub, a scripted peer, and a deliverer that keeps its jobs until told. */
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

#include "deliver.h"
#include "frame.h"

#define KEY_1 "1763712345000001-0000000000000005-0-0-0000000000000007"
#define KEY_2 "1763712345000002-0000000000000005-0-0-0000000000000007"
#define CAP 262144

struct fixture {
	char dir[64], path[128];
	struct loop *loop;
	struct ctrl_hub *hub;
	struct log *log;
	struct deliver *deliver;
	struct deliver_job *jobs;	/* newest first */
	bool release;			/* finish them when the peer cannot send on */
	size_t most;			/* that were at hand then */
	bool keep;			/* until finish_all; else each is done at once */
	int log_fd, lock;
	unsigned turns, ended, broken, handed, answered;
};

static void finish(struct fixture *f, struct deliver_job *job)
{
	const char *rcpt = NULL;
	struct outcome own;

	outcome_set(&job->result, OUTCOME_DONE, "2.0.0", "stored %zu", (size_t)deliver_job_size(job));
	for (size_t n = 0; (rcpt = deliver_job_next_recipient(job, rcpt)); n++) {
		if (deliver_job_is_settled(job, n) || strncmp(rcpt, "later", 5))
			continue;
		outcome_set(&own, OUTCOME_LATER, "4.2.2", "full");
		assert_int_equal(deliver_job_settle(job, n, &own), 0);
	}
	deliver_done(f->deliver, job);
}

static void on_job(void *arg, struct deliver_job *job)
{
	struct fixture *f = arg;

	f->handed++;
	if (!f->keep) {
		finish(f, job);
		return;
	}
	job->next = f->jobs;
	f->jobs = job;
}

static void finish_all(struct fixture *f)
{
	struct deliver_job *job;

	while ((job = f->jobs)) {
		f->jobs = job->next;
		finish(f, job);
	}
}

static void on_answered(void *arg, const struct deliver_job *job)
{
	struct fixture *f = arg;

	f->answered++;
	deliver_log_outcomes(f->log, job);
}

static void on_ended(void *arg, struct ctrl_peer peer, struct span stage, const char *why, bool broken)
{
	struct fixture *f = arg;

	f->ended++;
	f->broken += broken;
	deliver_log_peer(f->log, peer, stage, why);
}

static bool turn(void *arg)
{
	struct fixture *f = arg;

	deliver_flush(f->deliver);
	if (!--f->turns)
		loop_stop(f->loop);
	return true;
}

static int set_up(void **state)
{
	static const struct deliver_ops ops = { .deliver = on_job, .answered = on_answered, .ended = on_ended };
	struct fixture *f = calloc(1, sizeof *f);
	int fd;

	strcpy(f->dir, "/tmp/lib_deliver.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/c", f->dir);
	f->log_fd = open("/dev/null", O_WRONLY);
	f->log = log_new("test", LOG_FILE, f->log_fd);
	f->loop = loop_new();
	f->hub = ctrl_hub_new(f->loop, "test", 4096U * 1024);
	f->deliver = deliver_new(f->hub, CAP, &ops, f);
	*state = f;
	return ctrl_bind(f->path, 0600, (uid_t)-1, (gid_t)-1, &fd, &f->lock) || deliver_listen(f->deliver, fd) ||
	    loop_turn(f->loop, turn, f) ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];
	int status;

	deliver_close(f->deliver);
	ctrl_hub_free(f->hub);
	deliver_free(f->deliver);
	loop_free(f->loop);
	log_free(f->log);
	close(f->log_fd);
	close(f->lock);
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
		if (n < 0 && f->release) {
			f->most = f->most < deliver_pending(f->deliver) ? deliver_pending(f->deliver) : f->most;
			finish_all(f);
		}
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

#define BEGIN "Htest 1|J" KEY_1 "|Dbox|Sroot|Aarrival=1763712345123456|Rfrank|"

static void test_a_job(void **state)
{
	struct fixture *f = *state;
	struct span value, name, argument;
	char text[4096];
	int fd = dial(f);

	f->keep = true;
	say(f, fd, "Htest 1|J" KEY_1 "|Dbox/a/b|Sroot|Aarrival=1763712345123456|Atry=1|Aunclear=1|Abody=8BITMIME|Rfrank|rnotify=NEVER|Rlater|rnotify=FAILURE|"
	    "BSubject: x\n\n|Bbody\n|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "");
	assert_non_null(f->jobs);
	assert_true(f->jobs->unclear);
	assert_int_equal(f->jobs->arrival, UINT64_C(1763712345123456));
	assert_string_equal(f->jobs->sender.data, "root");
	assert_string_equal(f->jobs->head.data, "Subject: x\n\nbody\n");
	assert_true(deliver_job_attribute(f->jobs, "body", &value) && span_is(value, "8BITMIME"));
	assert_false(deliver_job_attribute(f->jobs, "bod", &value));
	assert_true(deliver_job_recipient_attribute(f->jobs, 1, "notify", &value) && span_is(value, "FAILURE"));
	assert_true(deliver_job_recipient_attribute(f->jobs, 0, "notify", &value) && span_is(value, "NEVER"));
	assert_false(deliver_job_recipient_attribute(f->jobs, 2, "notify", &value));
	assert_true(deliver_job_argument(f->jobs, &name, &argument) && span_is(name, "box") && span_is(argument, "a/b"));
	finish_all(f);
	assert_string_equal(hear(f, fd, text, sizeof text), "K" KEY_1 " 0 2.0.0 stored 17\nZ" KEY_1 " 1 4.2.2 full\n");
	/* asked again: what is final is known, what was later is tried again */
	say(f, fd, "J" KEY_1 "|Dbox/a/b|S|Aarrival=1|Rfrank|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "K" KEY_1 " 0 2.0.0 stored 17\n");
	assert_int_equal(f->handed, 1);
	say(f, fd, "J" KEY_1 "|Dbox/a/b|S|Aarrival=1|Rlater|Rfrank|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "");
	assert_int_equal(f->handed, 2);
	finish_all(f);
	assert_string_equal(hear(f, fd, text, sizeof text), "Z" KEY_1 " 0 4.2.2 full\nK" KEY_1 " 1 2.0.0 stored 17\n");
	close(fd);
}

static void test_joins(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	int one = dial(f), two = dial(f);

	f->keep = true;
	say(f, one, BEGIN "Bx|E");
	say(f, two, BEGIN "Bx|E");
	say(f, two, "J" KEY_1 "|Dbox|S|Aarrival=1|Rfrank|Rbob|E");	/* bob is nobody's yet: a job of its own when the first is done */
	hear(f, one, text, sizeof text);
	assert_int_equal(f->handed, 1);
	assert_int_equal(deliver_pending(f->deliver), 3);
	/* the connection that asked first is gone: the others get the answer */
	close(one);
	hear(f, two, text, sizeof text);
	assert_int_equal(f->ended, 1);
	finish_all(f);
	assert_string_equal(hear(f, two, text, sizeof text), "K" KEY_1 " 0 2.0.0 stored 1\n"
	    "K" KEY_1 " 0 2.0.0 stored 1\nK" KEY_1 " 1 2.0.0 stored 0\n");
	assert_int_equal(f->handed, 2);
	assert_int_equal(f->answered, 3);
	assert_int_equal(deliver_pending(f->deliver), 0);
	close(two);
}

/* A job that takes long says so to all who wait, now and then, where they told how long they wait. */
static void test_alive(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	int one = dial(f), two = dial(f);

	f->keep = true;
	say(f, one, "Htest 1|J" KEY_1 "|Dbox|S|Aarrival=1|Atimeout=1|Rfrank|BX|E");
	say(f, two, BEGIN "Bx|E");
	hear(f, one, text, sizeof text);
	assert_non_null(f->jobs);
	deliver_alive(f->jobs);
	assert_string_equal(hear(f, one, text, sizeof text), "");
	usleep(200000);
	deliver_alive(f->jobs);
	deliver_alive(f->jobs);
	assert_string_equal(hear(f, one, text, sizeof text), "Y" KEY_1 "\n");
	finish_all(f);
	assert_string_equal(hear(f, one, text, sizeof text), "K" KEY_1 " 0 2.0.0 stored 1\n");
	hear(f, two, text, sizeof text);
	/* Nobody said how long. */
	say(f, one, "J" KEY_2 "|Dbox|S|Aarrival=1|Rfrank|BX|E");
	hear(f, one, text, sizeof text);
	deliver_alive(f->jobs);
	usleep(200000);
	deliver_alive(f->jobs);
	assert_string_equal(hear(f, one, text, sizeof text), "");
	finish_all(f);
	hear(f, one, text, sizeof text);
	close(one);
	close(two);
}

/* Each breaks the rules; nothing is answered or delivered, the connection is dropped. */
static void test_rules(void **state)
{
	static const char *const broken[] = {
		"Htest 1|E", "Htest 1|Rfrank", "Htest 1|Jkey", "Htest 1|J" KEY_1 "|J" KEY_1, "Htest 1|J" KEY_1 "|D", "Htest 1|J" KEY_1 "|Da|Db",
		"Htest 1|J" KEY_1 "|D#1025", "Htest 1|J" KEY_1 "|S#1025", "Htest 1|J" KEY_1 "|Sa\nb", "Htest 1|J" KEY_1 "|R#1025", "Htest 1|J" KEY_1 "|rnotify=x",
		"Htest 1|J" KEY_1 "|Aarrival=-1", "Htest 1|J" KEY_1 "|Aarrival=0", "Htest 1|J" KEY_1 "|Aarrival", "Htest 1|J" KEY_1 "|A#2000",
		"Htest 1|J" KEY_1 "|Dbox|Rfrank|E", "Htest 1|J" KEY_1 "|Aarrival=1|Rfrank|E", "Htest 1|J" KEY_1 "|Dbox|Aarrival=1|E",
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
		assert_int_equal(deliver_connections(f->deliver), 0);
		close(fd);
	}
	assert_int_equal(deliver_pending(f->deliver), 0);
}

static void test_too_many_recipients(void **state)
{
	struct fixture *f = *state;
	struct str script = STR_INIT(65536);
	char text[32768];
	int fd = dial(f);

	str_add(&script, "Htest 1|J" KEY_1 "|Dbox|Aarrival=1|");
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

		snprintf(begin, sizeof begin, "Htest 1|J17637123450000%02zu-0000000000000005-0-0-0000000000000007|Dbox|Aarrival=1|Rfrank|BSubject: x\n", i);
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


/* Over the cap no connection is read; room opens them again. */
static void test_cap(void **state)
{
	struct fixture *f = *state;
	struct str script = STR_INIT(1024U * 1024);
	int fd = dial(f);

	f->keep = true;
	str_add(&script, "Htest 1|");
	for (unsigned i = 0; i < 20; i++)
		str_printf(&script, "J17637123450000%02u-0000000000000005-0-0-0000000000000007|Dbox|S|Aarrival=1|Rfrank|B#60000|E|", i);
	str_cut(&script, script.len - 1);
	f->release = true;
	say(f, fd, script.data);
	for (unsigned i = 0; i < 20; i++) {
		finish_all(f);
		f->turns = 10;
		loop_run(f->loop);
	}
	assert_in_range(f->most, 2, 6);
	assert_int_equal(f->handed, 20);
	assert_int_equal(f->answered, 20);
	close(fd);
	str_free(&script);
}

/* Its jobs are finished all the same, and nobody is answered. */
static void test_connection_vanishes(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	int fd = dial(f);

	f->keep = true;
	say(f, fd, BEGIN "Bxy|E|J" KEY_2 "|Dbox");
	close(fd);
	f->turns = 30;
	loop_run(f->loop);
	/* with an answer owed the connection is kept until it cannot be told */
	finish_all(f);
	f->turns = 30;
	loop_run(f->loop);
	assert_int_equal(deliver_connections(f->deliver), 0);
	fd = dial(f);
	say(f, fd, BEGIN "B\n|E");
	assert_string_equal(hear(f, fd, text, sizeof text), "K" KEY_1 " 0 2.0.0 stored 2\n");
	assert_int_equal(f->handed, 1);
	close(fd);
}

static void test_read(void **state)
{
	char name[] = "/tmp/lib_deliver.XXXXXX", text[64];
	struct deliver_job *job = deliver_job_new();
	size_t at = 0;
	ssize_t got;

	(void)state;
	job->fd = mkstemp(name);
	unlink(name);
	assert_int_equal(write(job->fd, "0123456789", 10), 10);
	job->offset = 2;
	job->length = 5;
	str_add(&job->head, "head ");
	while ((got = deliver_job_read(job, at, text + at, 3)) > 0)
		at += (size_t)got;
	assert_int_equal(got, 0);
	assert_int_equal(at, 10);
	assert_memory_equal(text, "head 23456", 10);
	job->length = 20;
	assert_int_equal(deliver_job_read(job, 13, text, 9), -1);
	assert_int_equal(errno, ENODATA);
	deliver_job_free(job);
}

/* Of many jobs the last 10,000 are known. */
static void test_kept(void **state)
{
	struct fixture *f = *state;
	struct deliver_job *job;

	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < DELIVER_KEPT + 10; i++) {
			if (round && i < 10)
				continue;
			job = deliver_job_new();
			job->key.id.name = (struct id_name){ 1763712345000000, 5 };
			job->key.id.index = i;
			assert_int_equal(deliver_job_add_recipient(job, span_of("frank")), 0);
			deliver_add(f->deliver, job);
		}
		assert_int_equal(f->handed, DELIVER_KEPT + 10);
	}
	job = deliver_job_new();
	job->key.id.name = (struct id_name){ 1763712345000000, 5 };
	assert_int_equal(deliver_job_add_recipient(job, span_of("frank")), 0);
	deliver_add(f->deliver, job);
	assert_int_equal(f->handed, DELIVER_KEPT + 11);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_job),
		TEST(test_joins),
		TEST(test_alive),
		TEST(test_rules),
		TEST(test_too_many_recipients),
		TEST(test_descriptors),
		TEST(test_cap),
		TEST(test_connection_vanishes),
		TEST(test_kept),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
