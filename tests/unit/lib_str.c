/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "str.h"

static void empty_is_usable(void **state)
{
	struct str s = STR_INIT(10);

	(void)state;
	assert_string_equal(s.data, "");
	str_cut(&s, 0);
	str_shift(&s, 5);
	assert_int_equal(str_append(&s, NULL, 0), 0);
	assert_int_equal(str_set(&s, (struct span){ NULL, 0 }), 0);
	assert_int_equal(str_span(&s).len, 0);
	str_free(&s);
	str_wipe(&s);
	assert_string_equal(s.data, "");
	assert_string_equal(str_none, "");
}

static void grows_to_its_limit(void **state)
{
	struct str s = STR_INIT(1000);

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(str_add_char(&s, 'x'), 0);
		assert_int_equal(s.len, i + 1);
		assert_int_equal(s.data[s.len], '\0');
	}
	errno = 0;
	assert_int_equal(str_add_char(&s, 'x'), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(str_reserve(&s, SIZE_MAX), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(s.len, 1000);
	assert_int_equal(s.cap, 1001);
	str_free(&s);
	assert_int_equal(str_add(&s, "again"), 0);
	assert_string_equal(s.data, "again");
	str_free(&s);
}

static void unlimited_refuses_overflow(void **state)
{
	struct str s = STR_INIT(SIZE_MAX);

	(void)state;
	assert_int_equal(str_add(&s, "abc"), 0);
	assert_int_equal(str_reserve(&s, SIZE_MAX - 3), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_string_equal(s.data, "abc");
	str_free(&s);
}

static void numbers(void **state)
{
	struct str s = STR_INIT(200);

	(void)state;
	assert_int_equal(str_add_decimal(&s, 0, 0), 0);
	assert_int_equal(str_add_char(&s, ' '), 0);
	assert_int_equal(str_add_decimal(&s, 42, 8), 0);
	assert_int_equal(str_add_char(&s, ' '), 0);
	assert_int_equal(str_add_decimal(&s, UINT64_MAX, 3), 0);
	assert_int_equal(str_add_char(&s, ' '), 0);
	assert_int_equal(str_add_hex(&s, 0xbeef, 16), 0);
	assert_int_equal(str_add_char(&s, ' '), 0);
	assert_int_equal(str_add_hex(&s, UINT64_MAX, 0), 0);
	assert_string_equal(s.data, "0 00000042 18446744073709551615 000000000000beef ffffffffffffffff");
	assert_int_equal(str_add_decimal(&s, 1, 300), -1);
	assert_int_equal(s.len, 65);
	str_free(&s);
}

static void prints(void **state)
{
	struct str s = STR_INIT(300);
	char long_text[280];

	(void)state;
	memset(long_text, 'y', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(str_printf(&s, "%d-%s", 7, "seven"), 0);
	assert_string_equal(s.data, "7-seven");
	assert_int_equal(str_printf(&s, "%s", ""), 0);
	assert_int_equal(str_printf(&s, "%s", long_text), 0);
	assert_int_equal(s.len, 7 + 279);
	assert_int_equal(str_printf(&s, "%s", "fourteen bytes"), 0);
	assert_int_equal(s.len, 300);
	assert_int_equal(str_printf(&s, "%s", "z"), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(s.len, 300);
	assert_int_equal(strlen(s.data), 300);
	str_free(&s);
}

static void cuts_and_shifts(void **state)
{
	struct str s = STR_INIT(64);

	(void)state;
	assert_int_equal(str_add(&s, "hello world"), 0);
	str_shift(&s, 6);
	assert_string_equal(s.data, "world");
	str_cut(&s, 99);
	str_cut(&s, 2);
	assert_string_equal(s.data, "wo");
	str_shift(&s, 99);
	assert_string_equal(s.data, "");
	assert_int_equal(str_add_span(&s, span_of("abc")), 0);
	assert_int_equal(str_set(&s, span_of("z")), 0);
	assert_string_equal(s.data, "z");
	assert_int_equal(str_set(&s, span_of("0123456789012345678901234567890123456789012345678901234567890123")), 0);
	assert_int_equal(str_set(&s, span_of("01234567890123456789012345678901234567890123456789012345678901234")), -1);
	assert_int_equal(s.len, 64);
	str_wipe(&s);
	assert_int_equal(s.cap, 0);
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#include <malloc.h>
#include <stdlib.h>

/* The allocator, watched: how many blocks that hold the mark were given back, or moved by it. */
static const char mark[] = "the-secret-mark";
static bool watching;
static unsigned left_behind;

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size);

static void look(void *block)
{
	if (watching && block != NULL && memmem(block, malloc_usable_size(block), mark, sizeof mark - 1) != NULL)
		left_behind++;
}

void free(void *block)
{
	look(block);
	__libc_free(block);
}

void *realloc(void *block, size_t size)
{
	look(block);
	return __libc_realloc(block, size);
}

static unsigned copies_of(struct str s)
{
	left_behind = 0;
	watching = true;
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(str_add(&s, mark), 0);
	str_cut(&s, 100);
	str_free(&s);
	watching = false;
	return left_behind;
}

static void secrets_leave_no_copies(void **state)
{
	(void)state;
	assert_true(copies_of((struct str)STR_INIT(10000)) > 2);
	assert_int_equal(copies_of((struct str)STR_SECRET(10000)), 0);
}
#else
static void secrets_leave_no_copies(void **state)
{
	(void)state;
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_usable),
		cmocka_unit_test(grows_to_its_limit),
		cmocka_unit_test(unlimited_refuses_overflow),
		cmocka_unit_test(numbers),
		cmocka_unit_test(prints),
		cmocka_unit_test(cuts_and_shifts),
		cmocka_unit_test(secrets_leave_no_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
