/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <time.h>

#include <cmocka.h>

#include "../../queue/keys.h"

static struct keys_key key(uint64_t n)
{
	return (struct keys_key){ n * 7919, n };
}

static struct id id(uint32_t n)
{
	return (struct id){ { 1763712345123456, 5 }, n };
}

static void text_is_strict(void **state)
{
	const char *wrong[] = { "", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0", "0123456789ABCDEF0123456789abcdef",
		"0123456789abcdef0123456789abcdeg", "+123456789abcdef0123456789abcdef", " 123456789abcdef0123456789abcdef" };
	struct keys_key k;
	char text[KEYS_TEXT + 1];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(keys_parse(span_of(wrong[i]), &k), -1);
	assert_int_equal(keys_parse(span_of("0123456789abcdeffedcba9876543210"), &k), 0);
	assert_true(k.high == UINT64_C(0x0123456789abcdef) && k.low == UINT64_C(0xfedcba9876543210));
	keys_text(k, text);
	assert_string_equal(text, "0123456789abcdeffedcba9876543210");
}

static void goes_through_its_states(void **state)
{
	struct keys *keys = keys_new(100, 50);
	struct keys_entry *entry;

	(void)state;
	assert_null(keys_find(keys, key(1)));
	entry = keys_begin(keys, key(1));
	assert_int_equal(entry->state, KEYS_PENDING);
	assert_ptr_equal(keys_find(keys, key(1)), entry);
	keys_store(keys, entry, id(4), 1000);
	assert_int_equal(keys_find(keys, key(1))->state, KEYS_STORED);
	assert_int_equal(keys_find(keys, key(1))->id.index, 4);

	assert_int_equal(keys_refuse(keys, key(2), 77, 1000), 0);
	assert_int_equal(keys_find(keys, key(2))->state, KEYS_REFUSED);
	assert_int_equal(keys_find(keys, key(2))->owner, 77);
	entry = keys_begin(keys, key(2));
	assert_int_equal(entry->owner, 77);
	assert_int_equal(keys_refuse(keys, key(2), 78, 1010), 0);
	assert_int_equal(keys_find(keys, key(2))->owner, 78);

	keys_expire(keys, 1049);
	assert_int_equal(keys_count(keys), 2);
	keys_expire(keys, 1050);
	assert_null(keys_find(keys, key(1)));
	assert_non_null(keys_find(keys, key(2)));
	keys_expire(keys, 1060);
	assert_int_equal(keys_count(keys), 0);
	keys_free(keys);
}

static void pending_ones_never_go(void **state)
{
	struct keys *keys = keys_new(100, 50);
	struct keys_entry *pending = keys_begin(keys, key(0));

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		keys_store(keys, keys_begin(keys, key(i)), id((uint32_t)i), 10);
	keys_expire(keys, 10000000);
	assert_ptr_equal(keys_find(keys, key(0)), pending);
	assert_int_equal(keys_count(keys), 1);
	keys_forget(keys, pending);
	assert_int_equal(keys_count(keys), 0);
	keys_free(keys);
}

static void oldest_go_first(void **state)
{
	struct keys *keys = keys_new(400, 50);

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		keys_store(keys, keys_begin(keys, key(i)), id((uint32_t)i), i);
	assert_int_equal(keys_count(keys), 300);
	for (uint64_t i = 0; i < 1000; i++) {
		struct keys_entry *entry = keys_find(keys, key(i));

		assert_int_equal(entry != NULL, i >= 700);
		if (entry)
			assert_int_equal(entry->id.index, i);
	}
	/* questions for random keys drive out none of them */
	for (uint64_t i = 5000; i < 9000; i++)
		assert_int_equal(keys_refuse(keys, key(i), 1, i), 0);
	for (uint64_t i = 700; i < 1000; i++)
		assert_non_null(keys_find(keys, key(i)));
	assert_int_equal(keys_count(keys), 300 + 101);
	keys_free(keys);
}

static clock_t time_of(unsigned shift)
{
	struct keys *keys = keys_new(200000, 50);
	clock_t begun = clock();

	for (uint64_t i = 1; i <= 30000; i++) {
		struct keys_key chosen = { shift >= 64 ? i << (shift - 64) : 0, shift >= 64 ? 0 : i << shift };

		assert_int_equal(keys_refuse(keys, chosen, 1, i), 0);
	}
	keys_free(keys);
	return clock() - begun;
}

/* Clients choose the keys: whatever bits they differ in, they do not all end in one bucket. */
static void chosen_keys_spread(void **state)
{
	const clock_t plain = time_of(0);

	(void)state;
	for (unsigned shift = 16; shift <= 112; shift += 16)
		assert_true(time_of(shift) < 20 * plain + CLOCKS_PER_SEC / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_strict),
		cmocka_unit_test(goes_through_its_states),
		cmocka_unit_test(pending_ones_never_go),
		cmocka_unit_test(oldest_go_first),
		cmocka_unit_test(chosen_keys_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
