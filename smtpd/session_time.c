/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long a session may take: a command, a piece of a message, all of it, and the queue. */
#include "clock.h"
#include "session_internal.h"

#define LEAST_PROGRESS 4096U		/* bytes of a message that buy another timeout: a byte a minute does not */

void session_mark(struct session *s)
{
	unsigned commands = engine_commands(s->engine);
	uint64_t size = engine_size(s->engine);

	if (commands == s->commands && size < s->size + LEAST_PROGRESS && size >= s->size)
		return;
	s->commands = commands;
	s->size = size;
	s->since = loop_now(s->server->loop);
}

uint64_t session_deadline(const struct session *s)
{
	const struct config *config = s->server->config;
	uint64_t step = s->since + config->timeout, all = s->begun + config->session;

	return step < all ? step : all;
}

static void wait_for_queue(struct session *s, uint64_t now)
{
	uint64_t due = s->since + s->server->config->timeout + s->server->config->wait;

	if (now < due) {
		session_arm(s, due);
		return;
	}
	s->since = now;
	session_arm(s, session_deadline(s));
	session_give_up(s);
}

void session_expired(void *arg)
{
	struct session *s = arg;
	const struct config *config = s->server->config;
	static const struct engine_answer too_slow = { 421, "4.4.2", "Too slow; closing" };
	const struct engine_answer *answer;
	uint64_t now = clock_boot();

	if (s->state == SESSION_LINGER) {
		session_free(s);
		return;
	}
	if (engine_waits(s->engine) && s->mail) {
		wait_for_queue(s, now);
		return;
	}
	/* it is us who are slow, or the resolver */
	if (engine_waits(s->engine) || s->state == SESSION_LOOKUP)
		s->since = now;
	if (now < session_deadline(s) || engine_waits(s->engine)) {
		session_arm(s, now < session_deadline(s) ? session_deadline(s) : now + config->timeout);
		return;
	}
	answer = s->since + config->timeout < s->begun + config->session ? &config->timeout_answer : &config->session_answer;
	session_refuse(s, answer->code ? answer : &too_slow);
}
