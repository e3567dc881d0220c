/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "id.h"

#define NAME "1763712345123456-9f8e7d6c5b4a3921"

static void texts_and_back(void **state)
{
	static const uint32_t indexes[] = { 0, 7, 10, ID_INDEX_MAX, ID_BOUNCE, ID_BOUNCE | 7, UINT32_MAX };
	struct id_name name;
	char text[ID_KEY_MAX];

	(void)state;
	assert_int_equal(id_parse_name(span_of(NAME), &name), 0);
	assert_true(name.usec == 1763712345123456 && name.random == 0x9f8e7d6c5b4a3921);
	id_name_text(name, text);
	assert_string_equal(text, NAME);
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
		struct id id = { name, indexes[i] }, back;
		struct id_key key = { id, i % 2 ? UINT32_MAX : 0, 0x0123456789abcdef }, key_back;

		id_text(id, text);
		assert_true(strlen(text) < ID_TEXT_MAX);
		assert_int_equal(id_parse(span_of(text), &back), 0);
		assert_true(id_equal(id, back));
		id_key_text(key, text);
		assert_true(strlen(text) < ID_KEY_MAX);
		assert_int_equal(id_parse_key(span_of(text), &key_back), 0);
		assert_true(id_equal(id, key_back.id) && key_back.part == key.part && key_back.hash == key.hash);
	}
	id_text((struct id){ name, ID_BOUNCE | 3 }, text);
	assert_string_equal(text, NAME "-3-b");
	id_key_text((struct id_key){ { name, 3 }, 12, 0xab }, text);
	assert_string_equal(text, NAME "-3-12-00000000000000ab");
}

static void only_one_form(void **state)
{
	static const char *const names[] = { "", "1763712345123456", NAME "0", "763712345123456-9f8e7d6c5b4a3921", "1763712345123456-9F8E7D6C5B4A3921",
	    "1763712345123456_9f8e7d6c5b4a3921", "+763712345123456-9f8e7d6c5b4a3921", "1763712345123456-9f8e7d6c5b4a392 ", "lock" };
	static const char *const ids[] = { NAME, NAME "-", NAME "-00", NAME "-01", NAME "-2147483648", NAME "-99999999999", NAME "--b", NAME "-1-c", NAME "-1-b-b",
	    NAME "-1.tmp", NAME "-b", NAME "-1 ", "x" NAME "-1" };
	static const char *const keys[] = { "", "-", "--", NAME "-1", NAME "-1-0", NAME "-1-0-abc", NAME "-1-00-0123456789abcdef", NAME "-0123456789abcdef",
	    NAME "-1-4294967296-0123456789abcdef", NAME "-1-0-0123456789abcdeF" };
	struct id_name name;
	struct id_key key;
	struct id id;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(id_parse_name(span_of(names[i]), &name), -1);
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		assert_int_equal(id_parse(span_of(ids[i]), &id), -1);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		assert_int_equal(id_parse_key(span_of(keys[i]), &key), -1);
}

static void names_rise(void **state)
{
	struct id_name a, b, c;

	(void)state;
	assert_int_equal(id_new_name(0, &a), 0);
	assert_true(a.usec <= clock_wall());
	assert_int_equal(id_new_name(a.usec, &b), 0);
	assert_true(id_compare_names(a, b) < 0 && id_compare_names(b, a) > 0 && id_compare_names(a, a) == 0);
	/* A clock that was set back by a day. */
	assert_int_equal(id_new_name(b.usec + 86400 * CLOCK_SECOND, &c), 0);
	assert_true(c.usec == b.usec + 86400 * CLOCK_SECOND + 1);
	assert_int_equal(id_new_name(UINT64_C(9999999999999999), &c), -1);
}

static void hash_is_fnv1a(void **state)
{
	(void)state;
	assert_true(id_hash(span_of("")) == UINT64_C(0xcbf29ce484222325));
	assert_true(id_hash(span_of("a")) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(id_hash(span_of("foobar")) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(texts_and_back), cmocka_unit_test(only_one_form), cmocka_unit_test(names_rise),
	    cmocka_unit_test(hash_is_fnv1a) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
