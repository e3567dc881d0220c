/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "proxy.h"
#include "session_internal.h"

#define LINGER (2 * CLOCK_SECOND)
#define OUT_KEEP 512U

/* ---- output ---- */

void session_say(struct session *s)
{
	struct str *out = engine_out(s->engine);
	size_t room = stream_room(s->stream), n = out->len < room ? out->len : room;

	if (!n)
		return;
	if (stream_write(s->stream, out->data, n)) {
		if (errno != EMSGSIZE)
			str_cut(out, 0);	/* the connection is on its end: the stream tells */
		return;
	}
	/* an idle session should hold little, and a busy one not allocate for each reply */
	if (n < out->len)
		str_shift(out, n);
	else if (out->cap > OUT_KEEP)
		str_free(out);
	else
		str_cut(out, 0);
	stream_flush(s->stream);
}

/* ---- the end ---- */

void session_arm(struct session *s, uint64_t due)
{
	if (loop_timer_set(s->server->loop, &s->timer, due))
		log_event(s->server->log, "error", "out of memory for a timer");
}

static void shut(struct session *s)
{
	if (!stream_waiting(s->stream))
		(void)shutdown(stream_fd(s->stream), SHUT_WR);
}

/*
 * All is said.  A socket that is closed with bytes unread destroys what was sent on it before the peer could read it, so a peer that may still be sending is
 * given a moment, and what it sends is thrown away.
 */
static void linger(struct session *s)
{
	if (s->state == SESSION_LINGER)
		return;
	s->state = SESSION_LINGER;
	session_say(s);
	stream_take(s->stream, stream_input(s->stream).len);
	session_arm(s, clock_boot() + LINGER);
	if (!s->socket || s->end_of_input || stream_tls(s->stream)) {
		stream_finish(s->stream);
		return;
	}
	stream_pause(s->stream, false);
	shut(s);
}

void session_refuse(struct session *s, const struct engine_answer *answer)
{
	session_log_refused(s, span_of("connection"), span_of(""), answer);
	engine_refuse(s->engine, answer);
	linger(s);
}

static void refuse(struct session *s, unsigned code, const char *status, const char *text)
{
	struct engine_answer answer;

	engine_answer_set(&answer, code, status, "%s", text);
	session_refuse(s, &answer);
}

void session_free(struct session *s)
{
	struct server *server = s->server;

	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	loop_timer_clear(server->loop, &s->timer);
	lookup_cancel(s->lookup);
	if (s->mail)
		handover_leave(s->mail);
	stream_free(s->stream);
	engine_free(s->engine);
	login_reset(&s->login);
	free(s);
	if (!--server->count && server->empty)
		server->empty(server->arg);
}

/* ---- input ---- */

/* What a client sends while it is blocked waits in the stream's buffer; once that is full, nobody reads from it. */
static bool is_blocked(struct session *s)
{
	return s->state != SESSION_OPEN || engine_waits(s->engine) || engine_closes(s->engine) || engine_out(s->engine)->len
	    || (s->mail && handover_full(s->mail));
}

static void start_tls(struct session *s)
{
	struct str error = STR_INIT(TLS_ERROR_MAX);
	struct tls *tls = stream_input(s->stream).len ? NULL : tls_server(s->server->config->tls, &error);

	s->starttls = false;
	if (error.len)
		session_log_event(s, "tls-fail", str_span(&error));
	str_free(&error);
	engine_starttls(s->engine, tls);
	session_say(s);
	login_reset(&s->login);
	if (tls && stream_secure(s->stream, tls))
		linger(s);
}

static void take(struct session *s)
{
	struct span in;

	while (!is_blocked(s) && (in = stream_input(s->stream)).len) {
		stream_take(s->stream, engine_feed(s->engine, in.data, in.len));
		session_mark(s);
		if (s->starttls)
			start_tls(s);
		else if (stream_input(s->stream).len)
			session_say(s);
	}
	session_say(s);
}

void session_go_on(struct session *s)
{
	if (s->state != SESSION_OPEN)
		return;
	take(s);
	if (s->draining && !engine_waits(s->engine) && !engine_closes(s->engine)) {
		refuse(s, 421, "4.3.2", "Closing down; try again later");
		return;
	}
	if (engine_closes(s->engine)) {
		linger(s);
		return;
	}
	if (s->end_of_input && !is_blocked(s)) {
		if (s->mail)
			session_log_event(s, "lost", span_of("the client left within a message"));
		linger(s);
	}
}

/* ---- the greeting ---- */

/* A client that speaks first is none: a worm, or half of an attack on one. */
static bool is_early(struct session *s)
{
	char byte;

	if (!s->socket || !s->peer.has_ip)
		return false;
	return stream_input(s->stream).len || recv(stream_fd(s->stream), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void greet(struct session *s)
{
	const struct config *config = s->server->config;

	session_update_client(s);
	/* whoever the clients are that a proxy names later: it stays a proxy */
	engine_set_xclient(s->engine, config->xclient & s->client.groups);
	if (config->allow && !(config->allow & s->client.groups)) {
		refuse(s, 554, "5.7.1", "No service for you here");
	} else if (is_early(s)) {
		refuse(s, 554, "5.5.0", "You spoke before the greeting");
	} else {
		s->state = SESSION_OPEN;
		s->since = loop_now(s->server->loop);
		engine_greet(s->engine);
		session_say(s);
		stream_pause(s->stream, false);
	}
}

static void named(void *arg, const char *name, bool unclear)
{
	struct session *s = arg;
	size_t len = strlen(name);

	s->lookup = NULL;
	memcpy(s->peer.name, name, len + 1);
	if (!s->server->config->fcrdns || len)
		greet(s);
	else if (unclear)
		refuse(s, 421, "4.7.25", "Your host's name cannot be found out now");
	else
		refuse(s, 554, "5.7.25", "Your host has no name that leads back to its address");
}

/* The peer is known: may it come in, and what is its name? */
static void identify(struct session *s)
{
	const struct config *config = s->server->config;
	bool asks = (config->fcrdns || rules_need_names(config->rules)) && !peer_is_loopback(&s->peer);

	s->state = SESSION_LOOKUP;
	stream_pause(s->stream, true);
	if (!server_has_room_for(s->server, &s->peer)) {
		refuse(s, 421, "4.7.0", "Too many connections from your address");
		return;
	}
	if (asks && s->server->keeper)
		s->lookup = lookup_new(s->server->loop, s->server->keeper, &s->peer, named, s);
	if (asks && !s->lookup)
		named(s, "", true);
	else if (!asks)
		greet(s);
}

static void take_proxy(struct session *s)
{
	struct span in = stream_input(s->stream);
	struct span head = { in.data, in.len < PROXY_HEADER_MAX ? in.len : PROXY_HEADER_MAX };
	int n = proxy_take(head, &s->peer);

	if (n < 0 || (!n && in.len >= PROXY_HEADER_MAX)) {
		refuse(s, 421, "4.5.4", "A header of the PROXY protocol was expected");
		return;
	}
	if (!n)
		return;
	stream_take(s->stream, (size_t)n);
	identify(s);
}

/* ---- what the stream tells ---- */

static void on_input(void *arg)
{
	struct session *s = arg;

	if (s->state == SESSION_PROXY)
		take_proxy(s);
	else if (s->state == SESSION_OPEN)
		session_go_on(s);
	else if (s->state == SESSION_LINGER)
		stream_take(s->stream, stream_input(s->stream).len);
}

static void on_drained(void *arg)
{
	struct session *s = arg;

	session_say(s);
	if (s->state == SESSION_OPEN)
		session_go_on(s);
	else if (s->state == SESSION_LINGER && s->socket && !stream_tls(s->stream))
		shut(s);
}

static void on_secured(void *arg)
{
	struct session *s = arg;

	session_update_client(s);
	s->since = loop_now(s->server->loop);
}

static void on_closed(void *arg, enum stream_end why, const char *text)
{
	struct session *s = arg;

	if (why == STREAM_EOF && s->state == SESSION_OPEN) {
		s->end_of_input = true;
		session_go_on(s);
		return;
	}
	if (why == STREAM_TLS)
		session_log_event(s, "tls-fail", span_of(text));
	else if (why == STREAM_ERROR && s->mail)
		session_log_event(s, "lost", span_of(text));
	session_free(s);
}

static const struct stream_handler handler = { .input = on_input, .drained = on_drained, .secured = on_secured, .closed = on_closed };
static const struct stream_limits limits = { .input_max = 16384, .output_max = 2 * ENGINE_OUT_PAUSE, .output_low = ENGINE_OUT_PAUSE / 4 };

/* ---- life ---- */

static void enlist(struct session *s)
{
	struct server *server = s->server;

	s->next = server->first;
	s->link = &server->first;
	if (s->next)
		s->next->link = &s->next;
	server->first = s;
	server->count++;
}

static bool is_socket(int fd)
{
	int type;
	socklen_t len = sizeof type;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
}

int session_new(struct server *server, int in, int out, const struct peer *peer, const char *caller)
{
	struct session *s = calloc(1, sizeof *s);
	bool socket = in == out && is_socket(in);
	int saved;

	if (!s) {
		close(in);
		if (out != in)
			close(out);
		return -1;
	}
	*s = (struct session){ .server = server, .peer = *peer, .caller = caller, .socket = socket };
	loop_timer_init(&s->timer, session_expired, s);
	login_init(&s->login);
	s->begun = s->since = clock_boot();
	s->stream = stream_new(server->loop, in, out, &handler, s, &limits);
	s->engine = s->stream ? engine_new(&server->config->engine, &session_ops, s) : NULL;
	if (!s->engine) {
		saved = errno;
		stream_free(s->stream);
		free(s);
		errno = saved;
		return -1;
	}
	/* there may be a password in what comes, until it is mail */
	stream_secret(s->stream, server->config->secrets);
	enlist(s);
	session_arm(s, session_deadline(s));
	if (server->config->proxy && server->config->proxy & rules_groups(server->config->rules, peer))
		s->state = SESSION_PROXY;
	else
		identify(s);
	return 0;
}

void session_drain(struct session *s)
{
	s->draining = true;
	if (s->state == SESSION_OPEN)
		session_go_on(s);
	else if (s->state != SESSION_LINGER)
		session_free(s);
}

struct session *session_next(const struct session *s) { return s->next; }
const struct peer *session_peer(const struct session *s) { return &s->peer; }
