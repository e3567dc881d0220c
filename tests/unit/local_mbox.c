/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mbox: what is written, what is found again, the locks, the note for after a power cut. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/crc32c.h"
#include "../../local/mbox_find.h"
#include "../../local/mbox_lock.h"
#include "../../local/mbox_note.h"
#include "../../local/mbox_render.h"

#define TRACE "Return-Path: <a b@x>\nDelivered-To: frank\n"

static struct deliver_job *make(const char *head, const char *rest)
{
	struct deliver_job *job = deliver_job_new();

	assert_non_null(job);
	job->arrival = 1763712345123456;
	str_add(&job->sender, "a b@x");
	deliver_job_add_recipient(job, span_of("frank"));
	str_add(&job->head, head);
	if (rest) {
		char name[] = "/tmp/local_mbox.XXXXXX";

		job->fd = mkstemp(name);
		unlink(name);
		job->length = strlen(rest);
		assert_int_equal(write(job->fd, rest, job->length), job->length);
	}
	return job;
}

static void render(const struct deliver_job *job, enum mbox_style style, struct str *out)
{
	struct mbox_render r;
	int more = 1;

	mbox_render_begin(&r, job, style);
	while (more > 0)
		more = mbox_render_more(&r, out);
	assert_int_equal(more, 0);
}

static void assert_rendered(const char *head, const char *rest, enum mbox_style style, const char *wanted)
{
	struct deliver_job *job = make(head, rest);
	struct str out = STR_INIT(1U << 20), full = STR_INIT(1U << 20);

	str_add(&full, style == MBOX_BARE ? "" : "From a-b@x Fri Nov 21 08:05:45 2025\n" TRACE);
	str_add(&full, wanted);
	render(job, style, &out);
	assert_string_equal(out.data, full.data);
	str_free(&out);
	str_free(&full);
	deliver_job_free(job);
}

static void test_render(void **state)
{
	(void)state;
	assert_rendered("S: x\n\nb\n", NULL, MBOX_RD, "S: x\n\nb\n\n");
	assert_rendered("S: x\n\nb", NULL, MBOX_RD, "S: x\n\nb\n\n");
	assert_rendered("", NULL, MBOX_RD, "\n");
	assert_rendered("\nFrom a\n>From b\n>>From c\nFromm\nFrom:\n From d\n> From e\nFrom", NULL, MBOX_RD,
	    "\n>From a\n>>From b\n>>>From c\nFromm\nFrom:\n From d\n> From e\nFrom\n\n");
	assert_rendered("\nFrom a\n>From b\n>>From c\nFrom \n", NULL, MBOX_O, "\n>From a\n>From b\n>>From c\n>From \n\n");
	assert_rendered("\n>Fro\nFFrom x\n>>>", NULL, MBOX_RD, "\n>Fro\nFFrom x\n>>>\n\n");
	assert_rendered("\nFrom a\nb", NULL, MBOX_BARE, "\nFrom a\nb");
	assert_rendered("\nFr", "om a\n>", MBOX_RD, "\n>From a\n>\n\n");
	assert_rendered("\n>", ">From a", MBOX_RD, "\n>>>From a\n\n");
	assert_rendered("\n>", "From a", MBOX_O, "\n>From a\n\n");
}

/* The same at each split between what is inline and what stands in a file. */
static void test_splits(void **state)
{
	static const char text[] = "A: b\n\nFrom x\n\n>From y\n>>From \n>Fro\nFrom\n>>>>From z";
	struct deliver_job *whole = make(text, NULL);
	struct str wanted = STR_INIT(4096), out = STR_INIT(4096);

	(void)state;
	render(whole, MBOX_RD, &wanted);
	for (size_t i = 0; i < sizeof text; i++) {
		char *head = strndup(text, i);
		struct deliver_job *job = make(head, text + i);

		str_cut(&out, 0);
		render(job, MBOX_RD, &out);
		assert_string_equal(out.data, wanted.data);
		deliver_job_free(job);
		free(head);
	}
	str_free(&wanted);
	str_free(&out);
	deliver_job_free(whole);
}

#define HEAD "Received: by h\n id 7;\nSubject: x\n\n"

static struct mbox_find find_in(const char *file, size_t len, struct deliver_job **jobs, size_t count, enum mbox_style style)
{
	char name[] = "/tmp/local_mbox.XXXXXX";
	int fd = mkstemp(name);
	struct mbox_find find;

	unlink(name);
	assert_int_equal(write(fd, file, len), len);
	assert_int_equal(mbox_find_begin(&find, fd, len, style, jobs, count), 0);
	while (mbox_find_more(&find) > 0)
		;
	close(fd);
	return find;
}

static void test_find(void **state)
{
	struct deliver_job *one = make(HEAD "body\n", NULL), *two = make("Received: by h\n id 8;\nSubject: x\n\nbody\n", NULL);
	struct deliver_job *jobs[] = { one, two };
	struct str copy = STR_INIT(1U << 20), file = STR_INIT(4U << 20);
	struct mbox_find find;

	(void)state;
	one->unclear = two->unclear = true;
	render(one, MBOX_RD, &copy);
	/* far into the file, behind what looks like it */
	str_add(&file, "From a-b@x Fri Nov 21 08:05:45 2025\nSubject: another\n\n");
	for (int i = 0; i < 60000; i++)
		str_printf(&file, "line %d of another message\n", i);
	str_add_char(&file, '\n');
	str_add_span(&file, str_span(&copy));
	str_add(&file, "From x Fri Nov 21 08:05:45 2025\n\nx\n\n");
	find = find_in(file.data, file.len, jobs, 2, MBOX_RD);
	assert_true(mbox_find_found(&find, one));
	assert_false(mbox_find_found(&find, two));
	assert_false(find.torn);
	mbox_find_end(&find);
	/* a reader has added a field */
	str_cut(&file, 0);
	str_add(&file, "From a-b@x Fri Nov 21 08:05:45 2025\n" TRACE "Received: by h\n id 7;\nSubject: x\nStatus: RO\n\nbody\n\n");
	find = find_in(file.data, file.len, jobs, 2, MBOX_RD);
	assert_true(mbox_find_found(&find, one));
	assert_false(mbox_find_found(&find, two));
	mbox_find_end(&find);
	str_free(&copy);
	str_free(&file);
	deliver_job_free(one);
	deliver_job_free(two);
}

/* However much of it is there, with one that is whole before it. */
static void test_torn(void **state)
{
	static const enum mbox_style styles[] = { MBOX_RD, MBOX_BARE };
	struct deliver_job *one = make(HEAD "body of this\n", NULL), *two = make("Received: by h\n id 8;\nSubject: x\n\nbody\n", NULL);
	struct deliver_job *jobs[] = { two, one };

	(void)state;
	one->unclear = two->unclear = true;
	for (size_t s = 0; s < 2; s++) {
		struct str copy = STR_INIT(4096), file = STR_INIT(8192);
		size_t least = styles[s] == MBOX_RD ? 6 : one->head.len, before;

		render(two, styles[s], &file);
		before = file.len;
		render(one, styles[s], &copy);
		for (size_t n = least; n <= copy.len; n++) {
			struct mbox_find find;

			str_cut(&file, before);
			str_append(&file, copy.data, n);
			find = find_in(file.data, file.len, jobs, 2, styles[s]);
			assert_true(mbox_find_found(&find, two));
			assert_int_equal(mbox_find_found(&find, one), n == copy.len);
			assert_int_equal(find.torn, n < copy.len);
			if (n < copy.len)
				assert_int_equal(find.size, before);
			mbox_find_end(&find);
		}
		str_free(&copy);
		str_free(&file);
	}
	deliver_job_free(one);
	deliver_job_free(two);
}

static void test_locks(void **state)
{
	char dir[] = "/tmp/local_mbox.XXXXXX";
	struct timespec old[2] = { { time(NULL) - MBOX_LOCK_STALE - 60, 0 }, { time(NULL) - MBOX_LOCK_STALE - 60, 0 } };
	struct mbox_lock first, second;
	struct stat info;
	char note[256];
	int fd, file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 1);
	assert_int_equal(mbox_lock_dot(&second, fd, "box", "k2", 0600), 0);
	assert_int_equal(mbox_lock_note(&first, 77), 0);
	mbox_lock_release(&first, "box");
	assert_int_equal(faccessat(fd, "box.lock", F_OK, 0), -1);
	assert_int_equal(faccessat(fd, "box.lock.k1", F_OK, 0), -1);
	/* its holder died: known at once, with what he noted */
	assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 1);
	assert_int_equal(mbox_lock_note(&first, 77), 0);
	close(first.dot);
	assert_int_equal(mbox_lock_dot(&second, fd, "box", "k2", 0600), 1);
	assert_true(second.recovered);
	assert_int_equal(second.length, 77);
	mbox_lock_release(&second, "box");
	/* what a power cut leaves: the name and the length without the bytes, or a note of the time before */
	assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 1);
	assert_int_equal(fstat(first.dot, &info), 0);
	assert_int_equal(mbox_lock_note(&first, 77), 0);
	assert_int_equal(pread(first.dot, note, sizeof note, 0), info.st_size);
	assert_int_equal(ftruncate(first.dot, 0), 0);
	assert_int_equal(ftruncate(first.dot, info.st_size), 0);
	close(first.dot);
	assert_int_equal(mbox_lock_dot(&second, fd, "box", "k2", 0600), 1);
	assert_true(second.recovered);
	assert_true(second.length == INT64_MAX);
	note[info.st_size - 12] = (char)(note[info.st_size - 12] ^ 1);
	assert_int_equal(pwrite(second.dot, note, (size_t)info.st_size, 0), info.st_size);
	close(second.dot);
	assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 1);
	assert_true(first.recovered);
	assert_true(first.length == INT64_MAX);
	mbox_lock_release(&first, "box");
	/* a note that somebody else wrote: nothing would be cut off by it */
	if (geteuid() == 0) {
		assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 1);
		assert_int_equal(mbox_lock_note(&first, 77), 0);
		assert_int_equal(fchown(first.dot, 65534, (gid_t)-1), 0);
		close(first.dot);
		assert_int_equal(mbox_lock_dot(&second, fd, "box", "k2", 0600), 0);
		assert_int_equal(unlinkat(fd, "box.lock", 0), 0);
	}
	/* somebody else's: respected until it is old */
	file = openat(fd, "box.lock", O_WRONLY | O_CREAT, 0444);
	assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 0);
	assert_int_equal(futimens(file, old), 0);
	close(file);
	assert_int_equal(mbox_lock_dot(&first, fd, "box", "k1", 0600), 1);
	assert_false(first.recovered);
	mbox_lock_release(&first, "box");
	/* fcntl's is one of its own for each that opened the file */
	file = openat(fd, "box", O_RDWR | O_CREAT, 0600);
	assert_int_equal(mbox_lock_file(file), 1);
	int other = openat(fd, "box", O_RDWR);
	assert_int_equal(mbox_lock_file(other), 0);
	close(file);
	assert_int_equal(mbox_lock_file(other), 1);
	close(other);
	unlinkat(fd, "box", 0);
	close(fd);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- the note on the file ---- */

#define DAY 86400
#define MICROSECONDS 1000000ULL

/* A file with content, last written that many seconds after the note, whose host was started so many days ago; what recovery leaves of it. */
static off_t recovered(int fd, const char *content, size_t len, struct mbox_note note, time_t after, int days)
{
	time_t then = time(NULL) - days * (time_t)DAY + 100;
	struct timespec times[2] = { { then + after, 0 }, { then + after, 0 } };
	char text[128];
	struct stat info;
	int length;

	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, content, len, 0), len);
	length = snprintf(text, sizeof text, "%llu %llu %u %llu %llu", (unsigned long long)note.base, (unsigned long long)note.end, note.crc,
	    (unsigned long long)mbox_note_started() - (unsigned long long)days * DAY * MICROSECONDS, (unsigned long long)then * MICROSECONDS);
	assert_int_equal(fsetxattr(fd, "user.deaddrop", text, (size_t)length, 0), 0);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(mbox_note_recover(fd), 1);
	assert_int_equal(mbox_note_remove(fd), 0);
	assert_int_equal(mbox_note_recover(fd), 0);
	assert_int_equal(fstat(fd, &info), 0);
	return info.st_size;
}

static void test_note(void **state)
{
	static const char old[] = "durable\n", new[] = "durable\nFrom new\n\0text\n\n", lost[] = "durable\n\0\0\0\0\0\0\0\0\0\0text\n\n",
	    other[] = "durable\nFrom new\n\nXext\n\n", changed[] = "durable\nFrom New\n\0text\n\n";
	const size_t base = sizeof old - 1, end = sizeof new - 1;
	const struct mbox_note writing = { base, 0, 0 }, written = { base, end, crc32c(0, new + base, end - base) };
	char name[] = "/tmp/local_mbox.XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	unlink(name);
	if (fsetxattr(fd, "user.deaddrop", "x", 1, 0) < 0)
		skip();
	assert_int_equal(mbox_note_recover(fd), 0);
	/* durable as a whole, or not */
	assert_int_equal(recovered(fd, new, end, written, 0, 1000), end);
	assert_int_equal(recovered(fd, lost, end, written, 0, 1000), base);
	assert_int_equal(recovered(fd, new, end - 3, written, 0, 1000), base);
	assert_int_equal(recovered(fd, new, end, writing, 2, 1000), base);
	assert_int_equal(recovered(fd, old, base, written, 0, 1000), base);
	assert_int_equal(recovered(fd, old, 3, written, 0, 1000), 3);
	/* the host was not started since: what a process wrote is there */
	assert_int_equal(recovered(fd, lost, end, written, -200, 0), end);
	assert_int_equal(recovered(fd, new, end, writing, -200, 0), end);
	/* somebody wrote since, or before us */
	assert_int_equal(recovered(fd, lost, end, written, 1, 1000), end);
	assert_int_equal(recovered(fd, new, end, writing, 60, 1000), end);
	assert_int_equal(recovered(fd, lost, sizeof lost, written, 0, 1000), sizeof lost);
	/* a reader's mark on one of them; with a NUL beside it that could be a hole */
	assert_int_equal(recovered(fd, other, end, written, 0, 1000), end);
	assert_int_equal(recovered(fd, changed, end, written, 0, 1000), base);
	/* what no note of ours looks like */
	assert_int_equal(fsetxattr(fd, "user.deaddrop", "0 0 0 0", 7, 0), 0);
	assert_int_equal(mbox_note_recover(fd), 0);
	assert_int_equal(mbox_note_set(fd, &written), 0);
	assert_int_equal(mbox_note_recover(fd), 1);
	assert_int_equal(mbox_note_remove(fd), 0);
	assert_int_equal(mbox_note_remove(fd), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_note),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
