/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- life ---- */

static void free_session(struct session *s)
{
	response_free(&s->parser);
	str_free(&s->mechanisms);
	str_free(&s->capability_text);
	str_wipe(&s->secret);
	str_wipe(&s->initial);
	conceal_forget(&s->conceal);
	sasl_client_free(s->sasl);
	str_free(&s->prefix);
	str_free(&s->create);
	str_free(&s->created);
	str_free(&s->examined);
	str_free(&s->limited);
	str_free(&s->uids);
	free(s);
}

void session_release(struct session *s)
{
	s->pending--;
	if (s->gone && !s->pending)
		free_session(s);
}

static void tear_down(struct session *s)
{
	loop_timer_clear(s->host->loop, &s->timer);
	loop_timer_clear(s->host->loop, &s->hold);
	session_connect_drop(s);
	stream_free(s->stream);
	s->stream = NULL;
	if (s->has_tunnel)
		keeper_kill(s->host->keeper, s->tunnel, 15);
	s->has_tunnel = false;
	session_append_lost(s);
	session_look_lost(s);
	s->gone = true;
}

void session_end(struct session *s, const struct outcome *why)
{
	if (s->gone)
		return;
	if (!why && s->stream)
		(void)setsockopt(stream_fd(s->stream), SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 0 }, sizeof(struct linger));
	tear_down(s);
	s->ops->over(s->arg, s, why, s->login_failed);
	if (!s->pending)
		free_session(s);
}

void session_abort(struct session *s)
{
	tear_down(s);
	if (!s->pending)
		free_session(s);
}

void session_fail(struct session *s, const char *status, const char *format, ...)
{
	char text[OUTCOME_REASON_MAX];
	struct str shown = STR_INIT(2 * OUTCOME_REASON_MAX);
	struct outcome why;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	/* the server may have repeated what it was told */
	(void)conceal_text(&s->conceal, span_of(text), &shown);
	explicit_bzero(text, sizeof text);
	outcome_set(&why, OUTCOME_LATER, status, "%s%s%s", s->account->host ? s->account->host : "tunnel", ": ", shown.data);
	str_free(&shown);
	session_end(s, &why);
}

/* ---- deadlines ---- */

static uint64_t deadline(const struct session *s)
{
	uint64_t from = s->since, moved = s->stream ? stream_progress(s->stream) : 0, last = s->useful + SESSION_PATIENCES * s->patience;

	if (moved > from)
		from = moved;
	return from + s->patience < last ? from + s->patience : last;
}

static void leave(struct session *s);

static void on_timer(void *arg)
{
	struct session *s = arg;
	uint64_t due;

	if (s->stream)
		stream_look(s->stream);
	due = deadline(s);
	if (loop_now(s->host->loop) < due) {
		loop_timer_set(s->host->loop, &s->timer, due);
		return;
	}
	if (s->ready && !s->waiting_for) {
		leave(s);
		return;
	}
	session_fail(s, "4.4.2", "no answer for %llu s, waiting for %s", (unsigned long long)((loop_now(s->host->loop) - s->useful) / CLOCK_SECOND), s->waiting_for ? s->waiting_for : "an answer");
}

void session_wait(struct session *s, session_state *state, const char *what, uint64_t patience)
{
	s->state = state;
	s->waiting_for = what;
	s->since = s->useful = loop_now(s->host->loop);
	s->patience = what && patience > s->account->timeout ? s->account->timeout : patience;
	loop_timer_set(s->host->loop, &s->timer, s->since + s->patience);
}

/* ---- input ---- */

/* What any response may bring, whatever the state. */
static void note(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "CAPABILITY"))
		session_capabilities(s, response->data);
	else if ((response->kind == RESPONSE_STATUS || response->kind == RESPONSE_TAGGED) && response->status != RESPONSE_BYE && span_is_nocase(response->code, "CAPABILITY"))
		session_capabilities(s, response->argument);
	else if (response->kind == RESPONSE_DATA && response->numbered && span_is_nocase(response->word, "EXISTS"))
		s->exists = response->number;
	if (response->kind != RESPONSE_CONTINUE && span_is_nocase(response->code, "ALERT") && s->host->log)
		log_event(s->host->log, "alert", "%s: %.*s", s->account->name, (int)response->text.len, response->text.data);
}

/* The connection will end: with a server's word on why, which may be the answer to what is under way. */
static void take_bye(struct session *s, const struct response *response)
{
	struct str text = STR_INIT(2048);

	if (s->farewell || (s->ready && !s->flights && !s->look)) {
		session_end(s, NULL);
		return;
	}
	session_say(response, &text);
	if (s->flights)
		session_answer_warning(s, response);
	session_fail(s, "4.4.2", "%s", text.data);
	str_free(&text);
}

/* The session may be gone after each response. */
static void on_input(void *arg)
{
	struct session *s = arg;
	enum response_result result = RESPONSE_WHOLE;
	struct response response;
	size_t used;

	s->pending++;
	while (!s->gone && result == RESPONSE_WHOLE) {
		struct span input = stream_input(s->stream);

		if (!input.len)
			break;
		result = response_feed(&s->parser, input, &used, &response);
		stream_take(s->stream, used);
		if (result == RESPONSE_BROKEN) {
			session_fail(s, "4.5.0", "it does not speak IMAP, or says too much");
			break;
		}
		if (result != RESPONSE_WHOLE)
			break;
		session_trace(s, "<", response.kind == RESPONSE_CONTINUE && s->sasl ? span_of("+ (challenge)") : str_span(&s->parser.bytes));
		note(s, &response);
		if (response.kind == RESPONSE_STATUS && response.status == RESPONSE_BYE)
			take_bye(s, &response);
		else
			s->state(s, &response);
	}
	session_release(s);
}

static void on_drained(void *arg)
{
	struct session *s = arg;

	s->pending++;
	s->useful = loop_now(s->host->loop);
	if (s->ready)
		session_append_pump(s);
	session_release(s);
}

static void on_secured(void *arg)
{
	session_login_secured(arg);
}

static void on_closed(void *arg, enum stream_end why, const char *text)
{
	struct session *s = arg;

	if (why == STREAM_DONE || s->farewell || (why == STREAM_EOF && s->ready && !s->flights && !s->look))
		session_end(s, NULL);
	else if (why == STREAM_EOF)
		session_fail(s, "4.4.2", "it closed the connection, waiting for %s", s->waiting_for ? s->waiting_for : "nothing");
	else
		session_fail(s, why == STREAM_TLS ? "4.7.5" : "4.4.2", "%s", text);
}

void session_set_stream(struct session *s, int in, int out, bool secure)
{
	static const struct stream_handler handler = { .input = on_input, .drained = on_drained, .secured = on_secured, .closed = on_closed };
	static const struct stream_limits limits = { SESSION_INPUT_MAX, SESSION_OUTPUT_MAX, SESSION_OUTPUT_MAX / 2 };
	struct str error = STR_INIT(TLS_ERROR_MAX);
	struct tls *tls = NULL;

	/* killed, or giving up: what the kernel still holds must not reach the server behind the next attempt's look */
	(void)setsockopt(out, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	s->stream = stream_new(s->host->loop, in, out, &handler, s, &limits);
	if (!s->stream) {
		session_fail(s, "4.3.0", "%s", strerror(errno));
		return;
	}
	stream_secret(s->stream, true);		/* until the login is over */
	if (secure && (!(tls = tls_client(s->account->context, s->account->host, &error)) || stream_secure(s->stream, tls) < 0))
		session_fail(s, "4.7.5", "%s", error.len ? error.data : strerror(errno));
	else
		session_wait(s, session_login_greeting, secure ? "the TLS handshake and greeting" : "the greeting", SESSION_GREETING_WAIT);
	str_free(&error);
}

/* ---- the user's side ---- */

static void on_hold(void *arg)
{
	session_work(arg);
}

static struct session *make(const struct session_host *host, const struct account *account, const struct session_ops *ops, void *arg)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	*s = (struct session){
		.host = host, .account = account, .ops = ops, .arg = arg, .watch_fd = -1,
		.mechanisms = STR_INIT(SESSION_CAPABILITIES_MAX), .capability_text = STR_INIT(SESSION_CAPABILITIES_MAX), .secret = STR_SECRET(ACCOUNT_SECRET_MAX),
		.initial = STR_SECRET(SASL_MESSAGE_MAX), .conceal = CONCEAL_INIT, .prefix = STR_INIT(MAILBOX_MAX), .create = STR_INIT(4 * MAILBOX_MAX), .created = STR_INIT(4 * MAILBOX_MAX),
		.examined = STR_INIT(4 * MAILBOX_MAX), .limited = STR_INIT(4 * MAILBOX_MAX), .uids = STR_INIT(SESSION_UIDS_MAX),
	};
	s->flights_end = &s->flights;
	response_init(&s->parser);
	loop_timer_init(&s->timer, on_timer, s);
	loop_timer_init(&s->hold, on_hold, s);
	return s;
}

/* It begins at once, but from the loop: nobody is called back before it is known to its owner. */
static void on_begin(void *arg)
{
	struct session *s = arg;

	loop_timer_init(&s->timer, on_timer, s);
	session_connect_begin(s);
}

struct session *session_new(const struct session_host *host, const struct account *account, const struct session_ops *ops, void *arg)
{
	struct session *s = make(host, account, ops, arg);

	if (!s)
		return NULL;
	loop_timer_init(&s->timer, on_begin, s);
	if (!loop_timer_set(host->loop, &s->timer, loop_now(host->loop)))
		return s;
	free_session(s);
	return NULL;
}

struct session *session_new_over(const struct session_host *host, const struct account *account, const struct session_ops *ops, void *arg, int in, int out)
{
	struct session *s = make(host, account, ops, arg);

	if (s)
		session_set_stream(s, in, out, false);
	return s;
}

bool session_is_ready(const struct session *s)
{
	return s->ready;
}

bool session_is_busy(const struct session *s)
{
	return s->flights || s->look || s->create.len;
}

static void tell_alive(const struct item *items)
{
	for (; items; items = items->next)
		deliver_alive(items->job);
}

bool session_alive(struct session *s)
{
	if (!s->stream)
		return false;
	stream_look(s->stream);
	if (stream_progress(s->stream) <= s->moved)
		return false;
	s->moved = stream_progress(s->stream);
	for (const struct session_flight *flight = s->flights; flight; flight = flight->next)
		tell_alive(flight->items);
	tell_alive(s->look);
	return true;
}

void session_work(struct session *s)
{
	if (!s->ready || s->leaving)
		return;
	s->pending++;
	session_append_pump(s);
	if (!s->gone)
		stream_flush(s->stream);
	session_release(s);
}

static void state_logout(struct session *s, const struct response *response)
{
	if (session_is_answer(s, response))
		session_end(s, NULL);
}

static void leave(struct session *s)
{
	s->leaving = true;
	if (session_is_busy(s) || s->farewell)
		return;
	s->pending++;
	s->farewell = true;
	if (!s->ready)
		session_end(s, NULL);
	else if (!session_command(s, "LOGOUT")) {
		session_wait(s, state_logout, "the answer to LOGOUT", SESSION_LOGOUT_WAIT);
		stream_flush(s->stream);
	}
	session_release(s);
}

void session_leave(struct session *s)
{
	leave(s);
}

int session_describe(const struct session *s, struct str *out)
{
	const struct tls *tls = s->stream ? stream_tls(s->stream) : NULL;
	struct str pin = STR_INIT(256);

	if (tls) {
		tls_peer_pin(tls, &pin);
		str_printf(out, "tls: %s %s, %s, key %s\n", tls_version(tls), tls_cipher(tls), tls_verified(tls) ? "verified" : "NOT verified", pin.data);
	} else {
		str_add(out, "tls: none\n");
	}
	str_printf(out, "login: %s\n", s->mechanism ? sasl_name(s->mechanism) : "LOGIN or none");
	str_printf(out, "capabilities: %s\n", s->capability_text.data);
	str_printf(out, "separator: %c, prefix: \"%s\"\n", s->separator ? s->separator : '-', s->prefix.data);
	str_free(&pin);
	return 0;
}
