/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conceal.h"

static void expect(const struct conceal *conceal, const char *text, const char *shown)
{
	struct str out = STR_INIT(10000);

	assert_int_equal(conceal_text(conceal, span_of(text), &out), 0);
	assert_string_equal(out.data, shown);
	str_free(&out);
}

static void shows_all_without_secrets(void **state)
{
	struct conceal conceal = CONCEAL_INIT;

	(void)state;
	expect(&conceal, "NO [AUTHENTICATIONFAILED] no", "NO [AUTHENTICATIONFAILED] no");
	conceal_add(&conceal, span_of(""));
	expect(&conceal, "anything", "anything");
	expect(&conceal, "", "");
}

static void hides(void **state)
{
	struct conceal conceal = CONCEAL_INIT;

	(void)state;
	conceal_add(&conceal, span_of("pass"));
	conceal_add(&conceal, span_of("AGZyYW5rAHNlY3JldC1wYXNz"));
	expect(&conceal, "NO LOGIN frank pass", "NO LOGIN frank ****");
	expect(&conceal, "passpass PASS!", "**** ****!");
	expect(&conceal, "pas", "pas");
	expect(&conceal, "unknown: AUTH PLAIN AGZyYW5rAHNlY3JldC1wYXNz.", "unknown: AUTH PLAIN ****.");
	/* parts: cut off at the begin, at the end, in the middle; another case */
	expect(&conceal, "(AGZyYW5rAHNlY3)", "(****)");
	expect(&conceal, "...AHNlY3JldC1wYXNz", "...****");
	expect(&conceal, "...zyyw5rahnly3jl...", "...****...");
	expect(&conceal, "AGZyYW5rAHN", "AGZyYW5rAHN");
	conceal_forget(&conceal);
	expect(&conceal, "pass", "pass");
}

/* Rather nothing than too much */
static void hides_all_without_room(void **state)
{
	struct conceal conceal = CONCEAL_INIT;
	char *big = malloc(CONCEAL_MAX);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', CONCEAL_MAX);
	conceal_add(&conceal, span_of("pass"));
	conceal_add(&conceal, (struct span){ big, CONCEAL_MAX });
	expect(&conceal, "anything", "****");
	conceal_add(&conceal, span_of("more"));
	expect(&conceal, "anything", "****");
	conceal_forget(&conceal);
	expect(&conceal, "anything", "anything");
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_all_without_secrets), cmocka_unit_test(hides), cmocka_unit_test(hides_all_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
