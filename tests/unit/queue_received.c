/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../queue/received.h"

static struct received sample(void)
{
	return (struct received){
		.host = span_of("mail.example.org"),
		.origin = span_of("inject"),
		.uid = 1000,
		.id = { { 1763712345123456, 0x9f8e7d6c5b4a3921 }, 3 },
		.arrival = UINT64_C(1763712345123456),
	};
}

static void check(const struct received *received, const char *expected)
{
	struct str out = STR_INIT(RECEIVED_MAX);

	assert_int_equal(received_put(&out, received), 0);
	assert_string_equal(out.data, expected);
	str_free(&out);
}

static void local_submitter(void **state)
{
	struct received r = sample();

	(void)state;
	check(&r, "Received: by mail.example.org (deaddrop inject, uid 1000) id 1763712345123456-9f8e7d6c5b4a3921-3;\n"
	    "\tFri, 21 Nov 2025 08:05:45 +0000\n");
}

static void remote_client(void **state)
{
	struct received r = sample();

	(void)state;
	r.client = span_of("[192.0.2.7]");
	r.helo = span_of("host.example.net");
	r.proto = span_of("ESMTPS");
	check(&r, "Received: from host.example.net ([192.0.2.7]) by mail.example.org with ESMTPS id 1763712345123456-9f8e7d6c5b4a3921-3;\n"
	    "\tFri, 21 Nov 2025 08:05:45 +0000\n");
	r.hide = true;
	check(&r, "Received: by mail.example.org with ESMTPS id 1763712345123456-9f8e7d6c5b4a3921-3;\n\tFri, 21 Nov 2025 08:05:45 +0000\n");
}

static void nothing_can_be_forged(void **state)
{
	struct received r = sample();
	struct str out = STR_INIT(RECEIVED_MAX);
	char long_text[3000];

	(void)state;
	r.client = span_of("x) by evil (\n\tX: \\");
	r.helo = span_of("a\r\nSubject: b;c\xc3\xa4<>");
	r.proto = span_of("E S(");
	check(&r, "Received: from a??Subject:?b?c???? (x? by evil ???X: ?) by mail.example.org with E?S? id 1763712345123456-9f8e7d6c5b4a3921-3;\n"
	    "\tFri, 21 Nov 2025 08:05:45 +0000\n");
	memset(long_text, '(', sizeof long_text);
	r.client = r.helo = r.proto = r.host = r.origin = (struct span){ long_text, sizeof long_text };
	assert_int_equal(received_put(&out, &r), 0);
	assert_true(out.len < RECEIVED_MAX);
	assert_true(strchr(out.data, '\n') - out.data <= 998);
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_submitter),
		cmocka_unit_test(remote_client),
		cmocka_unit_test(nothing_can_be_forged),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
