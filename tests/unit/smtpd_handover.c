/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The way to queue, with a queue in the same loop that does what a test tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../smtpd/handover.h"
#include "clock.h"

enum behaviour { STORES, REFUSES, PUTS_OFF, SILENT, BREAKS, BREAKS_STORED, REFUSES_EARLY, BREAKS_EARLY };

struct test {
	struct loop *loop;
	struct ctrl_hub *hub;
	struct log *log;
	struct handover *handover;
	struct loop_timer stop;
	char path[64];
	int fd, lock;
	struct ctrl_listener *listener;
	struct client *clients;
	enum behaviour behaviour;
	struct str heard;		/* all frames but B, a line each */
	uint64_t bytes;			/* of B */
	unsigned connections, stored, asked;
	char known[33];			/* the last key that was stored */
	/* what the client was told */
	unsigned told, rooms;
	char verdict;
	char text[200];
};

struct client {				/* one of the connections; lives as long as the test */
	struct client *next;
	struct test *test;
	char key[33];			/* of the message at hand */
};

static void end(void *arg)
{
	struct test *t = arg;

	loop_stop(t->loop);
}

static void store(struct client *client)
{
	struct test *t = client->test;

	t->stored += strcmp(t->known, client->key) != 0;
	memcpy(t->known, client->key, sizeof t->known);
}

static void complete(struct client *client, struct ctrl *c)
{
	struct test *t = client->test;
	enum behaviour behaviour = t->behaviour;

	if (behaviour == BREAKS || behaviour == BREAKS_STORED) {
		if (behaviour == BREAKS_STORED)
			store(client);
		t->behaviour = STORES;
		ctrl_close(c);
	} else if (behaviour == STORES) {
		store(client);
		(void)ctrl_printf(c, 'K', "%s id-%u", client->key, t->stored);
	} else if (behaviour == REFUSES || behaviour == PUTS_OFF) {
		(void)ctrl_printf(c, behaviour == REFUSES ? 'X' : 'Z', "%s no", client->key);
	}
}

static const char *on_frame(void *arg, struct ctrl *c, struct frame frame)
{
	struct client *client = arg;
	struct test *t = client->test;

	if (frame.type == 'B') {
		t->bytes += frame.value.len;
		if (t->behaviour == REFUSES_EARLY)
			(void)ctrl_printf(c, 'X', "%s early", client->key);
		else if (t->behaviour == BREAKS_EARLY)
			ctrl_close(c);
		return NULL;
	}
	assert_int_equal(str_add_char(&t->heard, frame.type) | str_add_span(&t->heard, frame.value) | str_add_char(&t->heard, '\n'), 0);
	if (frame.type == 'M' || frame.type == 'Q')
		memcpy(client->key, frame.value.data, 32);
	if (frame.type == 'E')
		complete(client, c);
	if (frame.type == 'Q') {
		t->asked++;
		(void)ctrl_printf(c, strcmp(t->known, client->key) ? 'N' : 'K', strcmp(t->known, client->key) ? "%s" : "%s id-known", client->key);
	}
	return NULL;
}

static void on_closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	(void)arg, (void)c, (void)why, (void)broken;
}

static void *on_accept(void *arg, struct ctrl_peer peer, struct ctrl *c)
{
	struct client *client = calloc(1, sizeof *client);

	(void)peer, (void)c;
	assert_non_null(client);
	client->test = arg;
	client->next = client->test->clients;
	client->test->clients = client;
	client->test->connections++;
	return client;
}

static const struct ctrl_ops queue_ops = { .frame = on_frame, .closed = on_closed };

static void listen_now(struct test *t)
{
	assert_int_equal(ctrl_bind(t->path, 0600, (uid_t)-1, (gid_t)-1, &t->fd, &t->lock), 0);
	t->listener = ctrl_listen(t->hub, t->fd, 100, &queue_ops, on_accept, t);
	assert_non_null(t->listener);
}

static void listen_later(void *arg)
{
	listen_now(arg);
}

static void done(void *arg, char verdict, struct span text)
{
	struct test *t = arg;

	t->told++;
	t->verdict = verdict;
	assert_true(text.len < sizeof t->text);
	memcpy(t->text, text.data, text.len);
	t->text[text.len] = '\0';
	loop_stop(t->loop);
}

static void room(void *arg)
{
	struct test *t = arg;

	t->rooms++;
	loop_stop(t->loop);
}

static const struct handover_ops ops = { .done = done, .room = room };

static struct test *set_up(enum behaviour behaviour, bool listens)
{
	struct test *t = calloc(1, sizeof *t);

	assert_non_null(t);
	t->fd = t->lock = -1;
	memcpy(t->path, "/tmp/deaddrop-handover.XXXXXX", 30);
	assert_non_null(mkdtemp(t->path));
	strcat(t->path, "/q");
	t->loop = loop_new();
	t->hub = ctrl_hub_new(t->loop, "queue", 64 << 20);
	t->log = log_new("test", LOG_FILE, -1);
	t->heard = (struct str)STR_INIT(1 << 20);
	t->behaviour = behaviour;
	t->handover = handover_new(&(struct handover_setup){ .loop = t->loop, .hub = t->hub, .log = t->log, .path = t->path, .wait = 2 * CLOCK_SECOND, .buffer = 4 << 20 });
	loop_timer_init(&t->stop, end, t);
	if (listens)
		listen_now(t);
	return t;
}

static void tear_down(struct test *t)
{
	handover_free(t->handover);
	loop_timer_clear(t->loop, &t->stop);
	while (t->clients) {
		struct client *client = t->clients;

		t->clients = client->next;
		free(client);
	}
	ctrl_hub_free(t->hub);
	loop_free(t->loop);
	log_free(t->log);
	if (t->fd >= 0) {
		close(t->fd);
		close(t->lock);
		unlink(t->path);
		strcat(t->path, ".lock");
		unlink(t->path);
		*strrchr(t->path, '.') = '\0';
	}
	*strrchr(t->path, '/') = '\0';
	rmdir(t->path);
	str_free(&t->heard);
	free(t);
}

/* Until the client is told something, or for that long. */
static void run(struct test *t, uint64_t most)
{
	assert_int_equal(loop_timer_set(t->loop, &t->stop, clock_boot() + most), 0);
	assert_int_equal(loop_run(t->loop), 0);
}

static struct handover_mail *begin(struct test *t)
{
	struct handover_mail *mail = handover_begin(t->handover, &ops, t);

	assert_non_null(mail);
	assert_int_equal(handover_put(mail, 'S', span_of("a@b")) | handover_put(mail, 'R', span_of("u@x")) | handover_put(mail, 'r', span_of("notify=never")), 0);
	return mail;
}

static void fill(struct handover_mail *mail, size_t len)
{
	char *bytes = malloc(len);

	assert_non_null(bytes);
	memset(bytes, 'x', len);
	assert_int_equal(handover_body(mail, (struct span){ bytes, len }), 0);
	free(bytes);
}

static void small(enum behaviour behaviour, char verdict, const char *text, unsigned stored, unsigned asked)
{
	struct test *t = set_up(behaviour, true);
	struct handover_mail *mail = begin(t);

	fill(mail, 100);
	handover_end(mail);
	assert_int_equal(t->told, 0);
	run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->told, 1);
	assert_int_equal(t->verdict, verdict);
	assert_string_equal(t->text, text);
	assert_int_equal(t->stored, stored);
	assert_int_equal(t->asked, asked);
	assert_int_equal(handover_count(t->handover), 0);
	tear_down(t);
}

static void test_small(void **state)
{
	(void)state;
	small(STORES, 'K', "id-1", 1, 0);
	small(REFUSES, 'X', "no", 0, 0);
	small(PUTS_OFF, 'Z', "no", 0, 0);
}

static void test_broken(void **state)
{
	(void)state;
	/* asked, not known, sent again: on the connection that asked */
	small(BREAKS, 'K', "id-1", 1, 1);
	/* asked, and known: not sent again */
	small(BREAKS_STORED, 'K', "id-known", 1, 1);
}

static void test_frames(void **state)
{
	struct test *t = set_up(STORES, true);
	struct handover_mail *mail = begin(t);

	(void)state;
	fill(mail, 40000);
	handover_end(mail);
	run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->bytes, 40000);
	assert_non_null(strstr(t->heard.data, "\nSa@b\nRu@x\nrnotify=never\nE\n"));
	/* the next goes on the same connection */
	mail = begin(t);
	handover_end(mail);
	run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->told, 2);
	assert_int_equal(t->connections, 1);
	tear_down(t);
}

static void test_away(void **state)
{
	struct test *t = set_up(STORES, false);
	struct handover_mail *mail = begin(t);
	struct loop_timer timer;
	uint64_t begun = clock_boot();

	(void)state;
	handover_end(mail);
	run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->verdict, 'Z');
	assert_true(clock_boot() - begun >= 2 * CLOCK_SECOND);
	/* and one that comes in time */
	mail = begin(t);
	handover_end(mail);
	loop_timer_init(&timer, listen_later, t);
	assert_int_equal(loop_timer_set(t->loop, &timer, clock_boot() + CLOCK_SECOND / 3), 0);
	run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->told, 2);
	assert_int_equal(t->verdict, 'K');
	tear_down(t);
}

/* As a session does: gives nothing while there is no room. */
static void stream(struct test *t, struct handover_mail *mail, size_t pieces)
{
	for (size_t i = 0; i < pieces && !t->told; i++) {
		while (handover_full(mail) && !t->told)
			run(t, 5 * CLOCK_SECOND);
		if (!t->told)
			fill(mail, 50000);
	}
}

static void test_large(void **state)
{
	struct test *t = set_up(STORES, true);
	struct handover_mail *large = begin(t), *other = begin(t);

	(void)state;
	fill(large, 70000);
	assert_true(handover_full(large));
	stream(t, large, 20);
	/* a small one is not held up by it, nor mixed into it */
	handover_end(other);
	while (!t->told)
		run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->told, 1);
	t->told = 0;
	stream(t, large, 20);
	handover_end(large);
	while (!t->told)
		run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->told, 1);
	assert_int_equal(t->verdict, 'K');
	assert_int_equal(t->bytes, 70000 + 40 * 50000);
	assert_int_equal(t->stored, 2);
	tear_down(t);
}

static void large_goes_wrong(enum behaviour behaviour, char verdict)
{
	struct test *t = set_up(behaviour, true);
	struct handover_mail *mail = begin(t);

	stream(t, mail, 100);
	while (!t->told)
		run(t, 5 * CLOCK_SECOND);
	assert_int_equal(t->told, 1);
	assert_int_equal(t->verdict, verdict);
	assert_int_equal(handover_count(t->handover), 0);
	tear_down(t);
}

static void test_large_goes_wrong(void **state)
{
	struct test *t;
	struct handover_mail *mail;

	(void)state;
	large_goes_wrong(REFUSES_EARLY, 'X');
	large_goes_wrong(BREAKS_EARLY, 'Z');
	/* the connection breaks behind the end: what cannot be sent again is asked for */
	for (int stored = 0; stored < 2; stored++) {
		t = set_up(stored ? BREAKS_STORED : BREAKS, true);
		mail = begin(t);
		stream(t, mail, 10);
		handover_end(mail);
		while (!t->told)
			run(t, 5 * CLOCK_SECOND);
		assert_int_equal(t->verdict, stored ? 'K' : 'Z');
		assert_int_equal(t->asked, 1);
		tear_down(t);
	}
}

static void test_leave(void **state)
{
	struct test *t = set_up(STORES, true);
	struct handover_mail *mail = begin(t);

	(void)state;
	fill(mail, 10);
	handover_leave(mail);
	assert_int_equal(handover_count(t->handover), 0);
	/* after its end it is stored all the same */
	mail = begin(t);
	handover_end(mail);
	handover_leave(mail);
	run(t, CLOCK_SECOND / 5);
	assert_int_equal(t->stored, 1);
	assert_int_equal(t->told, 0);
	assert_int_equal(handover_count(t->handover), 0);
	/* a large one, before its end */
	mail = begin(t);
	stream(t, mail, 10);
	handover_leave(mail);
	run(t, CLOCK_SECOND / 5);
	assert_int_equal(t->stored, 1);
	tear_down(t);
}

/* Memory has an end, and gets it back. */
static void test_memory(void **state)
{
	struct test *t = set_up(STORES, true);
	struct handover_mail *mails[200];
	char bytes[60000];
	size_t n = 0;

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	while (n < 200 && (mails[n] = handover_begin(t->handover, &ops, t)) && !handover_body(mails[n++], (struct span){ bytes, sizeof bytes }))
		;
	assert_true(n > 20 && n < 200);
	while (n)
		handover_leave(mails[--n]);
	assert_non_null(begin(t));
	tear_down(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small), cmocka_unit_test(test_broken), cmocka_unit_test(test_frames), cmocka_unit_test(test_away),
		cmocka_unit_test(test_large), cmocka_unit_test(test_large_goes_wrong), cmocka_unit_test(test_leave), cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("smtpd_handover", tests, NULL, NULL);
}
