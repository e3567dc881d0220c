/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialogue up to the first message: greeting, EHLO, STARTTLS; and its end.  Login and messages are in files of their own. */
#include "session_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define COMMAND_MAX 32768U
#define MINUTE (60 * CLOCK_SECOND)
#define BODY_ROOM_MAX (256U * 1024)

static void on_greeting(struct session *session);
static void on_ehlo(struct session *session);
static void on_helo(struct session *session);
static void on_starttls(struct session *session);
static void on_idle(struct session *session);
static void on_quit(struct session *session);

static const struct {
	const char *waits_for;
	uint64_t patience;		/* RFC 5321 4.5.3.2 where it has a word on it */
	void (*on_reply)(struct session *session);
} states[] = {
	[SESSION_GREETING] = { "its greeting", 5 * MINUTE, on_greeting },
	[SESSION_EHLO] = { "the answer to the greeting", 5 * MINUTE, on_ehlo },
	[SESSION_HELO] = { "the answer to HELO", 5 * MINUTE, on_helo },
	[SESSION_STARTTLS] = { "the answer to STARTTLS", 2 * MINUTE, on_starttls },
	[SESSION_SECURING] = { "TLS", 2 * MINUTE, NULL },
	[SESSION_IDENTIFYING] = { "our own password or token", 2 * MINUTE, on_idle },
	[SESSION_AUTH] = { "the answer to the login", 5 * MINUTE, session_on_auth },
	[SESSION_CANCEL] = { "the answer to the cancelled login", 1 * MINUTE, session_on_cancel },
	[SESSION_READY] = { "a message to send", CLOCK_NEVER, on_idle },
	[SESSION_MAIL] = { "the answer to MAIL", 5 * MINUTE, session_on_mail },
	[SESSION_RCPT] = { "the answer to RCPT", 5 * MINUTE, session_on_rcpt },
	[SESSION_DATA] = { "the answer to DATA", 2 * MINUTE, session_on_data },
	[SESSION_BODY] = { "it to take the message", 3 * MINUTE, session_on_early },
	[SESSION_CHUNK] = { "it to take the message", 3 * MINUTE, session_on_chunk },
	[SESSION_ANSWER] = { "the answer to the message", 10 * MINUTE, session_on_answer },
	[SESSION_RESET] = { "the answer to RSET", 5 * MINUTE, session_on_reset },
	[SESSION_QUITTING] = { "the answer to QUIT", 10 * CLOCK_SECOND, on_quit },
	[SESSION_OVER] = { "nothing", CLOCK_NEVER, NULL },
};
_Static_assert(sizeof states / sizeof states[0] == SESSION_STATES, "every state has its line");

struct session *session_new(const struct session_settings *settings, const struct session_ops *ops, void *arg)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	session->settings = settings;
	session->ops = ops;
	session->arg = arg;
	session->command = (struct str)STR_SECRET(COMMAND_MAX);
	session->answer = (struct str)STR_INIT(0);
	session->conceal = (struct conceal)CONCEAL_INIT;
	session->error = (struct str)STR_INIT(SESSION_TEXT_MAX);
	session->reason = (struct str)STR_INIT(SASL_ERROR_MAX);
	session->body = (struct str)STR_INIT(BODY_ROOM_MAX);
	reply_init(&session->reply);
	offer_init(&session->offer);
	dots_init(&session->dots);
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	sasl_client_free(session->sasl);
	str_wipe(&session->command);
	str_wipe(&session->answer);
	conceal_forget(&session->conceal);
	str_free(&session->reason);
	str_free(&session->error);
	str_free(&session->body);
	reply_free(&session->reply);
	offer_free(&session->offer);
	dots_free(&session->dots);
	free(session);
}

/* ---- what its files share ---- */

void session_set_state(struct session *session, enum session_state state)
{
	session->state = state;
}

static void trace(struct session *session, char who, struct span line)
{
	if (session->ops->trace)
		session->ops->trace(session->arg, who, line);
}

int session_command(struct session *session, const char *mask, const char *format, ...)
{
	va_list args;
	int result;

	if (session->state == SESSION_OVER)
		return -1;
	str_cut(&session->command, 0);
	va_start(args, format);
	result = str_vprintf(&session->command, format, args);
	va_end(args);
	if (!result)
		trace(session, 'C', mask ? span_of(mask) : str_span(&session->command));
	if (!result && !str_add(&session->command, "\r\n"))
		result = session->ops->write(session->arg, session->command.data, session->command.len);
	if (mask)
		str_wipe(&session->command);
	if (!result)
		return 0;
	session_no_memory(session);
	return -1;
}

void session_stop(struct session *session, enum session_end why, const char *text)
{
	if (session->state == SESSION_OVER)
		return;
	session_set_state(session, SESSION_OVER);
	session->ops->over(session->arg, why, text);
}

void session_end(struct session *session, enum session_end why, const char *format, ...)
{
	struct str text = STR_INIT(SESSION_TEXT_MAX);
	va_list args;

	va_start(args, format);
	(void)str_vprintf(&text, format, args);
	va_end(args);
	session_lost(session, why, text.data);
	str_free(&text);
}

void session_no_memory(struct session *session)
{
	session_end(session, SESSION_TROUBLE, "no memory for the dialogue with %s", session->settings->peer);
}

const char *session_said(struct session *session)
{
	struct str text = STR_SECRET(SESSION_TEXT_MAX);
	bool good;

	str_cut(&session->error, 0);
	good = !str_printf(&session->error, "%s said: ", session->settings->peer) && !reply_text(&session->reply, &text, SESSION_TEXT_MAX / 2) &&
		!conceal_text(&session->conceal, str_span(&text), &session->error);
	str_free(&text);
	return good ? session->error.data : "the server said no";
}

/* ---- greeting ---- */

static bool is_positive(const struct session *session)
{
	return session->reply.code / 100 == 2;
}

static void say_hello(struct session *session)
{
	session_set_state(session, SESSION_EHLO);
	(void)session_command(session, NULL, "%s %s", session->settings->lmtp ? "LHLO" : "EHLO", session->settings->name);
}

/*
 * A server that calls itself by the name that we say ours is would hand us the mail back.  An LMTP server hands on to mailboxes, and is this host's as a rule.
 * True: that is the end.
 */
static bool is_ourselves(struct session *session)
{
	struct span rest = str_span(&session->reply.text), line, name;

	if (session->settings->lmtp || !reply_line(&rest, &line))
		return false;
	line = span_trim(line);
	if (!span_word(&line, ' ', &name) || !span_is_nocase(name, session->settings->name))
		return false;
	session_end(session, SESSION_LOOP, "%s calls itself %s, as we do: this would be a loop (if it is another server, greet it with another name)",
	    session->settings->peer, session->settings->name);
	return true;
}

static void on_greeting(struct session *session)
{
	if (is_positive(session) && is_ourselves(session))
		return;
	if (is_positive(session))
		say_hello(session);
	else
		session_end(session, SESSION_REFUSED, "%s", session_said(session));
}

/* What is known of the server now decides what comes next. */
void session_proceed(struct session *session)
{
	const struct session_settings *settings = session->settings;

	if (settings->starttls && !session->secure) {
		if (!(session->offer.flags & OFFER_STARTTLS)) {
			session_end(session, SESSION_REFUSED, "%s does not offer STARTTLS, and going on in plain text is not allowed", settings->peer);
			return;
		}
		session_set_state(session, SESSION_STARTTLS);
		(void)session_command(session, NULL, "STARTTLS");
	} else if (settings->login && !session->logged_in) {
		session_begin_login(session);
	} else {
		session_set_state(session, SESSION_READY);
		session->ops->ready(session->arg);
	}
}

/* A server that does not know EHLO may know HELO; of LMTP there is no older form. */
static void on_ehlo(struct session *session)
{
	unsigned code = session->reply.code;

	if (is_positive(session) && is_ourselves(session))
		return;
	if (is_positive(session)) {
		if (offer_read(&session->offer, &session->reply) < 0)
			session_no_memory(session);
		else
			session_proceed(session);
	} else if (code / 100 == 5 && code != 554 && !session->settings->lmtp && !session->secure) {
		offer_clear(&session->offer);
		session_set_state(session, SESSION_HELO);
		(void)session_command(session, NULL, "HELO %s", session->settings->name);
	} else {
		session_end(session, SESSION_REFUSED, "%s", session_said(session));
	}
}

static void on_helo(struct session *session)
{
	if (is_positive(session) && is_ourselves(session))
		return;
	if (is_positive(session))
		session_proceed(session);
	else
		session_end(session, SESSION_REFUSED, "%s", session_said(session));
}

static void on_starttls(struct session *session)
{
	if (session->reply.code != 220) {
		session_end(session, SESSION_REFUSED, "%s (to STARTTLS)", session_said(session));
		return;
	}
	session_set_state(session, SESSION_SECURING);
	str_cut(&session->error, 0);
	if (session->ops->secure(session->arg, &session->error) < 0)
		session_end(session, SESSION_BROKEN, "%s", session->error.data);
}

/* What was said in plain text is forgotten: anybody may have said it. */
void session_secured(struct session *session)
{
	if (session->state != SESSION_SECURING)
		return;
	session->secure = true;
	offer_clear(&session->offer);
	reply_clear(&session->reply);
	say_hello(session);
}

/* ---- the end ---- */

/* Nothing was asked: it is tired of us. */
static void on_idle(struct session *session)
{
	session_end(session, session->state == SESSION_READY ? SESSION_REFUSED : SESSION_LOST, "%s", session_said(session));
}

static void on_quit(struct session *session)
{
	session_stop(session, SESSION_QUIT, "done");
}

void session_quit(struct session *session)
{
	if (session->state != SESSION_READY)
		return;
	session_set_state(session, SESSION_QUITTING);
	(void)session_command(session, NULL, "QUIT");
}

void session_lost(struct session *session, enum session_end why, const char *text)
{
	if (session->state == SESSION_OVER)
		return;
	/* A connection that has served may end; one that ends before it was used did not work. */
	if ((session->state == SESSION_READY && session->count) || session->state == SESSION_QUITTING)
		why = SESSION_QUIT;
	if (session->mail)
		session_mail_lost(session, why, text);
	session_stop(session, why, text);
}

/* ---- input ---- */

static void trace_reply(struct session *session)
{
	struct str line = STR_SECRET(SESSION_TEXT_MAX * 4), shown = STR_INIT(SESSION_TEXT_MAX * 8);

	if (!session->ops->trace)
		return;
	if (session->secret && session->reply.code / 100 == 3)
		trace(session, 'S', span_of("334 ****"));
	else if (!reply_text(&session->reply, &line, SESSION_TEXT_MAX) && !conceal_text(&session->conceal, str_span(&line), &shown))
		trace(session, 'S', str_span(&shown));
	str_free(&line);
	str_free(&shown);
}

static bool listens(const struct session *session)
{
	return session->state != SESSION_OVER && session->state != SESSION_SECURING;
}

size_t session_input(struct session *session, struct span input)
{
	size_t all = 0, used;

	while (listens(session) && all < input.len) {
		enum reply_result result = reply_take(&session->reply, span_skip(input, all), &used);

		all += used;
		if (result == REPLY_BAD) {
			session_end(session, SESSION_BROKEN, "%s sent something that is no reply, while it was to give %s", session->settings->peer,
			    session_waits_for(session));
			return input.len;
		}
		if (result == REPLY_MORE)
			break;
		trace_reply(session);
		states[session->state].on_reply(session);
	}
	return session->state == SESSION_OVER ? input.len : all;
}

void session_pump(struct session *session)
{
	if (session_is_sending(session))
		session_pump_body(session);
}

/* ---- questions ---- */

bool session_is_ready(const struct session *session)
{
	return session->state == SESSION_READY;
}

bool session_is_over(const struct session *session)
{
	return session->state == SESSION_OVER;
}

bool session_is_sending(const struct session *session)
{
	return session->state == SESSION_BODY || session->state == SESSION_CHUNK;
}

unsigned session_count(const struct session *session)
{
	return session->count;
}

uint64_t session_patience(const struct session *session)
{
	return states[session->state].patience;
}

const char *session_waits_for(const struct session *session)
{
	return states[session->state].waits_for;
}

const struct offer *session_offer(const struct session *session)
{
	return &session->offer;
}

const char *session_mechanism(const struct session *session)
{
	return session->mechanism;
}
