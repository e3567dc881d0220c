/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of mailboxes, and messages in the form that goes to the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../imap/body.h"
#include "../../imap/mailbox.h"

static void test_both_ways(void **state)
{
	static const struct { const char *utf8, *wire; } pairs[] = {
		{ "", "" }, { "INBOX", "INBOX" }, { "a&b", "a&-b" }, { "&", "&-" }, { "&&", "&-&-" }, { "~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
		{ "Entwürfe", "Entw&APw-rfe" }, { "ü", "&APw-" }, { "üü", "&APwA,A-" }, { "\xf0\x9f\x98\x80", "&2D3eAA-" }, { "a\xf0\x9f\x98\x80z", "a&2D3eAA-z" },
		{ "ä&ö", "&AOQ-&-&APY-" }, { "tab\there", "tab&AAk-here" }, { "\x7f", "&AH8-" },
	};
	struct str out = STR_INIT(1000);

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		str_cut(&out, 0);
		assert_int_equal(mailbox_encode(&out, span_of(pairs[i].utf8)), 0);
		assert_string_equal(out.data, pairs[i].wire);
		str_cut(&out, 0);
		assert_int_equal(mailbox_decode(&out, span_of(pairs[i].wire)), 0);
		assert_string_equal(out.data, pairs[i].utf8);
	}
	str_free(&out);
}

static void test_refused(void **state)
{
	static const char *const utf8[] = { "\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xff" };
	static const char *const wire[] = { "&", "&APw", "&A-", "&AP-", "&APx-", "&AGE-", "&2D0-", "&3gA-", "&2D0AYQ-", "&APw-&APw-", "\xc3\xbc", "a\tb", "&AP/w-", "&====-" };
	struct str out = STR_INIT(1000);

	(void)state;
	for (size_t i = 0; i < sizeof utf8 / sizeof utf8[0]; i++)
		assert_int_equal(mailbox_encode(&out, span_of(utf8[i])), -1);
	for (size_t i = 0; i < sizeof wire / sizeof wire[0]; i++)
		if (!mailbox_decode(&out, span_of(wire[i])))
			fail_msg("%s was taken", wire[i]);
	str_free(&out);
}

static void test_wire(void **state)
{
	static const struct { const char *name; char separator; const char *prefix; const char *wire; } rows[] = {
		{ "INBOX", '.', "INBOX.", "INBOX" }, { "inbox/Server", '.', "INBOX.", "INBOX.Server" }, { "Server/Ä", '.', "INBOX.", "INBOX.Server.&AMQ-" }, { "a/b", '/', "", "a/b" },
		{ "a", 0, "", "a" }, { "a/b", 0, "", NULL }, { "a.b", '.', "", NULL }, { "a//b", '.', "", NULL }, { "/a", '.', "", NULL }, { "a/", '.', "", NULL }, { "", '.', "", NULL },
		{ "a\nb", '.', "", NULL }, { "a\xff", '.', "", NULL }, { "Inboxes", '.', "INBOX.", "INBOX.Inboxes" },
	};
	struct str out = STR_INIT(1000);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		str_cut(&out, 0);
		assert_int_equal(mailbox_wire(&out, span_of(rows[i].name), rows[i].separator, span_of(rows[i].prefix), false), rows[i].wire ? 0 : -1);
		if (rows[i].wire)
			assert_string_equal(out.data, rows[i].wire);
	}
	str_cut(&out, 0);
	assert_int_equal(mailbox_quote(&out, span_of("a\"b\\c d"), false), 0);
	assert_string_equal(out.data, "\"a\\\"b\\\\c d\"");
	assert_int_equal(mailbox_quote(&out, span_of("ü"), false), -1);
	assert_int_equal(mailbox_quote(&out, span_of("a\r\n"), true), -1);
	str_free(&out);
}

/* ---- messages ---- */

static void check_body(const char *message, size_t len, size_t inline_len, const char *wanted)
{
	char name[] = "/tmp/imap_mailbox.XXXXXX", piece[64];
	struct deliver_job *job = deliver_job_new();
	struct str out = STR_INIT(1U << 20);
	struct body body;
	ssize_t got;

	str_append(&job->head, message, inline_len);
	if (inline_len < len) {
		job->fd = mkstemp(name);
		unlink(name);
		assert_int_equal(write(job->fd, message + inline_len, len - inline_len), len - inline_len);
		job->length = len - inline_len;
	}
	assert_int_equal(body_open(&body, job), 0);
	for (int round = 0; round < 2; round++) {
		body_rewind(&body);
		str_cut(&out, 0);
		while ((got = body_read(&body, piece, 4 + (size_t)rand() % 60)) > 0)
			str_append(&out, piece, (size_t)got);
		assert_int_equal(got, 0);
		assert_string_equal(out.data, wanted);
		assert_int_equal(out.len, body.length);
	}
	deliver_job_free(job);
	str_free(&out);
}

static void test_body(void **state)
{
	static const struct { const char *message, *wire; } rows[] = {
		{ "A: b\n\nx\n", "A: b\r\n\r\nx\r\n" }, { "A: b\n\nx", "A: b\r\n\r\nx\r\n" }, { "A: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\r\n" }, { "A: b\n\nx\ry\n", "A: b\r\n\r\nx\ry\r\n" },
		{ "A: b\n\nx\r", "A: b\r\n\r\nx\r\n" }, { "A: b\n\n", "A: b\r\n\r\n" }, { "A: b\n\n\n\n", "A: b\r\n\r\n\r\n\r\n" }, { "A: b\n\n.\n..\n", "A: b\r\n\r\n.\r\n..\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t cut = 1; cut <= strlen(rows[i].message); cut++)
			check_body(rows[i].message, strlen(rows[i].message), cut, rows[i].wire);
	/* a header that nothing ends */
	check_body("A: b\n", 5, 5, "A: b\r\n\r\n");
	check_body("A: b", 4, 4, "A: b\r\n\r\n");
	check_body("A: b\r", 5, 5, "A: b\r\n\r\n");
}

static void test_changed(void **state)
{
	char name[] = "/tmp/imap_mailbox.XXXXXX", piece[64];
	struct deliver_job *job = deliver_job_new();
	struct body body;
	ssize_t got;

	(void)state;
	str_add(&job->head, "A: b\n\n");
	job->fd = mkstemp(name);
	unlink(name);
	assert_int_equal(write(job->fd, "x\ny\n", 4), 4);
	job->length = 4;
	assert_int_equal(body_open(&body, job), 0);
	assert_int_equal(pwrite(job->fd, "\n\n\n\n", 4, 0), 4);
	while ((got = body_read(&body, piece, sizeof piece)) > 0)
		;
	assert_int_equal(got, -1);
	assert_int_equal(ftruncate(job->fd, 2), 0);
	body_rewind(&body);
	while ((got = body_read(&body, piece, sizeof piece)) > 0)
		;
	assert_int_equal(got, -1);
	assert_int_equal(body_open(&body, job), -1);
	deliver_job_free(job);
}

static void test_nul(void **state)
{
	struct deliver_job *job = deliver_job_new();
	struct body body;

	(void)state;
	str_append(&job->head, "A: b\n\nx\0y\n", 10);
	assert_int_equal(body_open(&body, job), 0);
	assert_true(body.has_nul);
	deliver_job_free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
