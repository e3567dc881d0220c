/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"

static void check(const char *path, const char *content, const char *name)
{
	struct str out = STR_INIT(512);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	assert_int_equal(host_mail_name_of(&out, path), 0);
	assert_string_equal(out.data, name);
	str_free(&out);
}

static void names(void **state)
{
	char path[] = "/tmp/deaddrop-host.XXXXXX", large[300];
	struct str own = STR_INIT(512), other = STR_INIT(512);

	(void)state;
	close(mkstemp(path));
	assert_int_equal(host_name(&own), 0);
	assert_true(own.len > 0 && strpbrk(own.data, " /\n@<>") == NULL);
	check(path, "mail.example.org\n", "mail.example.org");
	check(path, "  Mail_1.example-x.org \r\nsecond\n", "Mail_1.example-x.org");
	check(path, "mail.example.org", "mail.example.org");
	check(path, "a b\n", "localhost");
	check(path, "../etc\n", "localhost");
	check(path, "m\xc3\xbcller.example\n", "localhost");
	check(path, "\nmail.example.org\n", own.data);
	check(path, "", own.data);
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	check(path, large, "localhost");
	unlink(path);
	assert_int_equal(host_mail_name_of(&other, path), 0);
	assert_string_equal(other.data, own.data);
	str_cut(&other, 0);
	assert_int_equal(host_mail_name(&other), 0);
	assert_true(other.len > 0);
	str_free(&own);
	str_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
