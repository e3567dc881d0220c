/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many connections between two hubs of one loop that send, pause, close themselves and each other at random, from within
 * every callback.
 * What arrives is numbered without a gap, every connection is closed exactly once, no memory and no descriptor stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "ctrl.h"

#define SIDES 16
#define OPENED_MAX 400

struct world;

struct side {
	struct world *world;
	struct ctrl *c;			/* NULL: closed */
	uint64_t sent, seen;
};

struct world {
	struct loop *loop;
	struct ctrl_hub *hubs[2];
	struct side sides[SIDES];	/* an even one and the next are a connection's two ends */
	unsigned opened, closed;
	uint64_t frames;
	struct loop_timer stir;
	int null_fd;
};

static const char zeros[50000];

static void send_one(struct side *s)
{
	static const size_t sizes[] = { 0, 1, 10, 1000, 10000, 50000 };
	struct str value = STR_INIT(60000);
	int fd;

	if (rand() % 10 == 0) {
		fd = fcntl(s->world->null_fd, F_DUPFD_CLOEXEC, 0);
		assert_true(fd >= 0);
		if (ctrl_send_fd(s->c, 'F', span_of(""), fd) < 0)
			close(fd);
		return;
	}
	assert_int_equal(str_printf(&value, "%llu ", (unsigned long long)s->sent), 0);
	assert_int_equal(str_append(&value, zeros, sizes[rand() % 6]), 0);
	if (ctrl_send(s->c, 'N', str_span(&value)) == 0)
		s->sent++;
	str_free(&value);
}

/* Something, done to any side, from anywhere */
static void act(struct world *w)
{
	struct side *s = &w->sides[rand() % SIDES];

	if (s->c == NULL)
		return;
	switch (rand() % 100) {
	case 0:
		ctrl_close(s->c);
		break;
	case 1 ... 5:
		ctrl_pause(s->c, true);
		break;
	case 6 ... 25:
		ctrl_pause(s->c, false);
		break;
	case 26 ... 30:
		ctrl_flush(s->c);
		break;
	case 31 ... 70:
		send_one(s);
		break;
	default:
		break;
	}
}

static const char *frame(void *arg, struct ctrl *c, struct frame f)
{
	struct side *s = arg;
	struct span rest = f.value, word;
	uint64_t number;

	assert_ptr_equal(c, s->c);
	s->world->frames++;
	if (f.type == 'F') {
		int fd = ctrl_take_fd(c);

		assert_true(fd >= 0);
		close(fd);
	} else {
		assert_true(span_word(&rest, ' ', &word));
		assert_int_equal(span_decimal(word, UINT64_MAX, &number), 0);
		assert_int_equal(number, s->seen++);
	}
	act(s->world);
	return rand() % 500 == 0 ? "by chance" : NULL;
}

static void other(void *arg, struct ctrl *c)
{
	struct side *s = arg;

	assert_ptr_equal(c, s->c);
	act(s->world);
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct side *s = arg;

	(void)broken;
	assert_ptr_equal(c, s->c);
	assert_non_null(why);
	s->c = NULL;
	s->world->closed++;
	act(s->world);
}

static bool ended(void *arg, struct ctrl *c)
{
	other(arg, c);
	return rand() % 2;
}

static const struct ctrl_ops ops = { .frame = frame, .closed = closed, .writable = other, .idle = other, .ended = ended };

static void open_pair(struct world *w, size_t at)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (size_t i = 0; i < 2; i++) {
		w->sides[at + i] = (struct side){ .world = w };
		w->sides[at + i].c = ctrl_new(w->hubs[i], pair[i], &ops, &w->sides[at + i]);
		assert_non_null(w->sides[at + i].c);
		w->opened++;
	}
}

static void stir(void *arg)
{
	struct world *w = arg;
	bool quiet = true;

	for (size_t at = 0; at < SIDES; at += 2) {
		if (w->sides[at].c != NULL || w->sides[at + 1].c != NULL)
			quiet = false;
		else if (w->opened < OPENED_MAX)
			open_pair(w, at);
	}
	if (w->opened >= OPENED_MAX && quiet) {
		loop_stop(w->loop);
		return;
	}
	for (int i = 0; i < 100; i++)
		act(w);
	/* at the end all are let go on, or a paused one would keep its peer for ever */
	for (size_t at = 0; w->opened >= OPENED_MAX && at < SIDES; at++)
		if (w->sides[at].c != NULL) {
			ctrl_pause(w->sides[at].c, false);
			if (rand() % 20 == 0)
				ctrl_close(w->sides[at].c);
		}
	assert_int_equal(loop_timer_set(w->loop, &w->stir, loop_now(w->loop) + 500), 0);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1000; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

static void nothing_is_lost_or_kept(void **state)
{
	struct world w = { .null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };
	int before = count_fds();

	(void)state;
	w.loop = loop_new();
	assert_non_null(w.loop);
	for (size_t i = 0; i < 2; i++) {
		w.hubs[i] = ctrl_hub_new(w.loop, i == 0 ? "one" : "two", 600000);
		assert_non_null(w.hubs[i]);
	}
	srand(6);
	loop_timer_init(&w.stir, stir, &w);
	assert_int_equal(loop_timer_set(w.loop, &w.stir, 0), 0);
	assert_int_equal(loop_run(w.loop), 0);
	assert_int_equal(w.closed, w.opened);
	assert_true(w.frames > 1000);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(ctrl_hub_buffered(w.hubs[i]), 0);
	/* and a hub that is freed with connections open */
	open_pair(&w, 0);
	send_one(&w.sides[0]);
	for (size_t i = 0; i < 2; i++)
		ctrl_hub_free(w.hubs[i]);
	loop_free(w.loop);
	assert_int_equal(count_fds(), before);
	close(w.null_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_lost_or_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
