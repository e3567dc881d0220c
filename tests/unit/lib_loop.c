/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "loop.h"

struct test {
	struct loop *loop;
	int pair[2];			/* a socket pair */
	struct loop_watch *watches[4];
	unsigned seen, calls, limit;
	struct loop_timer timers[300];
	uint64_t last_due;
};

static int set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->loop = loop_new()) == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, t->pair) < 0)
		return -1;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	loop_free(t->loop);
	close(t->pair[0]);
	close(t->pair[1]);
	free(t);
	return 0;
}

static void note_events(void *arg, unsigned events)
{
	struct test *t = arg;

	t->seen |= events;
	t->calls++;
	loop_stop(t->loop);
}

static void stop(void *arg)
{
	struct test *t = arg;

	t->calls++;
	loop_stop(t->loop);
}

static void delivers_what_is_asked_for(void **state)
{
	struct test *t = *state;
	struct loop_watch *w;

	assert_int_equal(loop_watch(t->loop, t->pair[0], LOOP_WRITE, note_events, t, &w), 0);
	assert_int_equal(write(t->pair[1], "x", 1), 1);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->seen, LOOP_WRITE);
	t->seen = 0;
	assert_int_equal(loop_change(w, LOOP_READ), 0);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->seen, LOOP_READ);
	t->seen = 0;
	assert_int_equal(loop_change(w, LOOP_READ | LOOP_WRITE), 0);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->seen, LOOP_READ | LOOP_WRITE);
	loop_unwatch(w);
	loop_unwatch(NULL);
}

static void hangup_of_an_unasked_watch_is_silent(void **state)
{
	struct test *t = *state;
	struct loop_watch *w;
	struct loop_timer timer;

	assert_int_equal(loop_watch(t->loop, t->pair[0], 0, note_events, t, &w), 0);
	shutdown(t->pair[1], SHUT_RDWR);
	loop_timer_init(&timer, stop, t);
	assert_int_equal(loop_timer_set(t->loop, &timer, clock_boot() + 20000), 0);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->seen, 0);
	assert_int_equal(loop_change(w, LOOP_HANGUP), 0);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->seen, LOOP_HANGUP);
	loop_unwatch(w);
}

static void refuses_regular_files(void **state)
{
	struct test *t = *state;
	struct loop_watch *w;
	char path[] = "/tmp/lib_loop.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(loop_watch(t->loop, fd, LOOP_READ, note_events, t, &w), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
}

/* The first one of a batch unwatches all the others, itself too, and a new watch takes their descriptor's number */
static void unwatch_all(void *arg, unsigned events)
{
	struct test *t = arg;

	(void)events;
	t->calls++;
	for (size_t i = 0; i < 4; i++) {
		loop_unwatch(t->watches[i]);
		t->watches[i] = NULL;
	}
	loop_stop(t->loop);
}

static void gone_watches_get_nothing(void **state)
{
	struct test *t = *state;
	int pairs[4][2];

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
		assert_int_equal(loop_watch(t->loop, pairs[i][0], LOOP_READ, unwatch_all, t, &t->watches[i]), 0);
		assert_int_equal(write(pairs[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->calls, 1);
	for (size_t i = 0; i < 4; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

static void in_order(void *arg)
{
	struct test *t = arg;

	assert_true(loop_now(t->loop) >= t->last_due);
	t->calls++;
	if (t->calls == t->limit)
		loop_stop(t->loop);
}

static void timers_run_when_due(void **state)
{
	struct test *t = *state;
	uint64_t start = clock_boot();

	srand(4);
	for (size_t i = 0; i < 300; i++) {
		loop_timer_init(&t->timers[i], in_order, t);
		assert_false(loop_timer_is_set(&t->timers[i]));
		assert_int_equal(loop_timer_set(t->loop, &t->timers[i], start + (uint64_t)rand() % 30000), 0);
	}
	/* a third is cleared, a third moved, to the end at most */
	for (size_t i = 0; i < 300; i += 3)
		loop_timer_clear(t->loop, &t->timers[i]);
	for (size_t i = 1; i < 300; i += 3)
		assert_int_equal(loop_timer_set(t->loop, &t->timers[i], start + (uint64_t)rand() % 30000), 0);
	assert_int_equal(loop_timer_set(t->loop, &t->timers[1], start + 30000), 0);
	loop_timer_clear(t->loop, &t->timers[0]);
	t->limit = 200;
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->calls, 200);
	assert_true(clock_boot() >= start + 30000);
	for (size_t i = 0; i < 300; i++)
		assert_false(loop_timer_is_set(&t->timers[i]));
}

static bool count_turns(void *arg)
{
	++*(unsigned *)arg;
	return false;
}

static void waiting_does_not_spin(void **state)
{
	struct test *t = *state;
	struct loop_timer timer;
	unsigned turns = 0;
	uint64_t due = clock_boot() + 50500;

	assert_int_equal(loop_turn(t->loop, count_turns, &turns), 0);
	loop_timer_init(&timer, stop, t);
	assert_int_equal(loop_timer_set(t->loop, &timer, due), 0);
	assert_int_equal(loop_run(t->loop), 0);
	assert_true(clock_boot() >= due);
	assert_in_range(turns, 2, 4);
}

static void again(void *arg)
{
	struct test *t = arg;

	if (++t->calls == 1000)
		loop_stop(t->loop);
	assert_int_equal(loop_timer_set(t->loop, &t->timers[0], 0), 0);
}

/* A timer that is always due must not keep descriptors from their turn */
static void past_timers_starve_nobody(void **state)
{
	struct test *t = *state;
	struct loop_watch *w;

	loop_timer_init(&t->timers[0], again, t);
	assert_int_equal(loop_timer_set(t->loop, &t->timers[0], 0), 0);
	assert_int_equal(loop_watch(t->loop, t->pair[0], LOOP_WRITE, note_events, t, &w), 0);
	assert_int_equal(loop_run(t->loop), 0);
	assert_true(t->calls <= 3);
	assert_int_equal(t->seen, LOOP_WRITE);
	loop_unwatch(w);
	loop_timer_clear(t->loop, &t->timers[0]);
}

static void on_usr1(void *arg)
{
	((struct test *)arg)->seen |= 1;
	raise(SIGUSR2);
}

static void signals_arrive(void **state)
{
	struct test *t = *state;

	assert_int_equal(loop_signal(t->loop, SIGUSR1, on_usr1, t), 0);
	assert_int_equal(loop_signal(t->loop, SIGUSR2, stop, t), 0);
	assert_int_equal(loop_signal(t->loop, 0, stop, t), -1);
	assert_int_equal(loop_signal(t->loop, 1000, stop, t), -1);
	raise(SIGUSR1);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->seen, 1);
	assert_int_equal(t->calls, 1);
}

static bool first(void *arg)
{
	struct test *t = arg;

	assert_int_equal(t->calls % 3, 0);
	t->calls++;
	return t->calls < 30;
}

static bool second(void *arg)
{
	struct test *t = arg;

	assert_int_equal(t->calls % 3, 1);
	t->calls++;
	return false;
}

static bool last(void *arg)
{
	struct test *t = arg;

	assert_int_equal(t->calls % 3, 2);
	t->calls++;
	if (t->calls == 30)
		loop_stop(t->loop);
	return false;
}

static void hooks_run_in_order_each_turn(void **state)
{
	struct test *t = *state;

	assert_int_equal(loop_turn_last(t->loop, last, t), 0);
	assert_int_equal(loop_turn(t->loop, count_turns, t), 0);
	assert_int_equal(loop_turn(t->loop, first, t), 0);
	assert_int_equal(loop_turn(t->loop, second, t), 0);
	loop_turn_remove(t->loop, count_turns, t);
	assert_int_equal(loop_run(t->loop), 0);
	assert_int_equal(t->calls, 30);
	for (int i = 0; i < 14; i++)
		assert_int_equal(loop_turn(t->loop, first, t), 0);
	assert_int_equal(loop_turn(t->loop, first, t), -1);
	assert_int_equal(errno, ENOSPC);
}

static void early_stop_holds(void **state)
{
	struct test *t = *state;

	loop_stop(t->loop);
	assert_int_equal(loop_run(t->loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(delivers_what_is_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hangup_of_an_unasked_watch_is_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_regular_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gone_watches_get_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(timers_run_when_due, set_up, tear_down),
		cmocka_unit_test_setup_teardown(waiting_does_not_spin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(past_timers_starve_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signals_arrive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hooks_run_in_order_each_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(early_stop_holds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
