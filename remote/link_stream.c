/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the stream to the session: bytes, TLS, the end; and the deadlines. */
#include "link_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void link_lost(struct link *link, enum session_end why, const char *text)
{
	link_enter(link);
	session_lost(link->session, why, text);
	link_leave(link);
}

static int begin_tls(struct link *link, struct str *error)
{
	struct tls *tls = tls_client(link->route->context, link->relay->host, error);

	if (!tls)
		return -1;
	if (!stream_secure(link->stream, tls))
		return 0;
	str_cut(error, 0);
	(void)str_printf(error, errno == EPROTO ? "%s sent more in plain text behind its yes to STARTTLS: somebody tampers with the connection" : "TLS with %s",
	    link->relay->text);
	return -1;
}

static void switch_over(struct link *link)
{
	struct str error = STR_INIT(TLS_ERROR_MAX);

	link->switching = false;
	if (begin_tls(link, &error) < 0)
		session_lost(link->session, SESSION_TLS, error.data);
	str_free(&error);
}

static void on_input(void *arg)
{
	struct link *link = arg;
	struct span input = stream_input(link->stream);
	size_t used;

	link_enter(link);
	link_look_alive(link);
	used = session_input(link->session, input);
	if (!link->dead) {
		stream_take(link->stream, used);
		if (session_is_ready(link->session))
			stream_secret(link->stream, false);
		if (link->switching)
			switch_over(link);
	}
	link_leave(link);
}

/* Most of a buffer of the message has gone: where somebody hears that it goes on, the attempt's time begins anew.  Less than that is no reason to. */
static void on_drained(void *arg)
{
	struct link *link = arg;

	link_enter(link);
	link_look_alive(link);
	if (link->lively && session_is_sending(link->session) && link->due < link->touched + link->route->deadline)
		link->due = link->touched + link->route->deadline;
	session_pump(link->session);
	link_leave(link);
}

/* With implicit TLS the session begins only now, and knows of no plain text before. */
static void on_secured(void *arg)
{
	struct link *link = arg;

	link_enter(link);
	session_secured(link->session);
	link_leave(link);
}

static void on_closed(void *arg, enum stream_end why, const char *text)
{
	struct link *link = arg;
	struct str full = STR_INIT(SESSION_TEXT_MAX);

	if (why == STREAM_EOF)
		(void)str_printf(&full, "%s closed the connection while it was to give %s", link->relay->text, session_waits_for(link->session));
	else if (why == STREAM_ERROR)
		(void)str_printf(&full, "the connection to %s broke (%s) while it was to give %s", link->relay->text, text, session_waits_for(link->session));
	else
		(void)str_add(&full, text);
	if (why != STREAM_DONE)
		link_lost(link, why == STREAM_TLS ? SESSION_TLS : SESSION_LOST, full.data);
	str_free(&full);
}

void link_on_timer(void *arg)
{
	struct link *link = arg;
	struct str text = STR_INIT(SESSION_TEXT_MAX);
	bool ready = session_is_ready(link->session);
	uint64_t now = loop_now(link->world->loop), touched = link->touched;

	link_look_alive(link);
	link_arm(link);
	if (link->timer.due > now) {
		str_free(&text);
		return;
	}
	link_enter(link);
	link->touched = touched;
	if (ready) {
		session_quit(link->session);
		link->touched = now;
		if (!link->dead)
			stream_flush(link->stream);
	} else if (!link->stream) {
		(void)str_printf(&text, "%s: timed out while connecting", link->relay->text);
		session_lost(link->session, SESSION_CONNECT, text.data);
	} else {
		(void)str_printf(&text, "%s: timed out while it was to give %s", link->relay->text, session_waits_for(link->session));
		session_lost(link->session, SESSION_LOST, text.data);
	}
	link_leave(link);
	str_free(&text);
}

/* ---- the beginning ---- */

/* RFC 5321 4.1.3: who has no name says his address. */
static void choose_name(struct link *link, int fd)
{
	const char *given = link->route->ehlo_name ? link->route->ehlo_name : link->world->name;
	struct sockaddr_storage own;
	socklen_t len = sizeof own;
	char text[INET6_ADDRSTRLEN] = "";
	struct str name = STR_INIT(LINK_NAME_MAX - 1);

	if (given) {
		(void)str_add(&name, given);
	} else if (!getsockname(fd, (struct sockaddr *)&own, &len) && own.ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &((struct sockaddr_in *)&own)->sin_addr, text, sizeof text);
		(void)str_printf(&name, "[%s]", text);
	} else if (own.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&own)->sin6_addr, text, sizeof text);
		(void)str_printf(&name, "[IPv6:%s]", text);
	}
	memcpy(link->name, name.len ? name.data : "[127.0.0.1]", (name.len ? name.len : strlen("[127.0.0.1]")) + 1);
	link->settings.name = link->name;
	str_free(&name);
}

/* A connection to a free port of this host that happened to be made from the very same port: both ends are ours. */
static bool is_own_end(int fd)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_len = sizeof own, peer_len = sizeof peer;

	return !getsockname(fd, (struct sockaddr *)&own, &own_len) && !getpeername(fd, (struct sockaddr *)&peer, &peer_len) && own.ss_family != AF_UNIX &&
	    own_len == peer_len && !memcmp(&own, &peer, own_len);
}

static int open_stream(struct link *link, int fd, struct str *error)
{
	static const struct stream_handler handler = { .input = on_input, .drained = on_drained, .secured = on_secured, .closed = on_closed };
	static const struct stream_limits limits = { .input_max = SESSION_INPUT_MAX, .output_max = SESSION_ROOM };

	choose_name(link, fd);
	link->stream = stream_new(link->world->loop, fd, fd, &handler, link, &limits);
	if (!link->stream)
		return str_printf(error, "%s: %s", link->relay->text, strerror(errno)), -1;
	return link->relay->tls == ROUTE_TLS_IMPLICIT ? begin_tls(link, error) : 0;
}

void link_connected(struct link *link, int fd)
{
	struct str error = STR_INIT(TLS_ERROR_MAX);

	link_enter(link);
	if (is_own_end(fd)) {
		close(fd);
		(void)str_printf(&error, "connecting to %s: nobody listens there", link->relay->text);
		session_lost(link->session, SESSION_CONNECT, error.data);
	} else if (open_stream(link, fd, &error) < 0) {
		session_lost(link->session, SESSION_TLS, error.data);
	}
	link_leave(link);
	str_free(&error);
}
