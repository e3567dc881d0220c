/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Submissions against a queue that fails at every step: one message, never two, never none after 0. */
#include "fakequeue.h"

#include <sys/stat.h>
#include <sysexits.h>

#include "submit.h"

#define SECOND UINT64_C(1000000)
#define ACTS(...) ((const int[]){ __VA_ARGS__, -1 })

struct run {
	size_t size, replays;
	bool can_replay;
	int code;
	struct str id, error;
};

static void write_message(struct run *r, struct submit *s)
{
	char line[1000];
	size_t left = r->size;

	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	while (left > 0) {
		size_t n = left < sizeof line ? left : sizeof line;

		submit_write(s, (struct span){ line, n });
		left -= n;
	}
}

static int replay(void *arg, struct submit *s)
{
	struct run *r = arg;

	r->replays++;
	if (!r->can_replay)
		return -1;
	write_message(r, s);
	return 0;
}

static void make_envelope(struct envelope *e)
{
	envelope_init(e, 65536);
	assert_int_equal(envelope_set_sender(e, span_of("joe@example.org")), 0);
	assert_int_equal(envelope_add_attribute(e, span_of("body"), span_of("8BITMIME")), 0);
	assert_int_equal(envelope_add_recipient(e, span_of("a b@x")), 0);
	assert_int_equal(envelope_add_recipient_attribute(e, span_of("notify"), span_of("SUCCESS,DELAY")), 0);
	assert_int_equal(envelope_add_recipient(e, span_of("root@x")), 0);
}

static void submit(struct run *r, const char *path, uint64_t wait)
{
	struct submit *s = submit_new(path, "inject", wait);
	struct envelope e;

	r->id = (struct str)STR_INIT(4096);
	r->error = (struct str)STR_INIT(4096);
	make_envelope(&e);
	submit_set_patience(s, SECOND / 2, SECOND);
	submit_begin(s, &e);
	write_message(r, s);
	r->code = submit_end(s, replay, r, &r->id, &r->error);
	submit_free(s);
	envelope_free(&e);
}

static void done(struct run *r, struct fake *f)
{
	str_free(&r->id);
	str_free(&r->error);
	fake_free(f);
}

static void expect(const int *acts, size_t size, bool can_replay, int code, size_t stored, size_t replays)
{
	struct run r = { .size = size, .can_replay = can_replay };
	struct fake f;

	fake_start(&f, acts);
	submit(&r, f.path, SECOND);
	fake_stop(&f);
	if (r.code != code)
		print_error("code %d, text %s\n", r.code, r.error.data);
	assert_int_equal(r.code, code);
	assert_int_equal(f.stored, stored);
	if (replays != (size_t)-1)
		assert_int_equal(r.replays, replays);
	if (code == 0) {
		assert_string_equal(r.id.data, "1763712345123456-9f8e7d6c5b4a3921-0");
		assert_int_equal(f.message.len, size);
		assert_string_equal(f.envelope.data,
		    "Sjoe@example.org\nAbody=8BITMIME\nRa b@x\nrnotify=SUCCESS,DELAY\nRroot@x\n");
	} else {
		assert_true(r.error.len > 0);
		if (stored == 0)
			assert_null(strstr(r.error.data, "unclear"));
	}
	done(&r, &f);
}

static void test_sound(void **state)
{
	(void)state;
	expect(ACTS(FAKE_SERVE), 0, true, 0, 1, 0);
	expect(ACTS(FAKE_SERVE), 4096, true, 0, 1, 0);
	expect(ACTS(FAKE_SERVE), 65536, true, 0, 1, 0);
	expect(ACTS(FAKE_SERVE), 5000000, false, 0, 1, 0);
}

static void test_small_leaves_in_one(void **state)
{
	struct run r = { .size = 4096 };
	struct fake f;

	(void)state;
	fake_start(&f, ACTS(FAKE_SERVE));
	submit(&r, f.path, SECOND);
	fake_stop(&f);
	assert_int_equal(f.sends, 1);
	assert_int_equal(f.hellos, 1);
	done(&r, &f);
}

/* Every break before E, with a message that fits in one piece (E has left by then: the key is asked for) and with one that does not. */
static void test_cut_before_end(void **state)
{
	static const int cuts[] = { FAKE_GONE, FAKE_CUT_AT_M, FAKE_CUT_AT_R, FAKE_CUT_AT_B, FAKE_CUT_AT_E, FAKE_GARBAGE };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		expect(ACTS(cuts[i], FAKE_SERVE), 4096, true, 0, 1, 1);
		expect(ACTS(cuts[i], FAKE_SERVE), 2000000, true, 0, 1, 1);
		expect(ACTS(cuts[i], FAKE_SERVE), 4096, false, EX_TEMPFAIL, 0, 1);
		expect(ACTS(cuts[i], FAKE_SERVE), 2000000, false, EX_TEMPFAIL, 0, 1);
		expect(ACTS(cuts[i], cuts[i], cuts[i], FAKE_SERVE), 4096, true, 0, 1, (size_t)-1);
	}
}

static void test_lost_answer(void **state)
{
	(void)state;
	expect(ACTS(FAKE_STORED_CUT, FAKE_SERVE), 4096, true, 0, 1, 0);
	expect(ACTS(FAKE_STORED_CUT, FAKE_SERVE), 2000000, false, 0, 1, 0);
	expect(ACTS(FAKE_HALF_ANSWER, FAKE_SERVE), 4096, true, 0, 1, 0);
	expect(ACTS(FAKE_STORED_CUT, FAKE_GONE, FAKE_SERVE), 4096, true, 0, 1, 0);
	expect(ACTS(FAKE_SILENT, FAKE_SERVE), 4096, true, 0, 1, 0);
}

static void test_unclear(void **state)
{
	struct run r = { .size = 10, .can_replay = true };
	struct fake f;

	(void)state;
	fake_start(&f, ACTS(FAKE_STORED_CUT, FAKE_GONE));
	submit(&r, f.path, SECOND);
	assert_int_equal(r.code, EX_TEMPFAIL);
	assert_non_null(strstr(r.error.data, "unclear"));
	assert_int_equal(r.replays, 0);
	done(&r, &f);
	r = (struct run){ .size = 10, .can_replay = true };
	fake_start(&f, ACTS(FAKE_SILENT));
	submit(&r, f.path, SECOND);
	assert_int_equal(r.code, EX_TEMPFAIL);
	assert_non_null(strstr(r.error.data, "unclear"));
	done(&r, &f);
}

static void test_refused(void **state)
{
	(void)state;
	expect(ACTS(FAKE_Z), 4096, true, EX_TEMPFAIL, 0, 0);
	expect(ACTS(FAKE_X), 4096, true, EX_UNAVAILABLE, 0, 0);
	expect(ACTS(FAKE_Z_AT_M), 4096, true, EX_TEMPFAIL, 0, 0);
	expect(ACTS(FAKE_X_AT_M), 4096, true, EX_UNAVAILABLE, 0, 0);
	expect(ACTS(FAKE_X_AT_M), 5000000, true, EX_UNAVAILABLE, 0, 0);
	expect(ACTS(FAKE_X_AT_M_CUT), 5000000, true, EX_UNAVAILABLE, 0, 0);
	/* After N the message goes out again and is then refused. */
	expect(ACTS(FAKE_CUT_AT_E, FAKE_X), 4096, true, EX_UNAVAILABLE, 0, 1);
}

static void test_early_refusal_stops_writing(void **state)
{
	struct str id = STR_INIT(100), error = STR_INIT(4096);
	struct envelope e;
	struct submit *s;
	struct fake f;
	char chunk[32768];
	int i, r = 0;

	(void)state;
	memset(chunk, 'x', sizeof chunk);
	make_envelope(&e);
	fake_start(&f, ACTS(FAKE_X_AT_M));
	s = submit_new(f.path, "inject", SECOND);
	submit_begin(s, &e);
	for (i = 0; i < 10000 && r == 0; i++)
		r = submit_write(s, (struct span){ chunk, sizeof chunk });
	assert_int_equal(r, -1);
	assert_int_equal(submit_end(s, NULL, NULL, &id, &error), EX_UNAVAILABLE);
	assert_non_null(strstr(error.data, "early"));
	submit_free(s);
	envelope_free(&e);
	str_free(&id);
	str_free(&error);
	fake_free(&f);
}

static void test_cancel(void **state)
{
	struct envelope e;
	struct submit *s;
	struct fake f;

	(void)state;
	make_envelope(&e);
	fake_start(&f, ACTS(FAKE_SERVE));
	s = submit_new(f.path, "inject", SECOND);
	submit_begin(s, &e);
	submit_write(s, span_of("text\n"));
	submit_cancel(s);
	submit_free(s);
	fake_stop(&f);
	assert_int_equal(f.stored, 0);
	envelope_free(&e);
	fake_free(&f);
}

static void test_absent(void **state)
{
	struct run r = { .size = 10 };
	struct fake f;

	(void)state;
	fake_prepare(&f);
	submit(&r, f.path, SECOND / 5);
	assert_int_equal(r.code, EX_TEMPFAIL);
	assert_non_null(strstr(r.error.data, "queue is away: "));
	assert_non_null(strstr(r.error.data, f.path));
	assert_non_null(strstr(r.error.data, "is deaddrop-queue running?"));
	done(&r, &f);
}

static void *come_late(void *arg)
{
	usleep(300000);
	fake_listen(arg);
	return NULL;
}

static void test_comes_late(void **state)
{
	struct run r = { .size = 10 };
	struct fake f;
	pthread_t late;

	(void)state;
	fake_prepare(&f);
	f.count = 1;
	f.acts[0] = FAKE_SERVE;
	pthread_create(&late, NULL, come_late, &f);
	submit(&r, f.path, 5 * SECOND);
	pthread_join(late, NULL);
	assert_int_equal(r.code, 0);
	fake_stop(&f);
	assert_int_equal(f.stored, 1);
	done(&r, &f);
}

static void test_not_permitted(void **state)
{
	struct run r = { .size = 10 };
	struct fake f;
	uid_t old = geteuid();

	(void)state;
	fake_start(&f, ACTS(FAKE_SERVE));
	chmod(f.dir, 0755);
	chmod(f.path, 0600);
	if (old == 0 && seteuid(65534) < 0)
		skip();
	if (old != 0)
		chmod(f.path, 0);
	submit(&r, f.path, 5 * SECOND);
	if (old == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(r.code, EX_NOPERM);
	assert_non_null(strstr(r.error.data, f.path));
	done(&r, &f);
}

static void test_long_path(void **state)
{
	struct run r = { .size = 10 };
	struct fake f;
	char path[300];

	(void)state;
	memset(path, 'a', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	fake_prepare(&f);
	submit(&r, path, SECOND);
	assert_int_equal(r.code, EX_CONFIG);
	done(&r, &f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound), cmocka_unit_test(test_small_leaves_in_one), cmocka_unit_test(test_cut_before_end),
		cmocka_unit_test(test_lost_answer), cmocka_unit_test(test_unclear), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_early_refusal_stops_writing), cmocka_unit_test(test_cancel), cmocka_unit_test(test_absent),
		cmocka_unit_test(test_comes_late), cmocka_unit_test(test_not_permitted), cmocka_unit_test(test_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
