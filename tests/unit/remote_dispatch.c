/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A route at work over connections of this test: who is sent when and where, which server is used, when a route is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../remote/dispatch.h"
#include "clock.h"

#define LINKS_MAX 32
#define JOBS_MAX 16

/* ---- connections ---- */

struct link {				/* takes the place of remote/link.c */
	const struct link_ops *ops;
	void *arg;
	size_t relay;
	struct mail *mail;
	unsigned count;
	bool ready, quit, freed;
};

struct world {
	struct link_world shared;
	struct route *route;
	struct dispatch *dispatch;
	struct deliver_job *jobs[JOBS_MAX], *done[JOBS_MAX];
	size_t job_count, done_count;
	struct link links[LINKS_MAX];
	size_t link_count;
};

/* The interface to connections has no place for a test's own state but the host's name. */
static struct world *world_of(const struct link_world *shared)
{
	return (struct world *)(void *)((char *)(uintptr_t)shared - offsetof(struct world, shared));
}

struct link *link_new(const struct link_world *shared, const struct route *route, size_t relay, const struct link_ops *ops, void *arg)
{
	struct world *w = world_of(shared);
	struct link *link = &w->links[w->link_count++];

	assert_true(w->link_count < LINKS_MAX && relay < route->relay_count);
	*link = (struct link){ .ops = ops, .arg = arg, .relay = relay };
	return link;
}

void link_free(struct link *link)
{
	link->freed = true;
	link->ready = false;
}

void link_send(struct link *link, struct mail *mail)
{
	assert_true(link->ready && !link->mail && !link->freed);
	link->ready = false;
	link->count++;
	link->mail = mail;
}

void link_quit(struct link *link)
{
	assert_true(link->ready && !link->freed);
	link->ready = false;
	link->quit = true;
}

bool link_is_ready(const struct link *link)
{
	return link->ready && !link->freed;
}

unsigned link_count(const struct link *link)
{
	return link->count;
}

int link_describe(const struct link *link, struct str *out)
{
	(void)link;
	(void)out;
	return 0;
}

/* ---- what they do ---- */

static void stop(void *arg)
{
	loop_stop(arg);
}

static void pass(struct world *w, uint64_t milliseconds)
{
	struct loop_timer timer;

	loop_timer_init(&timer, stop, w->shared.loop);
	assert_int_equal(loop_timer_set(w->shared.loop, &timer, clock_boot() + milliseconds * 1000), 0);
	assert_int_equal(loop_run(w->shared.loop), 0);
	loop_timer_clear(w->shared.loop, &timer);
}

static void stand(struct world *w, size_t n)
{
	w->links[n].ready = true;
	w->links[n].ops->ready(w->links[n].arg);
	pass(w, 5);
}

static void answer(struct world *w, size_t n, enum outcome_verdict verdict)
{
	struct link *link = &w->links[n];
	struct mail *mail = link->mail;
	struct outcome outcome;

	assert_non_null(mail);
	outcome_set(&outcome, verdict, verdict == OUTCOME_DONE ? "2.0.0" : verdict == OUTCOME_LATER ? "4.0.0" : "5.0.0", "said by the server");
	mail_settle_rest(mail, &outcome);
	link->mail = NULL;
	link->ready = true;
	link->ops->sent(link->arg, mail);
	link->ops->ready(link->arg);
	pass(w, 5);
}

/* The connection ends; a mail that it was sending comes back without a word. */
static void end(struct world *w, size_t n, enum session_end why)
{
	struct link *link = &w->links[n];
	struct mail *mail = link->mail;

	link->ready = false;
	link->mail = NULL;
	if (mail)
		link->ops->sent(link->arg, mail);
	link->ops->over(link->arg, why, "for a test");
	assert_true(link->freed);
	pass(w, 5);
}

/* ---- a route ---- */

static void on_done(void *arg, struct deliver_job *job)
{
	struct world *w = arg;

	w->done[w->done_count++] = job;
}

static void set_up(struct world *w, size_t relays)
{
	struct str error = STR_INIT(1000);

	*w = (struct world){ .route = route_new("far") };
	w->shared.loop = loop_new();
	assert_non_null(w->shared.loop);
	for (size_t i = 0; i < relays; i++)
		assert_int_equal(route_add_relay(w->route, i ? "two.example" : "one.example", 25, ROUTE_TLS_NONE, &error), 0);
	assert_int_equal(route_complete(w->route, &error), 0);
	w->route->backoff_least = w->route->backoff_most = 200000;
	w->dispatch = dispatch_new(&w->shared, w->route, on_done, w);
	assert_non_null(w->dispatch);
	str_free(&error);
}

static void tear_down(struct world *w)
{
	dispatch_free(w->dispatch);
	for (size_t i = 0; i < w->job_count; i++)
		deliver_job_free(w->jobs[i]);
	loop_free(w->shared.loop);
	route_free(w->route);
}

static void add(struct world *w, const char *attribute)
{
	struct deliver_job *job = w->jobs[w->job_count++] = deliver_job_new();

	assert_int_equal(str_add(&job->head, "Subject: x\n\nhello\n"), 0);
	assert_int_equal(deliver_job_add_recipient(job, span_of("c@d.example")), 0);
	if (attribute)
		assert_int_equal(str_append(&job->attributes, attribute, strlen(attribute) + 1), 0);
	dispatch_add(w->dispatch, job);
	pass(w, 5);
}

static const struct outcome *outcome_of(const struct world *w, size_t n)
{
	return deliver_job_outcome(w->jobs[n], 0);
}

/* ---- tests ---- */

/* In their order, as many at once as there may be connections, each on the first that is free. */
static void queue(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, 1);
	for (size_t i = 0; i < 5; i++)
		add(&w, NULL);
	assert_int_equal(w.link_count, 2);
	assert_int_equal(dispatch_pending(w.dispatch), 5);
	stand(&w, 1);
	assert_ptr_equal(w.links[1].mail->job, w.jobs[0]);
	stand(&w, 0);
	assert_ptr_equal(w.links[0].mail->job, w.jobs[1]);
	answer(&w, 0, OUTCOME_NEVER);
	assert_ptr_equal(w.links[0].mail->job, w.jobs[2]);
	answer(&w, 1, OUTCOME_DONE);
	answer(&w, 1, OUTCOME_LATER);
	assert_ptr_equal(w.links[1].mail->job, w.jobs[4]);
	answer(&w, 0, OUTCOME_DONE);
	answer(&w, 1, OUTCOME_DONE);
	assert_true(w.done_count == 5 && w.link_count == 2 && !dispatch_pending(w.dispatch) && dispatch_connections(w.dispatch) == 2);
	assert_ptr_equal(w.done[0], w.jobs[1]);
	assert_true(outcome_of(&w, 1)->verdict == OUTCOME_NEVER && outcome_of(&w, 3)->verdict == OUTCOME_LATER && !outcome_of(&w, 3)->drop_down);
	tear_down(&w);
}

static void messages_of_a_connection(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, 1);
	w.route->messages = 1;
	w.route->connections = 1;
	add(&w, NULL);
	add(&w, NULL);
	stand(&w, 0);
	answer(&w, 0, OUTCOME_DONE);
	assert_true(w.links[0].quit && w.link_count == 1);
	end(&w, 0, SESSION_QUIT);
	assert_int_equal(w.link_count, 2);
	stand(&w, 1);
	assert_ptr_equal(w.links[1].mail->job, w.jobs[1]);
	tear_down(&w);
}

/* The second server while the first is left alone, and the first again. */
static void fall_back(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, 2);
	w.route->connections = 1;
	add(&w, NULL);
	assert_int_equal(w.links[0].relay, 0);
	end(&w, 0, SESSION_CONNECT);
	assert_true(w.link_count == 2 && w.links[1].relay == 1 && !w.done_count);
	stand(&w, 1);
	answer(&w, 1, OUTCOME_DONE);
	end(&w, 1, SESSION_QUIT);
	add(&w, NULL);
	assert_true(w.link_count == 3 && w.links[2].relay == 1);
	stand(&w, 2);
	answer(&w, 2, OUTCOME_DONE);
	end(&w, 2, SESSION_QUIT);
	pass(&w, 300);
	add(&w, NULL);
	assert_true(w.link_count == 4 && w.links[3].relay == 0);
	/* a message that it breaks on goes to the other one */
	stand(&w, 3);
	end(&w, 3, SESSION_LOST);
	assert_true(w.link_count == 5 && w.links[4].relay == 1 && w.done_count == 2);
	stand(&w, 4);
	answer(&w, 4, OUTCOME_DONE);
	assert_true(w.done_count == 3 && outcome_of(&w, 2)->verdict == OUTCOME_DONE);
	tear_down(&w);
}

/* With no server left all are answered, those too that come meanwhile; then one connection is tried. */
static void closed(void **state)
{
	static const struct { enum session_end why; const char *status; } cases[] = {
		{ SESSION_CONNECT, "4.4.1" }, { SESSION_TLS, "4.7.5" }, { SESSION_REFUSED, "4.3.2" }, { SESSION_BROKEN, "4.5.0" }, { SESSION_LOST, "4.4.2" }, { SESSION_LOOP, "4.4.6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world w;

		set_up(&w, 2);
		w.route->connections = 1;
		add(&w, NULL);
		add(&w, NULL);
		end(&w, 0, cases[i].why);
		assert_int_equal(w.done_count, 0);
		end(&w, 1, cases[i].why);
		assert_int_equal(w.done_count, 2);
		assert_string_equal(outcome_of(&w, 0)->status, cases[i].status);
		assert_true(outcome_of(&w, 1)->verdict == OUTCOME_LATER && outcome_of(&w, 1)->drop_down);
		add(&w, NULL);
		assert_true(w.done_count == 3 && w.link_count == 2 && outcome_of(&w, 2)->drop_down);
		pass(&w, 300);
		w.route->connections = 4;
		for (size_t n = 0; n < 3; n++)
			add(&w, NULL);
		assert_int_equal(w.link_count, 3);
		stand(&w, 2);
		assert_true(w.link_count > 3 && w.links[2].mail);
		answer(&w, 2, OUTCOME_DONE);
		assert_true(outcome_of(&w, 3)->verdict == OUTCOME_DONE);
		tear_down(&w);
	}
}

/* Of one that breaks connections the others do not suffer, but for several in a row; an old connection that breaks is no failure. */
static void breaks(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, 1);
	w.route->connections = 1;
	add(&w, NULL);
	stand(&w, 0);
	answer(&w, 0, OUTCOME_DONE);
	add(&w, NULL);
	end(&w, 0, SESSION_LOST);
	assert_true(w.done_count == 1 && w.link_count == 2);
	stand(&w, 1);
	assert_ptr_equal(w.links[1].mail->job, w.jobs[1]);
	end(&w, 1, SESSION_LOST);
	assert_true(w.done_count == 2 && !outcome_of(&w, 1)->drop_down && outcome_of(&w, 1)->verdict == OUTCOME_LATER);
	add(&w, NULL);
	assert_int_equal(w.link_count, 3);
	tear_down(&w);
}

/* Who hands out the jobs bounds the connections, beside the route; what is too much is left when it is idle. */
static void limit(void **state)
{
	static const char *const bounds[] = { "connections=1", "connections=0", "connections=x", "connections=9", "connections=99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
		struct world w;

		set_up(&w, 1);
		for (size_t n = 0; n < 3; n++)
			add(&w, bounds[i]);
		assert_int_equal(w.link_count, i ? 2 : 1);
		if (i) {
			stand(&w, 0);
			stand(&w, 1);
			answer(&w, 0, OUTCOME_DONE);
			add(&w, bounds[0]);
			answer(&w, 1, OUTCOME_DONE);
			assert_true(w.links[1].quit && w.links[0].mail && !w.links[0].quit);
			answer(&w, 0, OUTCOME_DONE);
			assert_true(w.links[0].mail && w.link_count == 2);
		}
		tear_down(&w);
	}
}

/* One whose turn does not come in a third of its time is told so; the others wait on. */
static void late(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, 1);
	w.route->connections = 1;
	w.route->deadline = 600000;
	add(&w, NULL);
	stand(&w, 0);
	add(&w, NULL);
	pass(&w, 100);
	add(&w, NULL);
	pass(&w, 140);
	assert_true(w.done_count == 1 && w.done[0] == w.jobs[1] && outcome_of(&w, 1)->verdict == OUTCOME_LATER && !outcome_of(&w, 1)->drop_down);
	answer(&w, 0, OUTCOME_DONE);
	assert_true(w.links[0].mail && w.links[0].mail->job == w.jobs[2]);
	tear_down(&w);
}

/* What was begun is finished. */
static void drain(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, 1);
	for (size_t i = 0; i < 3; i++)
		add(&w, NULL);
	stand(&w, 0);
	dispatch_drain(w.dispatch);
	assert_true(w.done_count == 2 && outcome_of(&w, 1)->verdict == OUTCOME_LATER && w.links[1].freed && !w.links[0].quit);
	add(&w, NULL);
	assert_int_equal(w.done_count, 3);
	answer(&w, 0, OUTCOME_DONE);
	assert_true(w.done_count == 4 && w.links[0].quit && outcome_of(&w, 0)->verdict == OUTCOME_DONE);
	end(&w, 0, SESSION_QUIT);
	assert_true(!dispatch_connections(w.dispatch) && w.link_count == 2);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue), cmocka_unit_test(messages_of_a_connection), cmocka_unit_test(fall_back), cmocka_unit_test(closed), cmocka_unit_test(breaks),
		cmocka_unit_test(limit), cmocka_unit_test(late), cmocka_unit_test(drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
