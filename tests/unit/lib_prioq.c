/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "prioq.h"

#define COUNT 5000

static void comes_out_in_order(void **state)
{
	struct prioq q = PRIOQ_INIT;
	struct prioq_entry entry;
	char items[COUNT];
	uint64_t last = 0, sum = 0;

	(void)state;
	srand(2);
	assert_false(prioq_peek(&q, &entry));
	assert_false(prioq_take(&q, &entry));
	for (size_t i = 0; i < COUNT; i++) {
		uint64_t due = (uint64_t)rand() % 1000;

		items[i] = 0;
		sum += due;
		assert_int_equal(prioq_put(&q, due, &items[i]), 0);
	}
	for (size_t i = 0; i < COUNT; i++) {
		struct prioq_entry peeked;

		assert_true(prioq_peek(&q, &peeked));
		assert_true(prioq_take(&q, &entry));
		assert_true(peeked.due == entry.due && peeked.item == entry.item);
		assert_true(entry.due >= last);
		last = entry.due;
		sum -= entry.due;
		++*(char *)entry.item;
	}
	assert_false(prioq_take(&q, &entry));
	assert_int_equal(sum, 0);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(items[i], 1);
	assert_true(q.cap < COUNT / 4);
	prioq_free(&q);
	prioq_free(&q);
}

/* Against a plain array, with puts and takes mixed */
static void agrees_with_a_search(void **state)
{
	struct prioq q = PRIOQ_INIT;
	uint64_t model[200];
	size_t n = 0;

	(void)state;
	srand(3);
	for (int i = 0; i < 20000; i++) {
		struct prioq_entry entry;
		size_t least = 0;

		if (n < 200 && (n == 0 || rand() % 2)) {
			model[n] = (uint64_t)rand();
			assert_int_equal(prioq_put(&q, model[n++], NULL), 0);
			continue;
		}
		for (size_t j = 1; j < n; j++)
			if (model[j] < model[least])
				least = j;
		assert_true(prioq_take(&q, &entry));
		assert_true(entry.due == model[least]);
		model[least] = model[--n];
	}
	prioq_free(&q);
}

static void equal_ones_go(void **state)
{
	struct prioq q = PRIOQ_INIT;
	struct prioq_entry entry;
	char items[10];

	(void)state;
	for (int round = 0; round < 100; round++)
		for (size_t i = 0; i < 10; i++) {
			assert_int_equal(prioq_put(&q, 10 - i, &items[i]), 0);
			assert_int_equal(prioq_put(&q, 5, &items[i]), 0);
		}
	prioq_unique(&q);
	assert_int_equal(q.len, 19);		/* one item is due at 5 either way */
	for (uint64_t last = 0; prioq_take(&q, &entry); last = entry.due)
		assert_true(entry.due >= last);
	prioq_unique(&q);
	assert_int_equal(q.len, 0);
	prioq_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_out_in_order),
		cmocka_unit_test(agrees_with_a_search), cmocka_unit_test(equal_ones_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
