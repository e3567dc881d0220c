/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Delivery to Maildirs through the batch, and by hand. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../local/batch.h"
#include "../../local/byhand.h"
#include "../../local/folder.h"
#include "../../local/maildir.h"

struct fixture {
	char dir[64];
	struct drop_table table;
	struct drop_host host;
	struct deliver *deliver;
	struct batch *batch;
	struct outcome last[300];	/* of recipient 0, in the order of the answers */
	size_t count;
};

static void answered(void *arg, const struct deliver_job *job)
{
	struct fixture *f = arg;

	if (f->count < sizeof f->last / sizeof f->last[0])
		f->last[f->count] = *deliver_job_outcome(job, 0);
	f->count++;
}

static void take(void *arg, struct deliver_job *job)
{
	struct fixture *f = arg;

	batch_take(f->batch, job);
}

static const struct deliver_ops ops = { .deliver = take, .answered = answered };

static int open_batch(struct fixture *f)
{
	f->host.loop = loop_new();
	f->host.works = works_new(f->host.loop);
	f->host.name = "host";
	f->deliver = deliver_new(NULL, SIZE_MAX, &ops, f);
	f->batch = batch_new(&f->host, &f->table);
	if (!f->batch || !f->deliver)
		return -1;
	batch_set_deliver(f->batch, f->deliver);
	return 0;
}

static void close_batch(struct fixture *f)
{
	batch_free(f->batch);
	deliver_free(f->deliver);
	works_free(f->host.works);
	loop_free(f->host.loop);
}

/* A new process, which has nothing in its index */
static void begin_anew(struct fixture *f)
{
	close_batch(f);
	assert_int_equal(open_batch(f), 0);
}

static void run_all(struct fixture *f)
{
	do
		batch_run(f->batch);
	while (works_run(f->host.works) || batch_waits(f->batch));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
	(void)info;
	(void)kind;
	(void)place;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const struct fixture *f, const char *below)
{
	static char path[1024];

	snprintf(path, sizeof path, "%s/%s", f->dir, below);
	return path;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct str error = STR_INIT(1024);
	int result;

	umask(0);
	strcpy(f->dir, "/tmp/local_maildir.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	result = drop_add(&f->table, "inbox", &maildir_kind, path_of(f, "box"), 0660, &error) ? 0 : -1;
	result |= drop_add(&f->table, "list", &maildir_kind, path_of(f, "lists"), 0600, &error) ? 0 : -1;
	f->table.first->next->folder = strdup("$1");
	*state = f;
	return result || open_batch(f) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close_batch(f);
	drop_free(&f->table);
	remove_tree(f->dir);
	free(f);
	return 0;
}

static struct deliver_job *make(const struct fixture *f, uint64_t number, const char *target, const char *head)
{
	struct deliver_job *job = deliver_job_new();

	(void)f;
	assert_non_null(job);
	job->key = (struct id_key){ { { 1763712345000000 + number, 5 }, 0 }, 0, 7 };
	id_key_text(job->key, job->key_text);
	job->arrival = 1763712345123456;
	assert_int_equal(str_add(&job->target, target), 0);
	assert_int_equal(str_add(&job->sender, "root"), 0);
	assert_int_equal(deliver_job_add_recipient(job, span_of("frank")), 0);
	assert_int_equal(str_add(&job->head, head), 0);
	return job;
}

static void run(struct fixture *f, struct deliver_job *job)
{
	f->count = 0;
	deliver_add(f->deliver, job);
	run_all(f);
	assert_int_equal(deliver_pending(f->deliver), 0);
}

static unsigned entries(const struct fixture *f, const char *below)
{
	DIR *dir = opendir(path_of(f, below));
	unsigned count = 0;

	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (*entry->d_name != '.')
			count++;
	closedir(dir);
	return count;
}

static void assert_content(const struct fixture *f, const char *below, const char *expected)
{
	char text[1024];
	FILE *file = fopen(path_of(f, below), "r");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof text - 1, file);
	text[len] = '\0';
	fclose(file);
	assert_string_equal(text, expected);
}

#define NAME_1 "1763712345.1763712345000001-0000000000000005-0-0-0000000000000007.host"

static void test_delivers(void **state)
{
	struct fixture *f = *state;
	struct stat info;

	run(f, make(f, 1, "inbox", "Subject: x\n\nbody without newline"));
	assert_int_equal(f->last[0].verdict, OUTCOME_DONE);
	assert_string_equal(f->last[0].text, "inbox/new/" NAME_1);
	assert_content(f, "box/new/" NAME_1, "Return-Path: <root>\nDelivered-To: frank\nSubject: x\n\nbody without newline");
	assert_int_equal(entries(f, "box/tmp"), 0);
	assert_int_equal(stat(path_of(f, "box/new/" NAME_1), &info), 0);
	assert_int_equal(info.st_mode & 07777, 0660);
	assert_int_equal(stat(path_of(f, "box/new"), &info), 0);
	assert_int_equal(info.st_mode & 07777, 02770);
}

static void test_makes_folders(void **state)
{
	struct fixture *f = *state;
	struct stat info;

	run(f, make(f, 1, "list/foo", "\n"));
	assert_string_equal(f->last[0].text, "list/.foo/new/" NAME_1);
	assert_int_equal(entries(f, "lists/.foo/new"), 1);
	assert_int_equal(stat(path_of(f, "lists/.foo"), &info), 0);
	assert_int_equal(info.st_mode & 07777, 02700);
	assert_int_equal(stat(path_of(f, "lists/.foo/maildirfolder"), &info), 0);
	run(f, make(f, 2, "list/..", "\n"));
	assert_int_equal(f->last[0].verdict, OUTCOME_NEVER);
	assert_string_equal(f->last[0].status, "5.1.3");
}

/* More folders than are kept open, in one batch. */
static void test_many_folders(void **state)
{
	struct fixture *f = *state;
	const unsigned count = 2 * FOLDER_CACHE_MAX + 9;
	char target[32];

	for (unsigned round = 0; round < 2; round++) {
		f->count = 0;
		for (unsigned i = 0; i < count; i++) {
			snprintf(target, sizeof target, "list/f%u", i);
			deliver_add(f->deliver, make(f, 1000 * round + i, target, "\n"));
		}
		run_all(f);
		assert_int_equal(f->count, count);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(f->last[i].verdict, OUTCOME_DONE);
	}
	assert_int_equal(entries(f, "lists/.f0/new"), 2);
	assert_int_equal(entries(f, "lists/.f136/new"), 2);
}

static void test_repeat_makes_no_second_copy(void **state)
{
	struct fixture *f = *state;

	run(f, make(f, 1, "inbox", "\n"));
	run(f, make(f, 1, "inbox", "\n"));
	assert_int_equal(f->last[0].verdict, OUTCOME_DONE);
	begin_anew(f);
	run(f, make(f, 1, "inbox", "\n"));
	assert_string_equal(f->last[0].text, "already there: inbox/new/" NAME_1);
	assert_int_equal(entries(f, "box/new"), 1);
	assert_int_equal(entries(f, "box/tmp"), 0);
}

static void test_unclear_attempts_look_first(void **state)
{
	struct fixture *f = *state;
	struct deliver_job *job;
	char old[1024];

	run(f, make(f, 1, "inbox", "\n"));
	snprintf(old, sizeof old, "%s", path_of(f, "box/new/" NAME_1));
	assert_int_equal(rename(old, path_of(f, "box/cur/" NAME_1 ":2,S")), 0);
	begin_anew(f);
	job = make(f, 1, "inbox", "\n");
	job->unclear = true;
	run(f, job);
	assert_string_equal(f->last[0].text, "found inbox/cur/" NAME_1 ":2,S");
	assert_int_equal(entries(f, "box/new"), 0);
	job = make(f, 2, "inbox", "\n");
	job->unclear = true;
	run(f, job);
	assert_int_equal(f->last[0].verdict, OUTCOME_DONE);
	assert_int_equal(entries(f, "box/new"), 1);
}

/* A whole batch after a crash: some in new, some moved to cur with flags, some never delivered, in two folders. */
static void test_unclear_batch(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < 200; i++)
		if (i % 3)
			deliver_add(f->deliver, make(f, i, i % 2 ? "inbox" : "list/foo", "\n"));
	run_all(f);
	for (uint64_t i = 0; i < 200; i++) {
		const char *box = i % 2 ? "box" : "lists/.foo";
		char from[512], to[256];

		snprintf(from, sizeof from, "%s/%s/new/1763712345.%016llu-0000000000000005-0-0-0000000000000007.host", f->dir, box,
		    1763712345000000ULL + i);
		snprintf(to, sizeof to, "%s/cur/%s:2,S", box, strrchr(from, '/') + 1);
		if (i % 3 == 1)
			assert_int_equal(rename(from, path_of(f, to)), 0);
	}
	begin_anew(f);
	f->count = 0;
	for (uint64_t i = 0; i < 200; i++) {
		struct deliver_job *job = make(f, i, i % 2 ? "inbox" : "list/foo", "\n");

		job->unclear = true;
		deliver_add(f->deliver, job);
	}
	run_all(f);
	assert_int_equal(f->count, 200);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(f->last[i].verdict, OUTCOME_DONE);
	assert_int_equal(entries(f, "box/new") + entries(f, "box/cur"), 100);
	assert_int_equal(entries(f, "lists/.foo/new") + entries(f, "lists/.foo/cur"), 100);
}

static void test_stale_tmp_is_replaced(void **state)
{
	struct fixture *f = *state;
	int fd;

	run(f, make(f, 2, "inbox", "\n"));
	fd = open(path_of(f, "box/tmp/" NAME_1), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	run(f, make(f, 1, "inbox", "\nhello\n"));
	assert_content(f, "box/new/" NAME_1, "Return-Path: <root>\nDelivered-To: frank\n\nhello\n");
	assert_int_equal(entries(f, "box/tmp"), 0);
}

static void test_moved_and_removed_directories(void **state)
{
	struct fixture *f = *state;
	char old[1024];

	run(f, make(f, 1, "inbox", "\n"));
	snprintf(old, sizeof old, "%s", path_of(f, "box"));
	assert_int_equal(rename(old, path_of(f, "moved")), 0);
	run(f, make(f, 2, "inbox", "\n"));
	assert_int_equal(f->last[0].verdict, OUTCOME_DONE);
	assert_int_equal(entries(f, "box/new"), 1);
	assert_int_equal(entries(f, "moved/new"), 1);
	assert_int_equal(rmdir(path_of(f, "box/tmp")), 0);
	run(f, make(f, 3, "inbox", "\n"));
	assert_int_equal(f->last[0].verdict, OUTCOME_DONE);
	assert_int_equal(entries(f, "box/new"), 2);
}

/* A link below the root is nobody's way out of it. */
static void test_links_are_not_followed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(path_of(f, "lists"), 0700), 0);
	assert_int_equal(mkdir(path_of(f, "secret"), 0700), 0);
	assert_int_equal(symlink("../secret", path_of(f, "lists/.foo")), 0);
	run(f, make(f, 1, "list/foo", "\n"));
	assert_int_equal(f->last[0].verdict, OUTCOME_LATER);
	assert_string_equal(f->last[0].status, "4.3.5");
	assert_int_equal(entries(f, "secret"), 0);
	assert_int_equal(mkdir(path_of(f, "lists/.bar"), 0700), 0);
	assert_int_equal(symlink("../../secret", path_of(f, "lists/.bar/tmp")), 0);
	run(f, make(f, 2, "list/bar", "\n"));
	assert_int_equal(f->last[0].verdict, OUTCOME_LATER);
	assert_int_equal(entries(f, "secret"), 0);
}

static void test_message_in_a_file(void **state)
{
	struct fixture *f = *state;
	char name[] = "/tmp/local_maildir.XXXXXX";
	struct deliver_job *job = make(f, 1, "inbox", "Subject: x\n\n");

	job->fd = mkstemp(name);
	unlink(name);
	assert_int_equal(write(job->fd, "abcdefgh", 8), 8);
	job->offset = 2;
	job->length = 5;
	run(f, job);
	assert_content(f, "box/new/" NAME_1, "Return-Path: <root>\nDelivered-To: frank\nSubject: x\n\ncdefg");
	/* the file is shorter than was said: nothing becomes visible */
	job = make(f, 2, "inbox", "Subject: x\n\n");
	job->fd = open("/dev/null", O_RDONLY);
	job->length = 5;
	run(f, job);
	assert_int_equal(f->last[0].verdict, OUTCOME_LATER);
	assert_int_equal(entries(f, "box/new"), 1);
	assert_int_equal(entries(f, "box/tmp"), 0);
}

static void test_joined_jobs(void **state)
{
	struct fixture *f = *state;
	struct deliver_job *other = make(f, 1, "inbox", "\n");

	assert_int_equal(deliver_job_add_recipient(other, span_of("bob")), 0);
	deliver_add(f->deliver, make(f, 1, "inbox", "\n"));
	deliver_add(f->deliver, make(f, 1, "inbox", "\n"));
	deliver_add(f->deliver, other);
	run_all(f);
	assert_int_equal(f->count, 3);
	assert_int_equal(deliver_pending(f->deliver), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(f->last[i].verdict, OUTCOME_DONE);
	assert_int_equal(entries(f, "box/new"), 1);
}

/* A batch's names are answered for when their directory is synced: with the files of the next batch, or, where none follows, in the turn after. */
static void test_batches_share_a_sync(void **state)
{
	struct fixture *f = *state;

	f->count = 0;
	for (unsigned n = 1; n <= 3; n++) {
		deliver_add(f->deliver, make(f, n, "inbox", "\n"));
		batch_run(f->batch);
		assert_int_equal(entries(f, "box/new"), n);
		assert_int_equal(f->count, n - 1);
		assert_true(works_run(f->host.works));
		assert_int_equal(f->count, n - 1);
	}
	run_all(f);
	assert_int_equal(f->count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(f->last[i].verdict, OUTCOME_DONE);
}

static int by_hand(const struct fixture *f, const char *message, const char *sender, const char *rcpt)
{
	struct byhand byhand = { .kind = &maildir_kind, .path = path_of(f, "hand"), .sender = sender, .recipients = STR_INIT(1024) };
	struct str error = STR_INIT(1024);
	int ends[2], result;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], message, strlen(message)), strlen(message));
	close(ends[1]);
	byhand.fd = ends[0];
	if (rcpt)
		assert_int_equal(str_append(&byhand.recipients, rcpt, strlen(rcpt) + 1), 0);
	result = byhand_run(&byhand, "host", &error);
	assert_int_equal(error.len > 0, result != 0);
	close(ends[0]);
	str_free(&byhand.recipients);
	str_free(&error);
	return result;
}

static void test_by_hand(void **state)
{
	struct fixture *f = *state;
	char name[600];
	struct dirent *entry;
	DIR *dir;

	assert_int_equal(by_hand(f, "From root Sat Nov 21 06:00:00 2026\nSubject: x\r\n\r\nbody\r\n", "", "frank"), EX_OK);
	dir = opendir(path_of(f, "hand/new"));
	assert_non_null(dir);
	while ((entry = readdir(dir)) && *entry->d_name == '.')
		;
	assert_non_null(entry);
	snprintf(name, sizeof name, "hand/new/%s", entry->d_name);
	closedir(dir);
	assert_content(f, name, "Return-Path: <>\nDelivered-To: frank\nSubject: x\r\n\r\nbody\r\n");
	assert_int_equal(unlink(path_of(f, name)), 0);
	assert_int_equal(by_hand(f, "Subject: x\n\n", NULL, NULL), EX_OK);
	assert_int_equal(by_hand(f, "Delivered-To: frank\nSubject: the caller's own\n\n", NULL, "frank"), EX_OK);
	assert_int_equal(by_hand(f, "Delivered-To: frank\nDelivered-To: frank\n\n", NULL, "frank"), EX_DATAERR);
	assert_int_equal(by_hand(f, "Delivered-To: frank\nReceived: by x\nDelivered-To: frank\n\n", NULL, "frank"), EX_DATAERR);
	assert_int_equal(by_hand(f, "Received: by x\nDelivered-To: frank\n\n", NULL, "frank"), EX_DATAERR);
	assert_int_equal(by_hand(f, "", NULL, "frank"), EX_NOINPUT);
	assert_int_equal(by_hand(f, "x\n", "bad\nsender", "frank"), EX_DATAERR);
	assert_int_equal(entries(f, "hand/new"), 2);
}

static void test_names(void **state)
{
	struct span name = span_of("1.k.host");

	(void)state;
	assert_true(maildir_is_name("1.k.host", name));
	assert_true(maildir_is_name("1.k.host:2,", name));
	assert_true(maildir_is_name("1.k.host:2,FRS", name));
	assert_true(maildir_is_name("1.k.host,S=12:2,S", name));
	assert_false(maildir_is_name("1.k.host2:2,", name));
	assert_false(maildir_is_name("1.k.hos", name));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_delivers),
		TEST(test_makes_folders),
		TEST(test_many_folders),
		TEST(test_repeat_makes_no_second_copy),
		TEST(test_unclear_attempts_look_first),
		TEST(test_unclear_batch),
		TEST(test_stale_tmp_is_replaced),
		TEST(test_moved_and_removed_directories),
		TEST(test_links_are_not_followed),
		TEST(test_message_in_a_file),
		TEST(test_joined_jobs),
		TEST(test_batches_share_a_sync),
		TEST(test_by_hand),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
