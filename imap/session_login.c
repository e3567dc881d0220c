/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the greeting to a session that can append: one function a state. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base64.h"
#include "session_internal.h"

static session_state state_capability, state_starttls, state_authenticate, state_login, state_login_literal, state_capability_again, state_namespace, state_list, state_enable;

static void enable(struct session *s);

static void ask_capability(struct session *s, session_state *state)
{
	if (!session_command(s, "CAPABILITY"))
		session_wait(s, state, "the answer to CAPABILITY", SESSION_COMMAND_WAIT);
}

/* ---- what there is to log in with ---- */

static void identify(const struct session *s, struct sasl_identity *identity, struct str *binding)
{
	const struct account *account = s->account;
	const struct tls *tls = stream_tls(s->stream);
	bool token = account->token_file >= 0 || account->token_command >= 0;
	struct span secret = account->password_command >= 0 || token ? str_span(&s->secret) : str_span(&account->password);
	enum tls_binding kind;

	*identity = (struct sasl_identity){
		.user = span_of(account->user ? account->user : ""), .authorize = span_of(account->authorize ? account->authorize : ""),
		.host = account->host ? account->host : "localhost", .port = (unsigned)strtoul(account->port, NULL, 10),
		.clear = tls ? tls_verified(tls) || account->verify_none : account->tunnel >= 0, .certificate = tls && tls_context_has_certificate(account->context),
	};
	*(token ? &identity->token : &identity->password) = secret;
	if (tls && !s->unbound && !tls_binding_best(tls, &kind, binding)) {
		identity->binding_name = tls_binding_name(kind);
		identity->binding = str_span(binding);
	}
}

static void login_refused(struct session *s, const struct response *response)
{
	const struct answers_meaning *meaning = answers_read(ANSWERS_LOGIN, response);
	struct str text = STR_SECRET(2048);

	session_say(response, &text);
	/* what the server says of itself is not about the password */
	s->login_failed = !strcmp(meaning->status, "4.7.8");
	session_fail(s, meaning->status, "login: %s", text.data);
	str_free(&text);
}

/* What was announced before the login, perhaps by a proxy, need not hold behind it: it counts only what was said with the login's answer, or is asked for. */
static void logged_in(struct session *s)
{
	str_wipe(&s->secret);
	str_wipe(&s->initial);
	conceal_forget(&s->conceal);
	stream_secret(s->stream, false);
	sasl_client_free(s->sasl);
	s->sasl = NULL;
	if (s->capabilities_told)
		enable(s);
	else
		ask_capability(s, state_capability_again);
}

/* LOGIN with quoted strings where the bytes allow it, else with literals, each of which waits for its "+". */
static void begin_login(struct session *s)
{
	struct sasl_identity identity;
	struct str binding = STR_INIT(TLS_BINDING_MAX), line = STR_SECRET(2 * ACCOUNT_SECRET_MAX);

	identify(s, &identity, &binding);
	session_next_tag(s, s->tag);
	str_printf(&line, "%s LOGIN ", s->tag);
	if (!identity.clear || (s->capabilities & SESSION_LOGINDISABLED) || !identity.user.len || !identity.password.len) {
		s->login_failed = true;
		session_fail(s, "4.7.8", "login: there is no way to log in: %s", !identity.clear ? "a password is not sent without TLS" : "LOGIN is disabled, or user or password are missing");
	} else if (!mailbox_quote(&line, identity.user, false) && !str_add_char(&line, ' ') && !session_quoted_secret(s, &line, identity.password)) {
		if (!session_line(s, str_span(&line), true))
			session_wait(s, state_login, "the answer to LOGIN", SESSION_COMMAND_WAIT);
	} else {
		str_cut(&line, 0);
		str_printf(&line, "%s LOGIN {%zu}", s->tag, identity.user.len);
		str_set(&s->initial, identity.user);
		if (!session_line(s, str_span(&line), false))
			session_wait(s, state_login_literal, "the answer to LOGIN", SESSION_COMMAND_WAIT);
	}
	str_wipe(&line);
	str_free(&binding);
}

/* User, then password: initial holds what comes next. */
static void state_login_literal(struct session *s, const struct response *response)
{
	struct sasl_identity identity;
	struct str binding = STR_INIT(TLS_BINDING_MAX), line = STR_SECRET(2 * ACCOUNT_SECRET_MAX);

	if (session_is_answer(s, response)) {
		state_login(s, response);
	} else if (response->kind == RESPONSE_CONTINUE) {
		bool last;

		identify(s, &identity, &binding);
		last = s->secret_line;
		str_add_span(&line, last ? identity.password : identity.user);
		if (!last)
			str_printf(&line, " {%zu}", identity.password.len);
		s->secret_line = true;
		if (!session_line(s, str_span(&line), true) && last)
			s->state = state_login;
	}
	str_wipe(&line);
	str_free(&binding);
}

static void state_login(struct session *s, const struct response *response)
{
	if (!session_is_answer(s, response))
		return;
	if (response->status == RESPONSE_OK)
		logged_in(s);
	else
		login_refused(s, response);
}

static int first_message(struct session *s, struct str *error)
{
	enum sasl_result result;

	str_wipe(&s->initial);
	if (!sasl_client_first(s->sasl))
		return 0;
	result = sasl_client_step(s->sasl, span_of(""), &s->initial, error);
	return result == SASL_MORE || result == SASL_DONE ? 0 : -1;
}

static void begin_sasl(struct session *s, const struct sasl_identity *identity)
{
	struct str error = STR_INIT(SASL_ERROR_MAX), line = STR_INIT(256);
	bool early = s->capabilities & SESSION_SASL_IR;

	s->sasl = sasl_client_new(s->mechanism, identity, str_span(&s->mechanisms), NULL, &error);
	if (!s->sasl || first_message(s, &error) < 0) {
		s->login_failed = true;
		session_fail(s, "4.7.8", "login: %s", error.data);
		goto out;
	}
	early = early && sasl_client_first(s->sasl);
	session_next_tag(s, s->tag);
	str_printf(&line, "%s AUTHENTICATE %s", s->tag, sasl_name(s->mechanism));
	if (early)
		str_add(&line, s->initial.len ? " " : " =");
	if (early ? session_secret(s, line.data, str_span(&s->initial)) : session_line(s, str_span(&line), false))
		goto out;
	if (early)
		str_wipe(&s->initial);
	s->secret_line = !early && sasl_client_first(s->sasl);		/* the first challenge asks for what we have already */
	session_wait(s, state_authenticate, "the answer to AUTHENTICATE", SESSION_COMMAND_WAIT);
out:
	str_free(&error);
	str_free(&line);
}

static void begin_authentication(struct session *s)
{
	struct str reason = STR_INIT(SASL_ERROR_MAX), binding = STR_INIT(TLS_BINDING_MAX);
	struct sasl_identity identity;

	identify(s, &identity, &binding);
	conceal_add(&s->conceal, identity.token);
	conceal_add(&s->conceal, identity.password);
	s->capabilities_told = false;
	s->mechanism = sasl_choose(str_span(&s->mechanisms), s->account->sasl, &identity, &reason);
	if (s->mechanism)
		begin_sasl(s, &identity);
	else if (!s->account->sasl && !identity.token.len)
		begin_login(s);
	else {
		s->login_failed = true;
		session_fail(s, "4.7.8", "login: %s", reason.data);
	}
	str_free(&reason);
	str_free(&binding);
}

/* Some servers offer SCRAM with channel binding and know the one that TLS 1.3 has no more alone (tls-unique): their NO is not about the password.  Who insists on
 * binding says so in the account. */
static bool retry_unbound(struct session *s, const struct response *response)
{
	char what[64];

	if (response->status != RESPONSE_NO || !strstr(sasl_name(s->mechanism), "-PLUS") || s->account->sasl || span_is_nocase(response->code, "AUTHENTICATIONFAILED"))
		return false;
	snprintf(what, sizeof what, "%s is refused; once more without:", sasl_name(s->mechanism));
	session_log(s, "login", what, response->text);
	s->unbound = true;
	sasl_client_free(s->sasl);
	s->sasl = NULL;
	begin_authentication(s);
	return true;
}

/* The server's last word may bring data (SCRAM's proof) only as a challenge: its OK holds none. */
static void authenticated(struct session *s, const struct response *response)
{
	struct str error = STR_INIT(SASL_ERROR_MAX);

	if (response->status != RESPONSE_OK) {
		if (!retry_unbound(s, response))
			login_refused(s, response);
	} else if (sasl_client_accepted(s->sasl, span_of(""), &error) < 0) {
		s->login_failed = true;
		session_fail(s, "4.7.8", "login: %s", error.data);
	} else
		logged_in(s);
	str_free(&error);
}

static void answer_challenge(struct session *s, struct span text)
{
	struct str challenge = STR_INIT(SASL_MESSAGE_MAX), out = STR_SECRET(SASL_MESSAGE_MAX), error = STR_INIT(SASL_ERROR_MAX);
	enum sasl_result result = SASL_FAILED;

	if (base64_decode(&challenge, span_trim(text)) < 0)
		str_add(&error, "a challenge that is no base 64");
	else
		result = sasl_client_step(s->sasl, str_span(&challenge), &out, &error);
	if (result != SASL_FAILED)
		session_secret(s, "", str_span(&out));
	else {
		session_log(s, "login", "fails:", str_span(&error));
		session_line(s, span_of("*"), false);
	}
	str_free(&challenge);
	str_wipe(&out);
	str_free(&error);
}

static void state_authenticate(struct session *s, const struct response *response)
{
	if (session_is_answer(s, response))
		authenticated(s, response);
	else if (response->kind == RESPONSE_CONTINUE && s->secret_line) {
		s->secret_line = false;
		if (!session_secret(s, "", str_span(&s->initial)))
			str_wipe(&s->initial);
	} else if (response->kind == RESPONSE_CONTINUE)
		answer_challenge(s, response->text);
}

/* ---- the states in their order ---- */

static bool wants_starttls(const struct session *s)
{
	return s->account->tls == ACCOUNT_TLS_START && !stream_tls(s->stream);
}

static void ask_namespace(struct session *s);

static void begin(struct session *s)
{
	if (wants_starttls(s)) {
		if (!(s->capabilities & SESSION_STARTTLS))
			session_fail(s, "4.7.5", "it offers no STARTTLS");
		else if (!session_command(s, "STARTTLS"))
			session_wait(s, state_starttls, "the answer to STARTTLS", SESSION_COMMAND_WAIT);
	} else {
		begin_authentication(s);
	}
}

void session_login_greeting(struct session *s, const struct response *response)
{
	if (response->kind != RESPONSE_STATUS) {
		session_fail(s, "4.5.0", "it does not greet like an IMAP server");
	} else if (response->status == RESPONSE_PREAUTH && !wants_starttls(s)) {
		logged_in(s);
	} else if (response->status != RESPONSE_OK) {
		struct str text = STR_INIT(2048);

		session_say(response, &text);
		session_fail(s, "4.3.2", "greeting: %s", text.data);
		str_free(&text);
	} else if (s->capabilities_told) {
		begin(s);		/* the greeting says it: a round trip less */
	} else {
		ask_capability(s, state_capability);
	}
}

static void state_capability(struct session *s, const struct response *response)
{
	if (!session_is_answer(s, response))
		return;
	if (response->status == RESPONSE_OK && s->capabilities_told)
		begin(s);
	else
		session_fail(s, "4.5.0", "it does not answer CAPABILITY");
}

/* What was said in plain text is forgotten; bytes that came with the answer are an injection, which stream_secure refuses. */
static void state_starttls(struct session *s, const struct response *response)
{
	struct str error = STR_INIT(TLS_ERROR_MAX);
	struct tls *tls;

	if (!session_is_answer(s, response))
		return;
	if (response->status != RESPONSE_OK) {
		session_fail(s, "4.7.5", "STARTTLS is refused");
		return;
	}
	s->capabilities = 0;
	s->capabilities_told = false;
	str_cut(&s->mechanisms, 0);
	tls = tls_client(s->account->context, s->account->host, &error);
	if (!tls || stream_secure(s->stream, tls) < 0)
		session_fail(s, "4.7.5", "%s", error.len ? error.data : errno == EPROTO ? "bytes were slipped in before TLS" : strerror(errno));
	else
		session_wait(s, session_login_greeting, "the TLS handshake", SESSION_COMMAND_WAIT);
	str_free(&error);
}

/* With implicit TLS the greeting follows; with STARTTLS there is none any more. */
void session_login_secured(struct session *s)
{
	if (s->account->tls == ACCOUNT_TLS_START)
		ask_capability(s, state_capability);
}

static void state_capability_again(struct session *s, const struct response *response)
{
	if (session_is_answer(s, response))
		enable(s);
}

static void enable(struct session *s)
{
	if (s->account->utf8 && (s->capabilities & SESSION_UTF8) && (s->capabilities & SESSION_ENABLE)) {
		if (!session_command(s, "ENABLE UTF8=ACCEPT"))
			session_wait(s, state_enable, "the answer to ENABLE", SESSION_COMMAND_WAIT);
		return;
	}
	ask_namespace(s);
}

static void state_enable(struct session *s, const struct response *response)
{
	struct span word, rest = response->data;

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "ENABLED"))
		while (span_word(&rest, ' ', &word))
			s->utf8 = s->utf8 || span_is_nocase(word, "UTF8=ACCEPT");
	if (session_is_answer(s, response))
		ask_namespace(s);
}

static void ready(struct session *s)
{
	if (s->account->separator)
		s->separator = s->account->separator;
	if (s->account->prefix)
		str_set(&s->prefix, span_of(s->account->prefix));
	s->ready = true;
	session_wait(s, session_answer_state, NULL, s->account->keep_alive);
	s->ops->ready(s->arg, s);
	if (!s->gone && !s->leaving)
		session_append_pump(s);
}

static void ask_list(struct session *s)
{
	if (s->separator || s->account->separator)
		ready(s);
	else if (!session_command(s, "LIST \"\" \"\""))
		session_wait(s, state_list, "the answer to LIST", SESSION_COMMAND_WAIT);
}

/* INBOX is INBOX, whatever the names of others look like. */
static void ask_namespace(struct session *s)
{
	if (s->ops->own_mailbox && !strcasecmp(s->account->mailbox, "INBOX"))
		ready(s);
	else if (!(s->capabilities & SESSION_NAMESPACE) || (s->account->separator && s->account->prefix))
		ask_list(s);
	else if (!session_command(s, "NAMESPACE"))
		session_wait(s, state_namespace, "the answer to NAMESPACE", SESSION_COMMAND_WAIT);
}

static void state_namespace(struct session *s, const struct response *response)
{
	session_names_namespace(s, response);
	if (session_is_answer(s, response))
		ask_list(s);
}

static void state_list(struct session *s, const struct response *response)
{
	session_names_list(s, response);
	if (session_is_answer(s, response))
		ready(s);
}
