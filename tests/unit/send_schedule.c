/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When deferred messages come up: in days of a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "clock.h"
#include "../../send/send.h"

#define MINUTE (60 * CLOCK_SECOND)
#define HOUR (60 * MINUTE)
#define ENTRIES 2000

static uint64_t boot = 5 * MINUTE;
static int64_t wall_ahead = 1700000000LL * (int64_t)CLOCK_SECOND;

/* In place of the library's */
uint64_t
clock_boot(void)
{
	return boot;
}

uint64_t
clock_wall(void)
{
	return boot + (uint64_t)wall_ahead;
}

static struct send *
begin(void)
{
	struct send *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->loop = loop_new();
	retry_default(&s->config.retry);
	schedule_init(s);
	return s;
}

static void
end(struct send *s)
{
	if (loop_timer_is_set(&s->schedule.timer))
		loop_timer_clear(s->loop, &s->schedule.timer);
	schedule_free(s);
	table_free(&s->table);
	loop_free(s->loop);
	free(s);
}

static struct entry *
defer(struct send *s, uint64_t wait)
{
	struct entry *e = table_new(&s->table);

	assert_non_null(e);
	e->place = ENTRY_DEFERRED;
	s->table.deferred++;
	schedule_entry(s, e, clock_wall() + wait);
	return e;
}

/* As send does, when its timer says so: each that comes is due, and is scheduled anew after its wait. */
static size_t
turn(struct send *s, uint64_t wait)
{
	uint64_t now = clock_wall();
	struct entry *e;
	size_t n = 0;

	schedule_turn(s);
	while ((e = schedule_due(s, now)) != NULL) {
		assert_true(e->is.next <= now);
		schedule_entry(s, e, now + wait);
		n++;
	}
	schedule_timer(s);
	return n;
}

struct check { uint64_t now; size_t late, far; };

static void
count_late(void *arg, struct entry *e)
{
	struct check *check = arg;

	check->late += e->is.next <= check->now;
	check->far += e->is.next > check->now + HOUR;
}

static struct check
look(struct send *s)
{
	struct check check = { clock_wall(), 0, 0 };

	table_each(&s->table, count_late, &check);
	return check;
}

/* Nobody comes late, and who waits for long is not in the heap. */
static void
test_days(void **state)
{
	struct send *s = begin();
	size_t turns = 0;

	(void)state;
	srand(7);
	for (unsigned i = 0; i < ENTRIES; i++)
		defer(s, i * (4 * HOUR / ENTRIES));
	for (unsigned minutes = 0; minutes < 3 * 24 * 60; minutes++) {
		struct check check;

		turns += turn(s, 4 * HOUR - (uint64_t)rand() % MINUTE);
		check = look(s);
		assert_int_equal(check.late, 0);
		assert_true(s->schedule.heap.len <= ENTRIES - check.far);
		assert_true(check.far > ENTRIES / 2);
		boot += MINUTE;
	}
	assert_in_range(turns, 17 * ENTRIES, 20 * ENTRIES);
	end(s);
}

/* A clock that is set forth brings what is due by it, one that is set back no later than the longest wait. */
static void
test_set_clock(void **state)
{
	struct send *s = begin();
	uint64_t longest = retry_longest(&s->config.retry);

	(void)state;
	for (unsigned i = 0; i < ENTRIES; i++)
		defer(s, 3 * HOUR + i * (HOUR / ENTRIES));
	assert_int_equal(turn(s, 4 * HOUR), 0);
	assert_int_equal(s->schedule.heap.len, 0);
	wall_ahead += 24 * (int64_t)HOUR;
	assert_int_equal(turn(s, 4 * HOUR), ENTRIES);
	wall_ahead -= 48 * (int64_t)HOUR;
	boot += MINUTE;
	assert_int_equal(turn(s, 4 * HOUR), ENTRIES);	/* further ahead than any wait */
	wall_ahead -= (int64_t)HOUR / 10;
	for (uint64_t until = boot + longest + 2 * MINUTE; boot < until; boot += MINUTE)
		turn(s, longest);
	assert_int_equal(look(s).late, 0);
	end(s);
}

/* The timer is set as long as anything waits, however far off. */
static void
test_timer(void **state)
{
	struct send *s = begin();
	struct entry *e;

	(void)state;
	turn(s, 0);
	assert_false(loop_timer_is_set(&s->schedule.timer));
	e = defer(s, 4 * HOUR);
	assert_true(loop_timer_is_set(&s->schedule.timer));
	assert_true(schedule_is_idle(s));
	schedule_entry(s, e, 0);	/* made due by hand */
	assert_false(schedule_is_idle(s));
	assert_ptr_equal(schedule_due(s, clock_wall()), e);
	assert_null(schedule_due(s, clock_wall()));
	end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_set_clock),
		cmocka_unit_test(test_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
