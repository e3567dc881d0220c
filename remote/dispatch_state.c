/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dispatch_internal.h"

#include "clock.h"

#define LOGIN_PAUSE (60 * CLOCK_SECOND)	/* at least, after a refused login: servers lock out who knocks too often */

bool dispatch_pick(const struct dispatch *dispatch, size_t *relay, uint64_t *when)
{
	uint64_t now = loop_now(dispatch->world->loop);

	*when = CLOCK_NEVER;
	for (size_t i = 0; i < dispatch->route->relay_count; i++) {
		if (dispatch->closed_until[i] <= now) {
			*relay = i;
			return true;
		}
		if (dispatch->closed_until[i] < *when)
			*when = dispatch->closed_until[i];
	}
	return false;
}

bool dispatch_is_closed(const struct dispatch *dispatch)
{
	size_t relay;
	uint64_t when;

	return !dispatch_pick(dispatch, &relay, &when);
}

/* A quarter up or down, so that routes and hosts that failed together do not come back together. */
static uint64_t jitter(uint64_t pause)
{
	uint32_t random = 0;

	(void)id_random(&random, sizeof random);
	return pause - pause / 4 + pause / 2 / 1000 * (random % 1000);
}

void dispatch_note(struct dispatch *dispatch, enum session_end why, const char *text)
{
	dispatch->why = why;
	(void)str_set(&dispatch->text, span_of(text));
}

static void log_relay(const struct dispatch *dispatch, size_t relay, uint64_t pause, const char *text)
{
	struct log_line line;

	log_begin(&line, dispatch->world->log, "passed-over");
	log_word(&line, "drop", dispatch->route->name);
	log_word(&line, "relay", dispatch->route->relays[relay].text);
	log_span(&line, "for", pause);
	log_text(&line, span_of(text));
	log_end(&line);
}

void dispatch_failed(struct dispatch *dispatch, size_t relay, enum session_end why, const char *text)
{
	uint64_t now = loop_now(dispatch->world->loop), pause = dispatch->pause[relay] * 2;

	dispatch_note(dispatch, why, text);
	/* Attempts that were made side by side fail together. */
	if (dispatch->closed_until[relay] > now)
		return;
	if (pause < dispatch->route->backoff_least)
		pause = dispatch->route->backoff_least;
	if (why == SESSION_LOGIN && pause < LOGIN_PAUSE)
		pause = LOGIN_PAUSE;
	if (pause > dispatch->route->backoff_most)
		pause = dispatch->route->backoff_most;
	/* The first time; the alarm speaks for a route with one server. */
	if (!dispatch->pause[relay] && dispatch->route->relay_count > 1)
		log_relay(dispatch, relay, pause, text);
	dispatch->pause[relay] = pause;
	dispatch->closed_until[relay] = now + jitter(pause);
}

static void log_route(const struct dispatch *dispatch, const char *event, const char *text)
{
	struct log_line line;

	log_begin(&line, dispatch->world->log, event);
	log_word(&line, "drop", dispatch->route->name);
	if (!dispatch->down)
		log_seconds(&line, "after", loop_now(dispatch->world->loop) - dispatch->down_since);
	log_text(&line, span_of(text));
	log_end(&line);
}

void dispatch_worked(struct dispatch *dispatch, size_t relay)
{
	dispatch->closed_until[relay] = dispatch->pause[relay] = 0;
	if (!dispatch->down)
		return;
	dispatch->down = false;
	log_route(dispatch, "cleared", dispatch->route->relays[relay].text);
}

void dispatch_raise(struct dispatch *dispatch)
{
	if (dispatch->down)
		return;
	dispatch->down = true;
	dispatch->down_since = loop_now(dispatch->world->loop);
	log_route(dispatch, "alarm", dispatch->text.data);
}

void dispatch_outcome(const struct dispatch *dispatch, struct outcome *outcome)
{
	static const char *const statuses[] = {
		[SESSION_QUIT] = "4.4.2", [SESSION_LOST] = "4.4.2", [SESSION_REFUSED] = "4.3.2", [SESSION_LOGIN] = "4.7.8", [SESSION_BROKEN] = "4.5.0",
		[SESSION_CONNECT] = "4.4.1", [SESSION_TLS] = "4.7.5", [SESSION_TROUBLE] = "4.3.0", [SESSION_LOOP] = "4.4.6",
	};

	outcome_set(outcome, OUTCOME_LATER, statuses[dispatch->why], "%s", dispatch->text.len ? dispatch->text.data : "the route is down");
}

bool dispatch_rate(struct dispatch *dispatch, uint64_t *when)
{
	const struct route *route = dispatch->route;
	uint64_t now = loop_now(dispatch->world->loop);

	*when = CLOCK_NEVER;
	if (!route->rate)
		return true;
	if (!dispatch->window_count || now - dispatch->window_start >= route->rate_time) {
		dispatch->window_start = now;
		dispatch->window_count = 0;
	}
	*when = dispatch->window_start + route->rate_time;
	return dispatch->window_count < route->rate;
}

void dispatch_log_mail(const struct dispatch *dispatch, const struct mail *mail)
{
	static const struct { unsigned note; const char *event, *text; } notes[] = {
		{ MAIL_UNCLEAR, "unclear", "the connection was lost behind the message's end: it may arrive twice" },
		{ MAIL_EIGHT_BIT_AS_IS, "as-is", "8-bit text went to a server without 8BITMIME" },
		{ MAIL_LONG_LINES_AS_IS, "as-is", "a line of over 998 octets was sent" },
		{ MAIL_UTF8_AS_IS, "as-is", "a header in UTF-8 went to a server without SMTPUTF8" },
	};
	struct log_line line;

	for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
		if (!(mail->notes & notes[i].note))
			continue;
		log_begin(&line, dispatch->world->log, notes[i].event);
		log_id(&line, mail->job->key.id);
		log_word(&line, "key", mail->job->key_text);
		log_word(&line, "drop", dispatch->route->name);
		log_text(&line, span_of(notes[i].text));
		log_end(&line);
	}
}
