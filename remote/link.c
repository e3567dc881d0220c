/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "link_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define CONNECT_PATIENCE (150 * CLOCK_SECOND)	/* all addresses of one server; the kernel gives up a connection after about as long */

/* ---- life ---- */

static void destroy(struct link *link)
{
	loop_timer_clear(link->world->loop, &link->timer);
	stream_connect_cancel(link->attempt);
	stream_free(link->stream);
	session_free(link->session);
	free(link);
}

void link_settle(struct link *link)
{
	if (link->dead && !link->depth && !link->asked)
		destroy(link);
}

void link_free(struct link *link)
{
	if (!link || link->dead)
		return;
	link->dead = true;
	loop_timer_clear(link->world->loop, &link->timer);
	if (link->secret) {
		secret_cancel(link->secret);
		link->secret = NULL;
		link->asked--;
	}
	link_settle(link);
}

/* Each wait has its own end, which progress moves; the attempt has one that nothing moves. */
void link_arm(struct link *link)
{
	uint64_t from = link->touched, patience = link->stream ? session_patience(link->session) : CONNECT_PATIENCE, due;

	if (link->stream && stream_progress(link->stream) > from)
		from = stream_progress(link->stream);
	if (session_is_ready(link->session))
		patience = link->route->idle;
	else if (link->route->timeout && patience > link->route->timeout)
		patience = link->route->timeout;
	due = patience == CLOCK_NEVER ? link->due : from + patience;
	if (due > link->due && !session_is_ready(link->session))
		due = link->due;
	if (link->mail && link->lively && due > loop_now(link->world->loop) + link->lively)
		due = loop_now(link->world->loop) + link->lively;
	(void)loop_timer_set(link->world->loop, &link->timer, due);
}

void link_look_alive(struct link *link)
{
	if (!link->mail || !link->lively || stream_progress(link->stream) <= link->moved)
		return;
	link->moved = stream_progress(link->stream);
	deliver_alive(link->mail->job);
}

void link_enter(struct link *link)
{
	link->depth++;
	link->touched = loop_now(link->world->loop);
}

void link_leave(struct link *link)
{
	link->depth--;
	if (!link->dead && !session_is_over(link->session))
		link_arm(link);
	link_settle(link);
}

static void tell_over(struct link *link, enum session_end why, const char *text)
{
	if (link->told)
		return;
	link->told = true;
	if (link->stream)
		stream_flush(link->stream);
	if (!link->dead)
		link->ops->over(link->arg, why, text);
}

/* ---- what the session asks for ---- */

static int do_write(void *arg, const void *data, size_t len)
{
	struct link *link = arg;

	return stream_write(link->stream, data, len);
}

static size_t do_room(void *arg)
{
	struct link *link = arg;

	return stream_room(link->stream);
}

static int do_secure(void *arg, struct str *error)
{
	struct link *link = arg;

	(void)error;
	link->switching = true;
	return 0;
}

static void do_ready(void *arg)
{
	struct link *link = arg;

	if (!link->dead)
		link->ops->ready(link->arg);
}

static void do_sent(void *arg, struct mail *mail)
{
	struct link *link = arg;

	link->mail = NULL;
	if (!link->dead)
		link->ops->sent(link->arg, mail);
}

static void do_over(void *arg, enum session_end why, const char *text)
{
	tell_over(arg, why, text);
}

static void do_trace(void *arg, char who, struct span line)
{
	struct link *link = arg;
	struct log_line entry;
	char key[2] = { who, '\0' };

	if (log_verbose(link->world->log) < 2)
		return;
	log_begin(&entry, link->world->log, "trace");
	log_word(&entry, "peer", link->relay->text);
	log_word(&entry, "who", key);
	log_text(&entry, line);
	log_end(&entry);
}

static const struct session_ops session_ops = {
	.write = do_write, .room = do_room, .secure = do_secure, .identify = link_identify, .ready = do_ready, .sent = do_sent, .over = do_over, .trace = do_trace,
};

/* ---- use ---- */

/* Where it cannot even begin, the timer tells, as over() must not come from within link_new. */
struct link *link_new(const struct link_world *world, const struct route *route, size_t relay, const struct link_ops *ops, void *arg)
{
	struct link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	link->world = world;
	link->route = route;
	link->relay = &route->relays[relay];
	link->ops = ops;
	link->arg = arg;
	link->touched = loop_now(world->loop);
	link->due = link->touched + route->deadline;
	link->settings = (struct session_settings){ .peer = link->relay->text, .lmtp = route->lmtp, .starttls = link->relay->tls == ROUTE_TLS_STARTTLS,
		.login = route_needs_login(route), .mechanisms = route->mechanisms, .no_pipelining = route->no_pipelining,
		.no_chunking = route->no_chunking || route->lmtp, .refuse_eight_bit = route->refuse_eight_bit, .refuse_long_lines = route->refuse_long_lines };
	loop_timer_init(&link->timer, link_on_timer, link);
	link->session = session_new(&link->settings, &session_ops, link);
	if (!link->session) {
		free(link);
		return NULL;
	}
	if (link_begin(link) < 0)
		link->due = link->touched;
	link_arm(link);
	return link;
}

void link_send(struct link *link, struct mail *mail)
{
	uint64_t patience = deliver_job_patience(mail->job);

	link_enter(link);
	link->due = mail->due;
	link->mail = mail;
	link->lively = patience == CLOCK_NEVER ? 0 : patience / 4;
	link->moved = link->touched;
	session_send(link->session, mail);
	if (!link->dead && link->stream)
		stream_flush(link->stream);
	link_leave(link);
}

void link_quit(struct link *link)
{
	link_enter(link);
	link->due = link->touched + link->route->deadline;
	session_quit(link->session);
	if (!link->dead && link->stream)
		stream_flush(link->stream);
	link_leave(link);
}

bool link_is_ready(const struct link *link)
{
	return !link->dead && session_is_ready(link->session);
}

unsigned link_count(const struct link *link)
{
	return session_count(link->session);
}

int link_describe(const struct link *link, struct str *out)
{
	const struct tls *tls = link->stream ? stream_tls(link->stream) : NULL;
	const char *mechanism = session_mechanism(link->session);

	if (str_printf(out, "%s: connected\n", link->relay->text) < 0)
		return -1;
	if (tls && (str_printf(out, "  TLS: %s, %s, %s, pin ", tls_version(tls), tls_cipher(tls), tls_verified(tls) ? "verified" : "NOT verified") < 0 ||
	    tls_peer_pin(tls, out) < 0 || str_add_char(out, '\n') < 0))
		return -1;
	if (!tls && str_add(out, "  TLS: none\n") < 0)
		return -1;
	if (str_add(out, "  offers: ") < 0 || offer_text(session_offer(link->session), out) < 0 || str_add_char(out, '\n') < 0)
		return -1;
	return mechanism ? str_printf(out, "  login: %s\n", mechanism) : str_add(out, "  login: none asked for\n");
}
