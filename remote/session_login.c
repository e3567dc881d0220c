/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AUTH (RFC 4954). */
#include "session_internal.h"

#include <string.h>

#include "base64.h"

#define INITIAL_MAX 500			/* octets of an initial response: a command line that keeps to RFC 5321's length; longer ones go when the server asks */
#define ANSWER_MAX (SASL_MESSAGE_MAX * 2)

static const char masked[] = "****";

void session_begin_login(struct session *session)
{
	if (!(session->offer.flags & OFFER_AUTH)) {
		session_end(session, SESSION_LOGIN, "%s offers no login%s", session->settings->peer, session->secure ? "" : " without TLS");
		return;
	}
	session_set_state(session, SESSION_IDENTIFYING);
	session->ops->identify(session->arg);
}

static void login_failed(struct session *session, const char *reason)
{
	struct str shown = STR_INIT(2 * SESSION_TEXT_MAX);

	/* it may be the server's own word, decoded, and repeat what it was told */
	(void)conceal_text(&session->conceal, span_of(reason), &shown);
	session_end(session, SESSION_LOGIN, "login at %s%s%s: %s", session->settings->peer, session->mechanism ? " with " : "",
	    session->mechanism ? session->mechanism : "", shown.data);
	str_free(&shown);
}

/* The next message in base 64, to session->answer. */
static enum sasl_result step(struct session *session, struct span challenge, struct str *reason)
{
	struct str raw = STR_SECRET(SASL_MESSAGE_MAX);
	enum sasl_result result = sasl_client_step(session->sasl, challenge, &raw, reason);

	str_wipe(&session->answer);
	session->answer = (struct str)STR_SECRET(ANSWER_MAX);
	if (result != SASL_FAILED && base64_encode(&session->answer, str_span(&raw)) < 0)
		result = SASL_FAILED;
	conceal_add(&session->conceal, str_span(&session->answer));
	str_wipe(&raw);
	return result;
}

static void send_answer(struct session *session)
{
	session->answer_waits = false;
	(void)session_command(session, masked, "%s", session->answer.data);
	str_wipe(&session->answer);
}

static void send_auth(struct session *session)
{
	struct str shown = STR_INIT(200);

	if (!sasl_client_first(session->sasl) || session->answer.len > INITIAL_MAX) {
		session->answer_waits = sasl_client_first(session->sasl);
		(void)session_command(session, NULL, "AUTH %s", session->mechanism);
	} else {
		(void)str_printf(&shown, "AUTH %s %s", session->mechanism, masked);
		(void)session_command(session, shown.data, "AUTH %s %s", session->mechanism, session->answer.len ? session->answer.data : "=");
		str_wipe(&session->answer);
	}
	str_free(&shown);
}

static void begin(struct session *session, const struct sasl_identity *given, struct str *reason)
{
	struct span offered = str_span(&session->offer.mechanisms);
	struct sasl_identity identity = *given;
	const struct sasl_mechanism *mechanism;

	if (session->unbound)
		identity.binding_name = NULL;
	session->clear = identity.clear;
	conceal_add(&session->conceal, identity.token);
	conceal_add(&session->conceal, identity.password);
	mechanism = sasl_choose(offered, session->settings->mechanisms, &identity, reason);
	if (mechanism) {
		session->mechanism = sasl_name(mechanism);
		session->sasl = sasl_client_new(mechanism, &identity, offered, NULL, reason);
	}
	if (!session->sasl || (sasl_client_first(session->sasl) && step(session, span_of(""), reason) == SASL_FAILED)) {
		login_failed(session, reason->len ? reason->data : "no memory");
		return;
	}
	session->secret = true;
	session_set_state(session, SESSION_AUTH);
	send_auth(session);
}

void session_login(struct session *session, const struct sasl_identity *identity, const char *error)
{
	struct str reason = STR_INIT(SASL_ERROR_MAX);

	if (session->state != SESSION_IDENTIFYING)
		return;
	if (identity)
		begin(session, identity, &reason);
	else
		login_failed(session, error);
	str_free(&reason);
}

/* The server waits for an answer; "*" gives the exchange up. */
static void cancel(struct session *session, const char *reason)
{
	(void)str_set(&session->reason, span_of(reason));
	session_set_state(session, SESSION_CANCEL);
	(void)session_command(session, NULL, "*");
}

static void on_challenge(struct session *session)
{
	struct str challenge = STR_INIT(SASL_MESSAGE_MAX + 4), reason = STR_INIT(SASL_ERROR_MAX);
	struct span text = span_trim(str_span(&session->reply.text));
	enum sasl_result result = SASL_FAILED;

	if (session->answer_waits) {
		send_answer(session);
		return;
	}
	if (span_is(text, "="))
		text.len = 0;
	if (base64_decode(&challenge, text) < 0)
		(void)str_add(&reason, "the server's message is not in base 64");
	else
		result = step(session, str_span(&challenge), &reason);
	if (result == SASL_FAILED) {
		cancel(session, reason.len ? reason.data : "no memory");
	} else {
		if (result == SASL_REFUSED)
			(void)str_set(&session->reason, str_span(&reason));
		send_answer(session);
	}
	str_wipe(&challenge);
	str_free(&reason);
}

static void on_welcome(struct session *session)
{
	struct str reason = STR_INIT(SASL_ERROR_MAX);

	if (sasl_client_accepted(session->sasl, span_of(""), &reason) < 0) {
		login_failed(session, reason.data);
	} else {
		sasl_client_free(session->sasl);
		session->sasl = NULL;
		session->secret = false;
		conceal_forget(&session->conceal);
		session->logged_in = true;
		session_proceed(session);
	}
	str_free(&reason);
}

/*
 * Servers offer -PLUS that know another binding than the one that belongs to the version of TLS (Cyrus has tls-unique with TLS 1.3 too), and call
 * ours a wrong argument.  One whose certificate was verified is asked again without, where the choice is ours: the binding would have told nothing
 * new.  535 is a wrong password, and not to be said twice.
 */
static bool may_go_unbound(const struct session *session)
{
	size_t len = strlen(session->mechanism);

	return session->reply.code / 100 == 5 && session->reply.code != 535 && !session->unbound && session->clear && !session->settings->mechanisms &&
		len > 5 && !strcmp(session->mechanism + len - 5, "-PLUS");
}

static void go_unbound(struct session *session)
{
	sasl_client_free(session->sasl);
	session->sasl = NULL;
	session->unbound = true;
	session_begin_login(session);
}

void session_on_auth(struct session *session)
{
	unsigned code = session->reply.code;

	if (code == 334)
		on_challenge(session);
	else if (code / 100 == 2)
		on_welcome(session);
	else if (may_go_unbound(session))
		go_unbound(session);
	else if (session->reason.len)
		login_failed(session, session->reason.data);
	else
		login_failed(session, session_said(session));
}

/* Whatever it says, we have broken it off. */
void session_on_cancel(struct session *session)
{
	login_failed(session, session->reason.data);
}
