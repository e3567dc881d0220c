/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What mailq shows, whatever it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../queue/mailq.h"

#define NOW UINT64_C(1763712345000000)
#define ID "1763712345123456-9f8e7d6c5b4a3921-0"

struct shown {
	struct mailq_out out;
	char *text;
	size_t len;
	struct str error;
};

static void begin(struct shown *s, const struct mailq_printer *printer)
{
	*s = (struct shown){ .out = { .printer = printer, .now = NOW }, .error = STR_INIT(4096) };
	s->out.file = open_memstream(&s->text, &s->len);
	assert_non_null(s->out.file);
}

static void end(struct shown *s, const char *expected)
{
	fclose(s->out.file);
	assert_string_equal(s->text, expected);
	free(s->text);
	str_free(&s->error);
}

static int answer(struct shown *s, char type, const char *value)
{
	return mailq_answer(&s->out, type, span_of(value), &s->error);
}

static void test_text(void **state)
{
	struct shown s;

	(void)state;
	begin(&s, &mailq_text_printer);
	assert_int_equal(answer(&s, 'M', ID " 1763712045000000 4096 deferred root@host"), 0);
	assert_int_equal(answer(&s, 'R', "0 later 3 1763713245000000 4.4.1 imap:phone frank@example.org connect:%20Connection%20refused"), 0);
	assert_int_equal(answer(&s, 'R', "1 new 0 0 - - bob -"), 0);
	assert_int_equal(answer(&s, 'M', "1763712345123456-9f8e7d6c5b4a3921-1 1763712345000000 10 journal -"), 0);
	assert_int_equal(answer(&s, 'R', "0 done 1 1763712345000000 2.0.0 local:inbox bob inbox/new/x"), 0);
	assert_int_equal(answer(&s, 'E', "2 4106"), 1);
	end(&s,
	    "ID                                       AGE       SIZE  SENDER, STATE\n"
	    ID "       5m       4096  <root@host> deferred\n"
	    "    <frank@example.org> later, 3 tries, next in 15m, imap:phone: 4.4.1 connect: Connection refused\n"
	    "    <bob> new\n"
	    "1763712345123456-9f8e7d6c5b4a3921-1       0s         10  <> journal\n"
	    "    <bob> done, 1 try, next now, local:inbox: 2.0.0 inbox/new/x\n"
	    "-- 2 messages, 4106 bytes\n");
}

static void test_empty(void **state)
{
	struct shown s;

	(void)state;
	begin(&s, &mailq_text_printer);
	assert_int_equal(answer(&s, 'E', "0 0"), 1);
	end(&s, "The queue is empty.\n");
	begin(&s, &mailq_json_printer);
	assert_int_equal(answer(&s, 'E', "0 0"), 1);
	end(&s, "[]\n");
}

static void test_json(void **state)
{
	struct shown s;

	(void)state;
	begin(&s, &mailq_json_printer);
	assert_int_equal(answer(&s, 'M', ID " 1763712045000001 4096 deferred root\"@host"), 0);
	assert_int_equal(answer(&s, 'R', "0 later 3 1763713245000000 4.4.1 imap:phone j\xc3\xbcrg a%0Ab\xff\\"), 0);
	assert_int_equal(answer(&s, 'R', "1 new 0 0 - - - -"), 0);
	assert_int_equal(answer(&s, 'M', ID " 1763712345000000 10 journal -"), 0);
	assert_int_equal(answer(&s, 'E', "2 4106"), 1);
	end(&s,
	    "[\n{\"id\": \"" ID "\", \"arrival\": 1763712045.000001, \"age\": 299, \"size\": 4096, \"sender\": \"root\\\"@host\", "
	    "\"where\": \"deferred\", \"recipients\": [\n"
	    "  {\"address\": \"j\xc3\xbcrg\", \"state\": \"later\", \"tries\": 3, \"next\": 1763713245.000000, \"status\": \"4.4.1\", "
	    "\"drop\": \"imap:phone\", \"reason\": \"a\\u000ab\\ufffd\\\\\"},\n"
	    "  {\"address\": \"\", \"state\": \"new\", \"tries\": 0, \"next\": null, \"status\": null, \"drop\": null, \"reason\": null}]},\n"
	    "{\"id\": \"" ID "\", \"arrival\": 1763712345.000000, \"age\": 0, \"size\": 10, \"sender\": \"\", \"where\": \"journal\", \"recipients\": []}\n]\n");
}

static void test_wrong_answers(void **state)
{
	static const struct { char type; const char *value; } wrong[] = {
		{ 'M', "" }, { 'M', ID }, { 'M', ID " x 1 journal -" }, { 'M', ID " 1 1 journal - more" }, { 'M', ID " 1 -1 journal -" },
		{ 'M', ID " 1 1 journal %zz" }, { 'R', "0 new 0 0 - - a -" }, { 'K', "1" }, { 'X', "no" },
	};
	struct shown s;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		begin(&s, &mailq_text_printer);
		assert_int_equal(answer(&s, wrong[i].type, wrong[i].value), -1);
		assert_true(s.error.len > 0);
		assert_false(s.out.begun);
		end(&s, "");
	}
}

static void test_terminal_safe(void **state)
{
	static const struct { const char *raw, *safe; } pairs[] = {
		{ "plain j\xc3\xbcrg", "plain j\xc3\xbcrg" },
		{ "\x1b[2J\a", "\\x1b[2J\\x07" },
		{ "a\\b", "a\\x5cb" },
		{ "\x7f\xc2\x9b", "\\x7f\\u{009b}" },
		{ "\xff\xc3", "\\xff\\xc3" },
		{ "\xc0\x80\xed\xa0\x80", "\\xc0\\x80\\xed\\xa0\\x80" },
		{ "\xe2\x80\xae" "x", "\\u{202e}x" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
	};
	struct str out = STR_INIT(1024);

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		str_cut(&out, 0);
		assert_int_equal(mailq_put_safe(&out, span_of(pairs[i].raw)), 0);
		assert_string_equal(out.data, pairs[i].safe);
	}
	str_cut(&out, 0);
	assert_int_equal(mailq_put_safe(&out, (struct span){ "a\0b", 3 }), 0);
	assert_string_equal(out.data, "a\\x00b");
	str_free(&out);
}

static void test_durations(void **state)
{
	static const struct { uint64_t seconds; const char *text; } pairs[] = {
		{ 0, "0s" }, { 59, "59s" }, { 60, "1m" }, { 3599, "59m" }, { 3600, "1h" }, { 3661, "1h1m" }, { 86399, "23h59m" }, { 86400, "1d" },
		{ 86400 * 4 + 7300, "4d2h" },
	};
	struct str out = STR_INIT(64);

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		str_cut(&out, 0);
		assert_int_equal(mailq_put_duration(&out, pairs[i].seconds * 1000000 + 999999), 0);
		assert_string_equal(out.data, pairs[i].text);
	}
	str_free(&out);
}

/* A send that says these bytes, a few at a time, and hangs up. */
static int ask(struct shown *s, const char *says)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/queue_mailq.XXXXXX";
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), result;
	pid_t child;

	assert_non_null(mkdtemp(dir));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/c", dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 1), 0);
	child = fork();
	if (!child) {
		char question[64];
		int fd = accept(listener, NULL, NULL);

		for (size_t len = strlen(says), n; len; says += n, len -= n) {
			n = len < 3 ? len : 3;
			if (write(fd, says, n) != (ssize_t)n)
				_exit(1);
		}
		shutdown(fd, SHUT_WR);
		while (read(fd, question, sizeof question) > 0)
			;
		_exit(0);
	}
	close(listener);
	result = mailq_ask(address.sun_path, &s->out, &s->error);
	waitpid(child, NULL, 0);
	unlink(address.sun_path);
	rmdir(dir);
	return result;
}

static void test_asking(void **state)
{
	struct shown s;

	(void)state;
	begin(&s, &mailq_text_printer);
	assert_int_equal(ask(&s, "7:Hsend 1,4:E0 0,"), 0);
	end(&s, "The queue is empty.\n");
	begin(&s, &mailq_text_printer);
	assert_int_equal(ask(&s, "7:Hsend 1,"), -1);
	assert_false(s.out.begun);
	end(&s, "");
	begin(&s, &mailq_text_printer);
	assert_int_equal(ask(&s, "4:E0 0,"), -1);
	end(&s, "");
	begin(&s, &mailq_text_printer);
	assert_int_equal(ask(&s, "HTTP/1.1 400 Bad Request\r\n"), -1);
	end(&s, "");
	begin(&s, &mailq_text_printer);
	assert_int_equal(mailq_ask("/nonexistent/admin.ctrl", &s.out, &s.error), -1);
	assert_string_equal(s.error.data, "/nonexistent/admin.ctrl: No such file or directory");
	end(&s, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_wrong_answers),
		cmocka_unit_test(test_terminal_safe),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
