/* SPDX-License-Identifier: GPL-3.0-or-later */
/* remote.conf: what its directives come to, and what is refused, with file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../remote/route.h"

static int read_text(struct route_table *table, const char *text, struct str *error)
{
	char name[] = "/tmp/deaddrop-test.XXXXXX";
	int fd = mkstemp(name), result;

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	*table = (struct route_table){ 0 };
	result = route_table_read(table, name, error);
	unlink(name);
	return result;
}

static void good(void **state)
{
	struct str error = STR_INIT(2000);
	struct route_table table;
	struct route *route;

	(void)state;
	assert_int_equal(read_text(&table, "name me.example\ndrop a {\n\trelay smtp.example.net\n\trelay [2001:db8::1] port 465\n\trelay 192.0.2.1 port 25 tls none\n\tuser frank\n"
	    "\tpassword-file /etc/pw\n\tconnections 5\n\tmessages 7\n\trate 3 1m\n\tbackoff 1s 2s\n\tidle 3s\n\tdeadline 1m\n\ttimeout 9s\n\teight-bit refuse\n\tlong-lines refuse\n"
	    "\tchunking no\n\tpipelining no\n\tname other.example\n}\ndrop b { lmtp /run/lmtp }\n", &error), 0);
	assert_string_equal(table.name, "me.example");
	route = route_find(&table, span_of("a"));
	assert_non_null(route);
	assert_int_equal(route->relay_count, 3);
	assert_string_equal(route->relays[0].host, "smtp.example.net");
	assert_true(route->relays[0].port == 587 && route->relays[0].tls == ROUTE_TLS_STARTTLS);
	assert_string_equal(route->relays[1].host, "2001:db8::1");
	assert_true(route->relays[1].port == 465 && route->relays[1].tls == ROUTE_TLS_IMPLICIT);
	assert_true(route->relays[2].port == 25 && route->relays[2].tls == ROUTE_TLS_NONE);
	assert_true(route_needs_login(route) && route_needs_names(route) && route->verify && !route->clear && !route->lmtp);
	assert_true(route->connections == 5 && route->messages == 7 && route->rate == 3 && route->rate_time == 60000000 && route->idle == 3000000);
	assert_true(route->backoff_least == 1000000 && route->backoff_most == 2000000 && route->deadline == 60000000 && route->timeout == 9000000);
	assert_true(route->refuse_eight_bit && route->refuse_long_lines && route->no_chunking && route->no_pipelining);
	assert_string_equal(route->ehlo_name, "other.example");
	route = route_find(&table, span_of("b"));
	assert_true(route && route->lmtp && !route_needs_login(route) && !route_needs_names(route) && route->relays[0].tls == ROUTE_TLS_NONE);
	assert_string_equal(route->relays[0].path, "/run/lmtp");
	assert_true(route->connections == 2 && !route->rate && route->verify && !route->timeout);
	assert_null(route_find(&table, span_of("c")));
	route_table_free(&table);
	str_free(&error);
}

static void bad(void **state)
{
	static const char *const texts[] = {
		"drop a { }", "drop a { relay }", "drop { relay h }", "drop a { relay h; relay h port 0 }", "drop a { relay h port 65536 }", "drop a { relay h port x }", "drop a { relay h tls perhaps }",
		"drop a { relay h; lmtp /x }", "drop a { lmtp x/y }", "drop a { relay h; connections 0 }", "drop a { relay h; connections 65 }", "drop a { relay h; messages 0 }",
		"drop a { relay h; rate 0 1s }", "drop a { relay h; rate 3 }", "drop a { relay h; backoff 2s 1s }", "drop a { relay h; eight-bit maybe }", "drop a { relay h; user u }",
		"drop a { relay h; password-file f }", "drop a { relay h; user u; password-file f; token-file g }", "drop a { relay h; key k }",
		"drop a { relay h; nonsense }", "drop a { relay h\n", "drop a { relay h }\ndrop a { relay h }", "name \"a b\"", "drop a/b { relay h }", "drop a { relay \"h h\" }", "drop a { relay h:x }",
		"drop a { relay h; tls none; verify no }x", "drop a { relay h; pin 00 }", "drop a { relay h; pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= x }",
	};
	struct str error = STR_INIT(2000);
	struct route_table table;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		str_cut(&error, 0);
		if (!read_text(&table, texts[i], &error))
			fail_msg("taken: %s", texts[i]);
		if (!strstr(error.data, "/tmp/deaddrop-test.") || !strchr(error.data, ':'))
			fail_msg("no file and line: %s for %s", error.data, texts[i]);
		route_table_free(&table);
	}
	str_free(&error);
}

static void relays(void **state)
{
	static const struct { const char *text, *host, *path; unsigned port; } cases[] = {
		{ "h", "h", NULL, 0 }, { "h:25", "h", NULL, 25 }, { "[::1]", "::1", NULL, 0 }, { "[::1]:26", "::1", NULL, 26 }, { "127.0.0.1:27", "127.0.0.1", NULL, 27 },
	};
	struct str error = STR_INIT(2000);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct route *route = route_new("x");

		assert_int_equal(route_add_relay(route, cases[i].text, 0, ROUTE_TLS_UNSET, &error), 0);
		assert_string_equal(route->relays[0].host, cases[i].host);
		assert_int_equal(route->relays[0].port, cases[i].port);
		route_free(route);
	}
	str_free(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(relays) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
