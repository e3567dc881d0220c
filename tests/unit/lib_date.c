/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "clock.h"
#include "date.h"

static void check(const char *zone, uint64_t seconds, const char *text)
{
	struct str out = STR_INIT(64);

	setenv("TZ", zone, 1);
	tzset();
	assert_int_equal(date_put(&out, seconds * CLOCK_SECOND + 999999), 0);
	assert_string_equal(out.data, text);
	str_free(&out);
}

static void zones(void **state)
{
	(void)state;
	check("UTC0", 1795240851, "Sat, 21 Nov 2026 06:00:51 +0000");
	check("CET-1CEST,M3.5.0,M10.5.0/3", 1795240851, "Sat, 21 Nov 2026 07:00:51 +0100");
	check("CET-1CEST,M3.5.0,M10.5.0/3", 1783000000, "Thu, 2 Jul 2026 15:46:40 +0200");
	check("NST3:30", 1795240851, "Sat, 21 Nov 2026 02:30:51 -0330");
	check("XYZ0:30", 1795240851, "Sat, 21 Nov 2026 05:30:51 -0030");
	check("UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000");
	check("UTC0", 4102444800, "Fri, 1 Jan 2100 00:00:00 +0000");
}

static void far_away(void **state)
{
	struct str out = STR_INIT(64);

	(void)state;
	setenv("TZ", "UTC0", 1);
	assert_int_equal(date_put(&out, UINT64_MAX), -1);
	assert_int_equal(out.len, 0);
	str_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(zones), cmocka_unit_test(far_away) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
