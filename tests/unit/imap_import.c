/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Imports: dates, what tells messages apart, which are there already, and mbox files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../imap/import_date.h"
#include "../../imap/import_match.h"
#include "../../imap/import_source.h"

#define SECOND UINT64_C(1000000)

static void test_dates(void **state)
{
	static const struct { const char *text; uint64_t seconds; } rows[] = {
		{ "Sat, 21 Nov 2026 06:00:51 +0000", 1795240851 }, { "Sat, 21 Nov 2026 06:00:51 +0130", 1795235451 }, { "21 Nov 2026 06:00 -0800", 1795269600 },
		{ "21-Nov-2026 06:00:51 +0000", 1795240851 }, { " 7-Feb-1994 21:52:25 -0800", 760686745 }, { "Sat Nov 21 06:00:51 2026", 1795240851 },
		{ "Sat Nov 21 06:00:51 UTC 2026", 1795240851 }, { "Sat Nov 21 06:00:51 2026 +0100", 1795237251 }, { "Fri, 1 Jan 99 00:00:00 GMT", 915148800 },
		{ "1 Jan 05 00:00:00 GMT (a comment, 5 Feb 2001)", 1104537600 }, { "Thu,\r\n 1 Jan 1970 00:00:00 +0000", 0 },
	};
	static const char *const none[] = { "", "Sat", "21 Nov 2026", "06:00:51", "32 Nov 2026 06:00:51", "0 Nov 2026 06:00:51 +0000", "21 Nix 2026 06:00:51", "21 Nov 1969 06:00:51 +0000",
		"21 Nov 2026 25:00:51", "21 Nov 2026 06:61", ": : :", "-----", "1 Jan 1970 00:00:00 +0100", "21 Nov 99999 06:00:51" };
	uint64_t date;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		date = 1;
		if (import_date_read(span_of(rows[i].text), &date) < 0 || date != rows[i].seconds * SECOND)
			fail_msg("%s: %llu", rows[i].text, (unsigned long long)(date / SECOND));
	}
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		if (!import_date_read(span_of(none[i]), &date))
			fail_msg("%s was taken", none[i]);
}

static void test_from_lines(void **state)
{
	static const char *const good[] = { "From frank Sat Nov 21 06:00:51 2026", "From frank@example.org  Sat Nov 21 06:00:51 2026\n", "From MAILER-DAEMON Sat Nov 21 06:00:51 +0000 2026\r\n",
		"From \"Jan Sat\" 12 Sat Nov 21 06:00:51 2026", "From - Sat Nov 21 06:00:51 2026" };
	static const char *const bad[] = { "From here on", "From frank", "From", "from frank Sat Nov 21 06:00:51 2026", ">From frank Sat Nov 21 06:00:51 2026", "From frank Sat Nov 21", "From: frank Sat Nov 21 06:00:51 2026" };
	uint64_t date;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (import_date_from_line(span_of(good[i]), &date) < 0 || date != 1795240851 * SECOND)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (!import_date_from_line(span_of(bad[i]), &date))
			fail_msg("%s was taken", bad[i]);
}

static bool same(const char *a, const char *b)
{
	unsigned char one[IMPORT_DIGEST], two[IMPORT_DIGEST];
	bool has_id;

	assert_int_equal(import_fields_digest(span_of(a), one, &has_id), 0);
	assert_int_equal(import_fields_digest(span_of(b), two, &has_id), 0);
	return !memcmp(one, two, IMPORT_DIGEST);
}

/* What servers make of a header must not matter. */
static void test_fields(void **state)
{
	unsigned char digest[IMPORT_DIGEST];
	bool has_id;

	(void)state;
	assert_true(same("Subject: a b\n c\nFrom: x\n\nbody", "From: x\r\nSubject:  a b c\r\n\r\n"));
	assert_true(same("SUBJECT : a\n", "subject:a\r\n"));
	assert_true(same("Subject: a\nSubject: b\n", "Subject: a\n"));
	assert_true(same("no field\nSubject: a\nX: y\n folded\n", "Subject: a\n"));
	assert_true(same("From: \xfc\n", "From: X\n"));
	assert_false(same("Subject: a\n", "Subject: b\n"));
	assert_false(same("Subject: a\n", "From: a\n"));
	assert_false(same("Message-ID: <1>\n", "Message-ID: <2>\n"));
	assert_true(same("X: y\n\nSubject: in the body\n", ""));
	import_fields_digest(span_of("Message-ID:\n"), digest, &has_id);
	assert_false(has_id);
	import_fields_digest(span_of("message-id: <1>\n"), digest, &has_id);
	assert_true(has_id);
}

/* ---- which are there ---- */

static struct import_message *ours(struct import_folder *folder, unsigned char digest, uint64_t size, uint64_t date, bool has_id)
{
	struct import_message *message = import_source_add(folder);

	message->examined = true;
	message->has_id = has_id;
	message->size = size;
	message->date = date * SECOND;
	memset(message->digest, digest, IMPORT_DIGEST);
	return message;
}

static void there(struct import_match *match, uint32_t uid, unsigned char digest, uint64_t size, uint64_t date)
{
	struct import_there *one = import_match_add(match);

	one->uid = uid;
	one->size = size;
	one->date = date * SECOND;
	memset(one->digest, digest, IMPORT_DIGEST);
}

static void test_match(void **state)
{
	static const enum import_state wanted[] = {
		IMPORT_THERE,		/* all agrees */
		IMPORT_WAITS,		/* another size and date */
		IMPORT_THERE,		/* another date: the id is enough */
		IMPORT_THERE,		/* another size: the same */
		IMPORT_WAITS,		/* another size, and no id */
		IMPORT_WAITS,		/* not there */
		IMPORT_STORED,		/* stored in this run: its copy is not this one's … */
		IMPORT_WAITS,		/* … that agrees in all */
	};
	struct import_folder folder = { .fd = -1 };
	struct import_match match = { .there = NULL };

	(void)state;
	ours(&folder, 1, 100, 1000, true);
	ours(&folder, 2, 100, 1000, true);
	ours(&folder, 3, 100, 1000, true);
	ours(&folder, 4, 100, 1000, true);
	ours(&folder, 5, 100, 1000, false);
	ours(&folder, 6, 100, 1000, true);
	ours(&folder, 7, 100, 1000, true)->state = IMPORT_STORED;
	ours(&folder, 7, 100, 1000, true);
	there(&match, 1, 1, 100, 1000);
	there(&match, 2, 2, 101, 1001);
	there(&match, 3, 3, 100, 1001);
	there(&match, 4, 4, 101, 1000);
	there(&match, 5, 5, 101, 1000);
	there(&match, 6, 7, 100, 1000);
	there(&match, 7, 9, 100, 1000);
	assert_int_equal(import_match_run(&match, &folder), 0);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (folder.messages[i].state != wanted[i])
			fail_msg("message %zu: %d", i, (int)folder.messages[i].state);
	assert_int_equal(match.doubt_count, 0);
	import_match_clear(&match);
	import_source_close(&folder);
}

/* Three that agree in all but their bytes, two there. */
static void test_doubt(void **state)
{
	struct import_folder folder = { .fd = -1 };
	struct import_match match = { .there = NULL };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		ours(&folder, 1, 100, 1000, false);
	there(&match, 11, 1, 100, 1000);
	there(&match, 12, 1, 100, 1000);
	assert_int_equal(import_match_run(&match, &folder), 0);
	assert_int_equal(match.doubt_count, 1);
	assert_int_equal(match.doubts[0].our_count, 3);
	assert_int_equal(match.doubts[0].uid_count, 2);
	assert_int_equal(match.doubts[0].uids[0], 11);
	assert_int_equal(folder.messages[0].state, IMPORT_WAITS);
	import_match_clear(&match);
	import_source_close(&folder);
}

/* ---- mbox ---- */

static void read_mbox(const char *text, size_t wanted, const char *first, const char *flags)
{
	char path[] = "/tmp/deaddrop-test.XXXXXX";
	struct import_source source = { .fd = -1 };
	struct import_letter letter;
	struct str error = STR_INIT(1000);
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !close(fd));
	assert_int_equal(import_source_open(&source, path, false, &error), 0);
	assert_int_equal(import_source_list(&source, source.folders, &error), 0);
	assert_int_equal(source.folders->count, wanted);
	assert_int_equal(import_source_read(&source, source.folders, &source.folders->messages[0], &letter, &error), 0);
	assert_string_equal(letter.job->head.data, first);
	assert_string_equal(letter.flags, flags);
	deliver_job_free(letter.job);
	import_source_free(&source);
	unlink(path);
	str_free(&error);
}

#define FROM "From x Sat Nov 21 06:00:51 2026\n"

static void test_mbox(void **state)
{
	(void)state;
	read_mbox(FROM "Subject: a\n\nbody\n\n" FROM "Subject: b\n\nlast", 2, "Subject: a\n\nbody\n", "");
	read_mbox(FROM "Subject: a\n\n" FROM "Subject: b\n\nlast", 2, "Subject: a\n\n", "");
	read_mbox(FROM "Subject: a\n\n>From x\n>>From y\n> From z\nFrom here\n\nFrom me\n\n\n" FROM "Subject: b\n\nlast", 2,
	    "Subject: a\n\nFrom x\n>From y\n> From z\nFrom here\n\nFrom me\n\n", "");
	read_mbox(FROM "Status: RO\nSubject: a\nX-Status: AF\n\nStatus: D\n", 1, "Subject: a\n\nStatus: D\n", "\\Seen \\Answered \\Flagged");
	read_mbox(FROM "Status:\n RO\nSubject: a\nStatus: R\nX-Status: DT\n\nx", 1, "Subject: a\n\nx", "\\Seen \\Deleted \\Draft");
	read_mbox("From x Sat Nov 21 06:00:51 2026\r\nSubject: a\r\n\r\nx\r\n\r\nFrom x Sat Nov 21 06:00:51 2026\r\nSubject: b\r\n\r\n", 2, "Subject: a\r\n\r\nx\r\n", "");
	read_mbox(FROM "Subject: a\n\nx\n" FROM, 1, "Subject: a\n\nx\n" FROM, "");
	read_mbox("From MAILER-DAEMON Sat Nov 21 06:00:51 2026\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n" FROM "Subject: a\n\nx\n", 1, "Subject: a\n\nx\n", "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates), cmocka_unit_test(test_from_lines), cmocka_unit_test(test_fields), cmocka_unit_test(test_match), cmocka_unit_test(test_doubt), cmocka_unit_test(test_mbox),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
