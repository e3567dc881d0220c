/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../queue/limits.h"

static void options_are_checked(void **state)
{
	struct str error = STR_INIT(500);
	struct limits limits;

	(void)state;
	limits_init(&limits);
	assert_int_equal(limits.size, 50 * 1024 * 1024);
	assert_int_equal(limits_option(&limits, "limit-size", "2K", &error), 0);
	assert_int_equal(limits.size, 2048);
	assert_int_equal(limits_option(&limits, "idle-close", "5", &error), 0);
	assert_int_equal(limits.idle_close, 5000);
	assert_int_equal(limits_option(&limits, "key-hold", "3", &error), 0);
	assert_int_equal(limits.key_hold, 3000000);
	assert_int_equal(limits_option(&limits, "spool", "3", &error), 1);
	assert_int_equal(error.len, 0);
	assert_int_equal(limits_option(&limits, "limit-recipients", "0", &error), -1);
	assert_non_null(strstr(error.data, "--limit-recipients 0: a number from 1"));
	str_cut(&error, 0);
	assert_int_equal(limits_option(&limits, "limit-size", "-1", &error), -1);
	assert_int_equal(limits_option(&limits, "limit-connections", "x", &error), -1);
	str_free(&error);
}

static void shares_of_connections(void **state)
{
	struct limits_users users = { NULL, 0 };
	struct limits limits;
	struct limits_user *root, *user[5];
	unsigned all = 0;

	(void)state;
	limits_init(&limits);
	limits.connections = 80;
	for (unsigned i = 0; i < 5; i++) {
		unsigned n = 0;

		user[i] = limits_user_hold(&users, 1000 + i);
		while (limits_user_connect(&users, user[i], &limits))
			n++;
		assert_true(n <= 20);
		all += n;
	}
	assert_int_equal(all, 70);
	root = limits_user_hold(&users, 0);
	assert_true(limits_user_connect(&users, root, &limits));
	limits_user_disconnect(&users, root);
	limits_user_release(&users, root);
	assert_ptr_equal(limits_user_hold(&users, 1002), user[2]);
	limits_user_release(&users, user[2]);
	for (unsigned i = 0; i < 5; i++) {
		while (user[i]->connections)
			limits_user_disconnect(&users, user[i]);
		limits_user_release(&users, user[i]);
	}
	assert_null(users.first);
	assert_int_equal(users.connections, 0);
}

static void room(void **state)
{
	struct limits_space space;
	struct limits limits;
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY);

	(void)state;
	limits_init(&limits);
	limits.min_free = 1;
	limits_space_init(&space, fd);
	assert_true(limits_space_allows(&space, &limits, 1000, 10, 0, 1));
	assert_false(limits_space_allows(&space, &limits, 1000, 10, UINT64_C(1) << 59, 1));
	/* a look that is fresh is believed; root may go on where others may not */
	space.free = 1000000;
	space.taken = 0;
	limits.min_free = 999000;
	assert_true(limits_space_allows(&space, &limits, 1000, 500, 0, 2));
	assert_false(limits_space_allows(&space, &limits, 1000, 500, 0, 3));
	assert_true(limits_space_allows(&space, &limits, 0, 500, 0, 4));
	close(fd);
	space.fd = -1;
	assert_false(limits_space_allows(&space, &limits, 0, 1, 0, 200000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(shares_of_connections),
		cmocka_unit_test(room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
