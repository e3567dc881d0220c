/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "crc32c.h"

static void known_answers(void **state)
{
	unsigned char bytes[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, "", 0), 0);
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
}

/* The plain definition, a bit at a time. */
static uint32_t by_bits(const unsigned char *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (; len > 0; p++, len--) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void all_ways_agree(void **state)
{
	unsigned char bytes[300];
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (unsigned char)(seed >> 24);
	}
	for (size_t from = 0; from < 9; from++)
		for (size_t len = 0; len + from <= sizeof bytes; len++) {
			uint32_t right = by_bits(bytes + from, len);

			assert_int_equal(crc32c(0, bytes + from, len), right);
			assert_int_equal(crc32c_portable(0, bytes + from, len), right);
			assert_int_equal(crc32c(crc32c(0, bytes + from, len / 3), bytes + from + len / 3, len - len / 3), right);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(known_answers), cmocka_unit_test(all_ways_agree) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
