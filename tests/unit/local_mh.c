/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .mh_sequences */
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
#include <unistd.h>

#include <cmocka.h>

#include "../../local/mh.h"

static void test_add(void **state)
{
	static const struct { const char *before, *numbers, *after; size_t len; } tries[] = {
		{ "", "1", "unseen: 1\n", 2 }, { "unseen: 1\n", "2", "unseen: 1-2\n", 2 }, { "unseen: 1-2\n", "3", "unseen: 1-3\n", 2 },
		{ "unseen: 1-2\n", "5", "unseen: 1-2 5\n", 2 }, { "unseen: 1-2 5\ncur: 7\n", "6\0007", "unseen: 1-2 5-7\ncur: 7\n", 4 },
		{ "cur: 7\n", "8", "cur: 7\nunseen: 8\n", 2 }, { "cur: 7", "8", "cur: 7\nunseen: 8\n", 2 }, { "unseen:\n", "8", "unseen: 8\n", 2 },
		{ "unseen: 9", "10\00012", "unseen: 9-10 12\n", 6 }, { "myunseen: 1\nunseen: 2\n", "4", "myunseen: 1\nunseen: 2 4\n", 2 },
		{ "unseen: 1-x\n", "4", "unseen: 1-x 4\n", 2 }, { "unseen : 1\n", "4", "unseen : 1\nunseen: 4\n", 2 },
		{ "unseen: 4294967295\n", "4", "unseen: 4294967295 4\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct str text = STR_INIT(4096);
		size_t from;

		str_add(&text, tries[i].before);
		assert_int_equal(mh_sequences_add(&text, "unseen", (struct span){ tries[i].numbers, tries[i].len }, &from), 0);
		assert_string_equal(text.data, tries[i].after);
		assert_true(from <= strlen(tries[i].before));
		assert_memory_equal(text.data, tries[i].before, from);
		str_free(&text);
	}
}

static void assert_file(int dir, const char *wanted)
{
	char text[256];
	int fd = openat(dir, ".mh_sequences", O_RDONLY);
	ssize_t got = read(fd, text, sizeof text - 1);

	close(fd);
	text[got < 0 ? 0 : got] = '\0';
	assert_string_equal(text, wanted);
}

static void test_update(void **state)
{
	char dir[] = "/tmp/local_mh.XXXXXX";
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mh_sequences_update(fd, "unseen", (struct span){ "1\0002", 4 }, 0600), 0);
	assert_file(fd, "unseen: 1-2\n");
	file = openat(fd, ".mh_sequences", O_RDWR);
	/* somebody holds it: the file stays as it is */
	assert_int_equal(fcntl(file, F_OFD_SETLK, &lock), 0);
	assert_int_equal(mh_sequences_update(fd, "unseen", (struct span){ "3", 2 }, 0600), -1);
	assert_file(fd, "unseen: 1-2\n");
	close(file);
	/* what is no file of ours alone is not written to */
	assert_int_equal(linkat(fd, ".mh_sequences", fd, "other", 0), 0);
	assert_int_equal(mh_sequences_update(fd, "unseen", (struct span){ "3", 2 }, 0600), -1);
	assert_int_equal(unlinkat(fd, ".mh_sequences", 0), 0);
	assert_int_equal(symlinkat("other", fd, ".mh_sequences"), 0);
	assert_int_equal(mh_sequences_update(fd, "unseen", (struct span){ "3", 2 }, 0600), -1);
	unlinkat(fd, ".mh_sequences", 0);
	unlinkat(fd, "other", 0);
	close(fd);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_add), cmocka_unit_test(test_update) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
