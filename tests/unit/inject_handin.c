/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages from input to queue: what is completed, removed, qualified, and to whom they go. */
#include "fakequeue.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "../../inject/handin.h"
#include "../../inject/person.h"

#define SECOND UINT64_C(1000000)
#define WORDS_MAX 32
#define ACTS(...) ((const int[]){ __VA_ARGS__, -1 })

struct run {
	struct settings settings;
	struct handin_result result;
	struct fake fake;
	int code;
};

static void set_up(struct run *r, const int *acts)
{
	fake_start(&r->fake, acts);
	r->settings = (struct settings){ STR_INIT(4096), STR_INIT(4096), STR_INIT(4096), STR_INIT(4096), SECOND, SETTINGS_FROM_ADD,
	    SETTINGS_TO_UNDISCLOSED, true, .mime = STR_INIT(40) };
	str_add(&r->settings.socket, r->fake.path);
	str_add(&r->settings.name, "host.example");
	handin_result_init(&r->result);
}

static void tear_down(struct run *r)
{
	fake_free(&r->fake);
	settings_free(&r->settings);
	handin_result_free(&r->result);
}

struct feeder {
	struct span text;
	int fd;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;

	while (f->text.len > 0) {
		ssize_t n = write(f->fd, f->text.data, f->text.len < 7000 ? f->text.len : 7000);

		if (n <= 0)
			break;
		f->text = span_skip(f->text, (size_t)n);
	}
	close(f->fd);
	return NULL;
}

/* As a pipe, or as a file that can be read again. */
static void hand_in(struct run *r, const char *line, struct span text, bool file, struct span envelope)
{
	struct str error = STR_INIT(1024);
	struct options o;
	struct feeder feeder = { text, -1 };
	char copy[512], *argv[WORDS_MAX], *word, *rest, path[] = "/tmp/handin.XXXXXX";
	int argc = 0, pipe_fd[2], envelope_fd[2];
	pthread_t thread;

	snprintf(copy, sizeof copy, "%s", line);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	assert_int_equal(options_parse(&o, argc, argv, &error), 0);
	if (envelope.len > 0) {
		assert_int_equal(pipe(envelope_fd), 0);
		assert_int_equal(write(envelope_fd[1], envelope.data, envelope.len), (ssize_t)envelope.len);
		close(envelope_fd[1]);
		o.envelope_fd = envelope_fd[0];
	}
	if (file) {
		pipe_fd[0] = mkstemp(path);
		unlink(path);
		assert_int_equal(write(pipe_fd[0], "skip", 4), 4);	/* the message need not begin at offset 0 */
		assert_int_equal(write(pipe_fd[0], text.data, text.len), (ssize_t)text.len);
		lseek(pipe_fd[0], 4, SEEK_SET);
	} else {
		assert_int_equal(pipe(pipe_fd), 0);
		feeder.fd = pipe_fd[1];
		pthread_create(&thread, NULL, feed, &feeder);
	}
	r->code = handin_run(&o, &r->settings, pipe_fd[0], &r->result);
	close(pipe_fd[0]);
	if (!file)
		pthread_join(thread, NULL);
	if (envelope.len > 0)
		close(envelope_fd[0]);
	options_free(&o);
	str_free(&error);
	fake_stop(&r->fake);
}

/* What is new each time becomes "*". */
static void mask(struct str *out, struct span message)
{
	struct span line;
	bool header = true;

	while (message.len > 0) {
		const char *lf = memchr(message.data, '\n', message.len);

		line = (struct span){ message.data, lf ? (size_t)(lf - message.data) + 1 : message.len };
		message = span_skip(message, line.len);
		header = header && line.data[0] != '\n';
		if (header && (span_starts(line, "Date: ") || span_starts(line, "Resent-Date: ")) && !memmem(line.data, line.len, "1999", 4))
			str_append(out, line.data, (size_t)((char *)memchr(line.data, ' ', line.len) - line.data)), str_add(out, " *\n");
		else if (header && memmem(line.data, line.len, "Message-ID: <", 13) && memmem(line.data, line.len, "@host.example>", 14))
			str_append(out, line.data, (size_t)((char *)memchr(line.data, ' ', line.len) - line.data)), str_add(out, " *\n");
		else
			str_add_span(out, line);
	}
}

#define TEXT(literal) { literal, sizeof literal - 1 }
#define NEW "Date: *\nMessage-ID: *\n"
#define FULL "Date: Fri, 1 Jan 1999 00:00:00 +0000\nMessage-ID: <1@x>\n"

static const struct {
	const char *line;
	struct span in;
	const char *envelope;
	struct span out;
} cases[] = {
	/* additions and completeness */
	{ "sendmail -f me@x a@b", TEXT("body\n"), "Sme@x\nRa@b\n", TEXT("From: me@x\nTo: undisclosed-recipients:;\n" NEW "\nbody\n") },
	{ "sendmail -f me@x -FCron=Daemon a@b", TEXT(""), "Sme@x\nRa@b\n",
	    TEXT("From: Cron=Daemon <me@x>\nTo: undisclosed-recipients:;\n" NEW "\n") },
	{ "sendmail -f me -FA.B a@b", TEXT("To: c\n\n"), "Sme@host.example\nRa@b\n",
	    TEXT("To: c@host.example\nFrom: \"A.B\" <me@host.example>\n" NEW "\n") },
	{ "sendmail -f me@x -t", TEXT("From: a@b\nTo: c@d\n" FULL "\nbody"), "Sme@x\nRc@d\n", TEXT("From: a@b\nTo: c@d\n" FULL "\nbody") },
	{ "sendmail -f <> a@b", TEXT("From: x@y\nTo: q@r\n" FULL "\n\n\n"), "S\nRa@b\n", TEXT("From: x@y\nTo: q@r\n" FULL "\n\n\n") },
	{ "sendmail -f <a@b> c@d", TEXT("From: x@y\nCc: q@r\n" FULL "X: y"), "Sa@b\nRc@d\n", TEXT("From: x@y\nCc: q@r\n" FULL "X: y\n\n") },
	{ "sendmail -f host!user c@d", TEXT("From: x@y\nCc: q@r\n" FULL "\n"), "Shost!user@host.example\nRc@d\n",
	    TEXT("From: x@y\nCc: q@r\n" FULL "\n") },
	/* recipients */
	{ "sendmail -f me@x -t", TEXT("From: a@b\nTo: r (x), \"Foo, B\" <foo>,\n x@Y\nCc: g: m@n, o;, x@y\nBcc: z\n" FULL "\nb"),
	    "Sme@x\nRr@host.example\nRfoo@host.example\nRx@Y\nRm@n\nRo@host.example\nRz@host.example\n",
	    TEXT("From: a@b\nTo: r@host.example (x), \"Foo, B\" <foo@host.example>,\n x@Y\nCc: g: m@n, o@host.example;, x@y\n" FULL "\nb") },
	{ "sendmail -f me@x -t", TEXT("To: a@b\nFrom: x@y\nTo: c@d\nBcc: e@f\nbcc: g@h\n" FULL "\n"), "Sme@x\nRa@b\nRc@d\nRe@f\nRg@h\n",
	    TEXT("To: a@b\nFrom: x@y\nTo: c@d\n" FULL "\n") },
	{ "sendmail -f me@x", TEXT("To: a@b\nFrom: x@y\nBcc: c@d\n" FULL "\n"), "Sme@x\nRa@b\nRc@d\n", TEXT("To: a@b\nFrom: x@y\n" FULL "\n") },
	{ "sendmail -f me@x c@d,e a@b", TEXT("To: broken <\nFrom: x@y\nBcc: z@z\n" FULL "\n"), "Sme@x\nRc@d\nRe@host.example\nRa@b\n",
	    TEXT("To: broken <\nFrom: x@y\n" FULL "\n") },
	{ "sendmail -f me@x -t c@d", TEXT("To: a@b\nFrom: x@y\n" FULL "\n"), "Sme@x\nRa@b\nRc@d\n", TEXT("To: a@b\nFrom: x@y\n" FULL "\n") },
	{ "sendmail -f me@x -t --subtract c@d", TEXT("To: a@b, c@D\nFrom: x@y\n" FULL "\n"), "Sme@x\nRa@b\n",
	    TEXT("To: a@b, c@D\nFrom: x@y\n" FULL "\n") },
	{ "sendmail -f me@x -t", TEXT("Bcc: a@b\nFrom: x@y\n" FULL "\n"), "Sme@x\nRa@b\n",
	    TEXT("From: x@y\n" FULL "To: undisclosed-recipients:;\n\n") },
	{ "sendmail -f me@x -t", TEXT("To: undisclosed-recipients:;\nBcc: a@b\nFrom: x@y\n" FULL "\n"), "Sme@x\nRa@b\n",
	    TEXT("To: undisclosed-recipients:;\nFrom: x@y\n" FULL "\n") },
	/* sent on */
	{ "sendmail -f me@x -t", TEXT("Resent-To: r\nResent-Bcc: s@t\nTo: a@b\nFrom: x@y\nBcc: c@d\n" FULL "\n"),
	    "Sme@x\nRr@host.example\nRs@t\n", TEXT("Resent-Date: *\nResent-From: me@x\nResent-Message-ID: *\n"
	    "Resent-To: r@host.example\nTo: a@b\nFrom: x@y\n" FULL "\n") },
	/* qualified fields */
	{ "sendmail -f me@x a@b", TEXT("From: root (Cron Daemon)\nTo: root\nSender: \"a b\"\nReply-To: x, <y>, Z <z (c) >\nX-Other: root\n" FULL "\n"),
	    "Sme@x\nRa@b\n", TEXT("From: root@host.example (Cron Daemon)\nTo: root@host.example\nSender: \"a b\"@host.example\n"
	    "Reply-To: x@host.example, <y@host.example>, Z <z@host.example (c) >\nX-Other: root\n" FULL "\n") },
	/* repair */
	{ "sendmail -f me@x -t", TEXT("To: a@b\r\nFrom: x@y\nDate: Fri, 1 Jan 1999 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nb\r\n.\r\n"),
	    "Sme@x\nRa@b\n", TEXT("To: a@b\nFrom: x@y\n" FULL "\nb\n") },
	{ "sendmail -i -f me@x -t", TEXT(">From x y\nFrom z\nTo: a@b\nFrom: x@y\n" FULL "no field\n.\n"), "Sme@x\nRa@b\n",
	    TEXT("To: a@b\nFrom: x@y\n" FULL "\nno field\n.\n") },
	{ "sendmail --dot -f me@x -t", TEXT("To: a@b\nFrom: x@y\n" FULL "\n..a\n.\nlost\n"), "Sme@x\nRa@b\n",
	    TEXT("To: a@b\nFrom: x@y\n" FULL "\n.a\n") },
	{ "sendmail -f me@x a@b", TEXT("From: x@y\nTo: q@r\nSubject: \303\251\377\0\n" FULL "Return-Path: <p@q>\n\n\0\377\r"), "Sme@x\nRa@b\n",
	    TEXT("From: x@y\nTo: q@r\nSubject: \303\251\377\0\n" FULL "\n\0\377\r") },
	{ "sendmail -f me@x a@b", TEXT("\nTo: in the body\n"), "Sme@x\nRa@b\n",
	    TEXT("From: me@x\nTo: undisclosed-recipients:;\n" NEW "\nTo: in the body\n") },
	/* attributes */
	{ "sendmail -f me@x -N failure,SUCCESS -R hdrs -V q1 -B8BITMIME a@b c@d", TEXT("From: x@y\nTo: q@r\n" FULL "\n"),
	    "Sme@x\nAbody=8BITMIME\nAret=HDRS\nAenvid=q1\nRa@b\nrnotify=SUCCESS,FAILURE\nRc@d\nrnotify=SUCCESS,FAILURE\n",
	    TEXT("From: x@y\nTo: q@r\n" FULL "\n") },
	{ "sendmail -f me@x -Nnever -R full -B 7bit a@b", TEXT("From: x@y\nTo: q@r\n" FULL "\n"),
	    "Sme@x\nAbody=7BIT\nAret=FULL\nRa@b\nrnotify=NEVER\n", TEXT("From: x@y\nTo: q@r\n" FULL "\n") },
	{ "sendmail -f me@x j\303\266rg@b", TEXT("From: x@y\nTo: q@r\n" FULL "\n"), "Sme@x\nAsmtputf8=1\nRj\303\266rg@b\n",
	    TEXT("From: x@y\nTo: q@r\n" FULL "\n") },
};

static void test_messages(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
		struct str got = STR_INIT(65536);
		struct run r;
		size_t n = i / 2;

		set_up(&r, ACTS(FAKE_SERVE));
		hand_in(&r, cases[n].line, cases[n].in, i % 2, (struct span){ "", 0 });
		if (r.code != 0)
			fail_msg("case %zu (%s): %d %s", n, cases[n].line, r.code, r.result.error.data);
		mask(&got, str_span(&r.fake.message));
		if (strcmp(r.fake.envelope.data, cases[n].envelope) != 0)
			fail_msg("case %zu (%s): envelope\n%s", n, cases[n].line, r.fake.envelope.data);
		if (!span_equal(str_span(&got), cases[n].out))
			fail_msg("case %zu (%s): message\n%s", n, cases[n].line, got.data);
		assert_int_equal(r.result.warning.len, 0);
		str_free(&got);
		tear_down(&r);
	}
}

static void expect_failure(const char *line, const char *text, int code, const char *hint)
{
	struct run r;

	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, line, span_of(text), false, (struct span){ "", 0 });
	if (r.code != code || !strstr(r.result.error.data, hint))
		fail_msg("%s: %d %s", line, r.code, r.result.error.data);
	assert_int_equal(r.fake.stored, 0);
	assert_int_equal(r.fake.connections, 0);
	tear_down(&r);
}

static void test_no_recipients(void **state)
{
	(void)state;
	expect_failure("sendmail -f a@b", "Subject: x\n\nb\n", EX_USAGE, "no recipients: give them as arguments");
	expect_failure("sendmail -t -f a@b", "", EX_USAGE, "no recipients");
	expect_failure("sendmail -t -f a@b", "To: undisclosed-recipients:;\n\n", EX_USAGE, "no recipients");
	expect_failure("sendmail -t --subtract -f a@b c@d", "To: c@d\n\n", EX_USAGE, "no recipients");
	expect_failure("sendmail -t -f a@b", "To: <a@\n\n", EX_DATAERR, "<a@");
	expect_failure("sendmail -f a@b @@", "To: c@d\n\n", EX_DATAERR, "@@");
}

static void test_some_bad(void **state)
{
	struct run r;

	(void)state;
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail -t -f a@b", span_of("To: good@x, <bad@, other@x\n\n"), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.result.warning.data, "<bad@"));
	assert_non_null(strstr(r.fake.envelope.data, "Rgood@x\n"));
	tear_down(&r);
	/* with a Resent- field for recipients those of the original do not count, whatever is in it */
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail -f a@b -t z@z", span_of("Resent-To: <broken\nTo: c@d\n\n"), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	assert_string_equal(r.fake.envelope.data, "Sa@b\nRz@z\n");
	tear_down(&r);
}

static void test_default_sender(void **state)
{
	struct str login = STR_INIT(1000), name = STR_INIT(1000), want = STR_INIT(1000);
	struct run r;

	(void)state;
	assert_int_equal(person_find(&login, &name), 0);
	str_printf(&want, "S%s@host.example\nRa@b\n", login.data);
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail a@b", span_of("x"), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	assert_string_equal(r.fake.envelope.data, want.data);
	tear_down(&r);
	/* a sender that is none is passed over with a warning */
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail -f @@ a@b", span_of("x"), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	assert_string_equal(r.fake.envelope.data, want.data);
	assert_non_null(strstr(r.result.warning.data, "@@"));
	tear_down(&r);
	str_free(&login);
	str_free(&name);
	str_free(&want);
}

static void test_policies(void **state)
{
	struct str got = STR_INIT(4096);
	struct run r;

	(void)state;
	set_up(&r, ACTS(FAKE_SERVE));
	r.settings.from = SETTINGS_FROM_REPLACE;
	str_add(&r.settings.sender, "relay@x");
	hand_in(&r, "sendmail -FJoe -f a@b -t", span_of("From: c\nTo: d@e\n" FULL "\n"), false, (struct span){ "", 0 });
	mask(&got, str_span(&r.fake.message));
	assert_string_equal(got.data, "X-Original-From: c@host.example\nTo: d@e\n" FULL "From: Joe <relay@x>\n\n");
	assert_string_equal(r.fake.envelope.data, "Srelay@x\nRd@e\n");
	tear_down(&r);

	set_up(&r, ACTS(FAKE_SERVE));
	str_add(&r.settings.sender, "relay@x");
	r.settings.from = SETTINGS_FROM_LEAVE;
	r.settings.to = SETTINGS_TO_LIST;
	r.settings.qualify = false;
	hand_in(&r, "sendmail -f <> d@e f", span_of("Sender: c\n" FULL "\n"), false, (struct span){ "", 0 });
	assert_string_equal(r.fake.message.data, "Sender: c\n" FULL "To: d@e,\n\tf@host.example\n\n");
	assert_string_equal(r.fake.envelope.data, "S\nRd@e\nRf@host.example\n");	/* null stays null */
	tear_down(&r);
	str_free(&got);
}

static void test_given_envelope(void **state)
{
	static const char whole[] = "Fme@x\0Ta@b\0Tc\0", cut[] = "Fme@x\0Ta@b\0Tc";
	struct run r;

	(void)state;
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail", span_of("From: x@y\nTo: q@r\n" FULL "\n"), false, (struct span){ whole, sizeof whole });
	assert_int_equal(r.code, 0);
	assert_string_equal(r.fake.envelope.data, "Sme@x\nRa@b\nRc@host.example\n");
	tear_down(&r);
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail", span_of("From: x@y\n\n"), false, (struct span){ cut, sizeof cut });
	assert_int_equal(r.code, EX_DATAERR);
	assert_int_equal(r.fake.stored, 0);
	tear_down(&r);
}

/* Headers and bodies of megabytes, over a pipe and from a file, with a queue that goes away in the middle. */
static void test_large(void **state)
{
	struct str in = STR_INIT(1 << 26), want = STR_INIT(1 << 26);
	size_t i, kind;
	struct run r;

	(void)state;
	str_add(&in, "From: x@y\nTo: a@b\n" FULL);
	for (i = 0; i < 100000; i++)
		str_printf(&in, "X-Field-%zu: some text that is long enough\n", i);
	str_add(&in, "X-Line: ");
	for (i = 0; i < 200000; i++)
		str_add(&in, "0123456789");
	str_add(&in, "\n\n");
	for (i = 0; i < 200000; i++)
		str_add(&in, "A line of the body\n");
	for (kind = 0; kind < 4; kind++) {
		bool file = kind % 2, cut = kind >= 2;

		set_up(&r, cut ? ACTS(FAKE_CUT_AT_B, FAKE_SERVE) : ACTS(FAKE_SERVE));
		hand_in(&r, "sendmail -i -f me@x -t", str_span(&in), file, (struct span){ "", 0 });
		assert_int_equal(r.code, 0);
		assert_int_equal(r.fake.stored, 1);
		assert_int_equal(r.fake.message.len, in.len);
		assert_memory_equal(r.fake.message.data, in.data, in.len);
		tear_down(&r);
	}
	str_free(&in);
	str_free(&want);
}

/* No room for a temporary file: a long body from a pipe is passed on as it comes; sent again it cannot be, and 75 says that nothing was stored. */
static void test_no_temporary_file(void **state)
{
	struct rlimit all, none;
	struct str in = STR_INIT(1 << 23);
	struct run r;
	size_t i;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	none = (struct rlimit){ 100000, all.rlim_max };
	str_add(&in, "From: x@y\nTo: a@b\n" FULL "\n");
	for (i = 0; i < 200000; i++)
		str_printf(&in, "Line %zu of the body\n", i);
	for (i = 0; i < 2; i++) {
		set_up(&r, i ? ACTS(FAKE_CUT_AT_B, FAKE_SERVE) : ACTS(FAKE_SERVE));
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
		hand_in(&r, "sendmail -i -f me@x -t", str_span(&in), false, (struct span){ "", 0 });
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
		assert_int_equal(r.code, i ? EX_TEMPFAIL : 0);
		assert_int_equal(r.fake.stored, i ? 0 : 1);
		if (i == 0) {
			assert_int_equal(r.fake.message.len, in.len);
			assert_memory_equal(r.fake.message.data, in.data, in.len);
		} else
			assert_non_null(strstr(r.result.error.data, "nothing was stored"));
		tear_down(&r);
	}
	str_free(&in);
}

struct slow {
	const struct fake *fake;
	int fd;
	size_t connections;	/* while the job was at work */
};

static void *write_slowly(void *arg)
{
	struct slow *slow = arg;
	char block[4096];
	int i;

	memset(block, 'x', sizeof block);
	for (i = 0; i < 200; i++)
		(void)!write(slow->fd, block, sizeof block);
	usleep(300000);
	slow->connections = slow->fake->connections;
	(void)!write(slow->fd, "\nend\n", 5);
	close(slow->fd);
	return NULL;
}

/* A job that takes its time holds no connection: queue hears of the message when all of it is there. */
static void test_slow_pipe(void **state)
{
	struct str error = STR_INIT(100);
	char name[] = "sendmail", ignore[] = "-i", to[] = "a@b", *argv[] = { name, ignore, to, NULL };
	struct options o;
	struct slow slow;
	struct run r;
	pthread_t thread;
	int fds[2];

	(void)state;
	set_up(&r, ACTS(FAKE_SERVE));
	assert_int_equal(pipe(fds), 0);
	slow = (struct slow){ &r.fake, fds[1], 1 };
	assert_int_equal(pthread_create(&thread, NULL, write_slowly, &slow), 0);
	assert_int_equal(options_parse(&o, 3, argv, &error), 0);
	assert_int_equal(handin_run(&o, &r.settings, fds[0], &r.result), 0);
	close(fds[0]);
	pthread_join(thread, NULL);
	options_free(&o);
	fake_stop(&r.fake);
	assert_int_equal(slow.connections, 0);
	assert_int_equal(r.fake.stored, 1);
	assert_string_equal(r.fake.message.data + r.fake.message.len - 5, "\nend\n");
	tear_down(&r);
}

static void test_kept_body(void **state)
{
	struct str in = STR_INIT(1 << 20);
	struct run r;
	size_t i;

	(void)state;
	str_add(&in, "From: x@y\nTo: a@b\n" FULL "\n");
	for (i = 0; i < 10000; i++)
		str_add(&in, "A line of the body\n");
	set_up(&r, ACTS(FAKE_CUT_AT_B, FAKE_CUT_AT_E, FAKE_SERVE));
	hand_in(&r, "sendmail -f me@x -t", str_span(&in), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	assert_int_equal(r.fake.stored, 1);
	assert_int_equal(r.fake.message.len, in.len);
	assert_memory_equal(r.fake.message.data, in.data, in.len);
	tear_down(&r);
	str_free(&in);
}

/* A To field beyond what is searched for recipients: refused with -t, kept as it is without. */
static void test_large_address_field(void **state)
{
	struct str in = STR_INIT(1 << 23);
	struct run r;
	size_t i;

	(void)state;
	str_add(&in, "From: x@y\n" FULL "To: a@b");
	for (i = 0; i < 150000; i++)
		str_printf(&in, ",\n user%zu", i);
	str_add(&in, "\nSubject: x\n\nbody\n");
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail -f me@x -t", str_span(&in), false, (struct span){ "", 0 });
	assert_int_equal(r.code, EX_DATAERR);
	assert_non_null(strstr(r.result.error.data, "To"));
	tear_down(&r);
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail -f me@x a@b", str_span(&in), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	assert_int_equal(r.fake.message.len, in.len);
	assert_memory_equal(r.fake.message.data, in.data, in.len);
	tear_down(&r);
	str_free(&in);
}

static void test_many_recipients(void **state)
{
	struct str in = STR_INIT(1 << 23);
	struct run r;
	size_t i, lines = 0;

	(void)state;
	for (i = 0; i < 20000; i++)
		str_printf(&in, "To: user%zu@example.org, user%zu@EXAMPLE.org\n", i, i);
	str_add(&in, "\nbody\n");
	set_up(&r, ACTS(FAKE_SERVE));
	hand_in(&r, "sendmail -f me@x -t", str_span(&in), false, (struct span){ "", 0 });
	assert_int_equal(r.code, 0);
	for (i = 0; i < r.fake.envelope.len; i++)
		lines += r.fake.envelope.data[i] == '\n';
	assert_int_equal(lines, 20001);
	tear_down(&r);
	str_free(&in);
}

static void test_unreadable(void **state)
{
	struct str error = STR_INIT(100);
	struct options o;
	char name[] = "sendmail", to[] = "a@b", *argv[] = { name, to, NULL };
	struct run r;
	int fd = open("/dev/null", O_WRONLY);

	(void)state;
	set_up(&r, ACTS(FAKE_SERVE));
	assert_int_equal(options_parse(&o, 2, argv, &error), 0);
	assert_int_equal(handin_run(&o, &r.settings, fd, &r.result), EX_IOERR);
	assert_non_null(strstr(r.result.error.data, "standard input"));
	close(fd);
	options_free(&o);
	tear_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_no_recipients), cmocka_unit_test(test_some_bad),
		cmocka_unit_test(test_default_sender), cmocka_unit_test(test_policies), cmocka_unit_test(test_given_envelope),
		cmocka_unit_test(test_large), cmocka_unit_test(test_kept_body), cmocka_unit_test(test_large_address_field),
		cmocka_unit_test(test_many_recipients), cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_no_temporary_file), cmocka_unit_test(test_slow_pipe),
	};

	signal(SIGPIPE, SIG_IGN);	/* the feeder may write to an input that was given up */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
