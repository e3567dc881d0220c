/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the engine's events mean: rules, the way to queue, AUTH, XCLIENT. */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "session_internal.h"

/* ---- who it is ---- */

void session_update_client(struct session *s)
{
	const struct config *config = s->server->config;
	bool loopback = peer_is_loopback(&s->peer);
	uint32_t groups = rules_groups(config->rules, &s->peer);

	s->client = (struct rules_client){
		.groups = groups,
		.tls = stream_tls(s->stream),
		.auth = s->caller != NULL,
		.trusted = loopback || s->caller,
	};
	engine_set_normalise(s->engine, config->normalise == UINT32_MAX || config->normalise & groups);
	engine_set_auth_allowed(s->engine, loopback);
	if (s->caller)
		engine_set_authenticated(s->engine);
}

static void ev_xclient(void *arg, struct span name, struct span value)
{
	struct session *s = arg;
	uint64_t port = 0;

	if (span_is_nocase(name, "NAME")) {
		size_t len = value.len < PEER_NAME_MAX ? value.len : PEER_NAME_MAX - 1;

		memcpy(s->peer.name, value.data, len);
		s->peer.name[len] = '\0';
	} else if (span_is_nocase(name, "ADDR") && !value.len) {
		peer_set_unknown(&s->peer);
	} else if (span_is_nocase(name, "ADDR") && peer_set_text(&s->peer, value, s->peer.port)) {
		struct engine_answer answer;

		engine_answer_set(&answer, 421, "4.5.4", "XCLIENT with an address that is none; closing");
		engine_refuse(s->engine, &answer);
	} else if (span_is_nocase(name, "PORT") && !span_decimal(value, 65535, &port)) {
		s->peer.port = (unsigned)port;
	}
}

static void ev_xclient_end(void *arg)
{
	struct session *s = arg;

	session_update_client(s);
	session_log_event(s, "xclient", span_of(""));
}

/* ---- the envelope ---- */

static void ev_mail(void *arg, struct span sender, struct engine_answer *answer)
{
	struct session *s = arg;
	const struct config *config = s->server->config;

	(void)sender;
	stream_secret(s->stream, false);
	if (s->server->draining)
		engine_answer_set(answer, 421, "4.3.2", "Closing down; try again later");
	else if (config->need_tls && !s->client.tls && !s->peer.local)
		engine_answer_set(answer, 530, "5.7.0", "Say STARTTLS first");
	else if (config->need_auth && !s->client.auth && !s->peer.local)
		engine_answer_set(answer, 530, "5.7.0", "Authentication is required");
}

static void ev_recipient(void *arg, struct span recipient, struct engine_answer *answer)
{
	struct session *s = arg;
	unsigned line = rules_decide(s->server->config->rules, &s->client, recipient, answer);
	struct log_line text;

	if (!s->server->config->trace_rules)
		return;
	log_begin(&text, s->server->log, "rule");
	log_word(&text, "client", s->peer.address);
	log_address(&text, "rcpt", recipient);
	log_num(&text, "line", line);
	log_num(&text, "status", answer->code);
	log_end(&text);
}

/* ---- the message ---- */

static void answer_no(struct engine_answer *answer, char verdict, struct span text)
{
	int len = (int)(text.len < 300 ? text.len : 300);

	if (verdict == 'X')
		engine_answer_set(answer, 554, "5.3.0", "%.*s", len, text.data);
	else
		engine_answer_set(answer, 451, "4.3.0", "%.*s; try again later", len, text.data);
}

static void done(void *arg, char verdict, struct span text)
{
	struct session *s = arg;
	struct engine_answer answer;

	s->mail = NULL;
	if (verdict == 'K') {
		session_log_accepted(s, text);
		engine_answer_set(&answer, 250, "2.0.0", "Ok, %.*s", (int)(text.len < 100 ? text.len : 100), text.data);
	} else {
		answer_no(&answer, verdict, text);
	}
	if (engine_waits(s->engine))
		engine_settle(s->engine, &answer);
	else
		engine_discard(s->engine, &answer);	/* before its end: the client hears it then */
	session_go_on(s);
}

/* Nobody knows what became of it: the client tries again, and at worst there are two of it. */
void session_give_up(struct session *s)
{
	struct engine_answer answer;

	handover_leave(s->mail);
	s->mail = NULL;
	engine_answer_set(&answer, 451, "4.3.0", "The queue does not answer; try again later");
	engine_settle(s->engine, &answer);
	session_go_on(s);
}

static void room(void *arg)
{
	session_go_on(arg);
}

static const struct handover_ops handover_ops = { .done = done, .room = room };

static int put_pair(struct session *s, char type, struct span name, struct span value)
{
	struct str pair = STR_INIT(ENVELOPE_NAME_MAX + ENVELOPE_VALUE_MAX + 8);
	int result = str_add_span(&pair, name) || str_add_char(&pair, '=') || str_add_span(&pair, value) || handover_put(s->mail, type, str_span(&pair));

	str_free(&pair);
	return result ? -1 : 0;
}

static int put_attribute(struct session *s, const char *name, struct span value)
{
	return value.len ? put_pair(s, 'A', span_of(name), value) : 0;
}

/* "attr NAME VALUE", "rcpt ADDRESS" and "rattr NAME VALUE" lines of an envelope as frames. */
static int put_lines(struct session *s, struct span lines)
{
	struct span line, word, name;
	int result = 0;

	while (!result && span_word(&lines, '\n', &line)) {
		(void)span_word(&line, ' ', &word);
		if (span_is(word, "rcpt")) {
			result = handover_put(s->mail, 'R', line);
			continue;
		}
		(void)span_word(&line, ' ', &name);
		result = put_pair(s, span_is(word, "attr") ? 'A' : 'r', name, line);
	}
	return result;
}

static int put_client(struct session *s)
{
	struct str text = STR_INIT(PEER_NAME_MAX + PEER_ADDRESS_MAX + 16);
	const struct tls *tls = stream_tls(s->stream);
	int result = s->peer.name[0] ? str_printf(&text, "%s ", s->peer.name) : 0;

	result = result || (s->peer.has_ip && str_printf(&text, "[%s]", s->peer.address)) || put_attribute(s, "client", str_span(&text));
	str_cut(&text, 0);
	if (!result && tls)
		result = str_printf(&text, "%s %s", tls_version(tls), tls_cipher(tls)) || put_attribute(s, "tls", str_span(&text));
	str_free(&text);
	return result ? -1 : 0;
}

static int put_groups(struct session *s)
{
	struct str names = STR_INIT(ENVELOPE_VALUE_MAX);
	int result = rules_group_names(s->server->config->rules, s->client.groups, &names) || put_attribute(s, "groups", str_span(&names));

	str_free(&names);
	return result ? -1 : 0;
}

static int put_envelope(struct session *s)
{
	const struct envelope *envelope = engine_envelope(s->engine);
	struct span user = s->caller ? span_of(s->caller) : s->client.auth ? str_span(&s->login.user) : span_of("");

	if (handover_put(s->mail, 'S', str_span(&envelope->sender)) || put_client(s) || put_groups(s)
	    || put_attribute(s, "helo", engine_helo(s->engine)) || put_attribute(s, "proto", span_of(engine_protocol(s->engine)))
	    || put_attribute(s, "auth", user) || (s->server->config->hide && put_attribute(s, "received", span_of("hide"))))
		return -1;
	return put_lines(s, str_span(&envelope->lines)) || put_lines(s, str_span(&envelope->rcpts)) ? -1 : 0;
}

static void ev_begin(void *arg, struct engine_answer *answer)
{
	struct session *s = arg;

	s->mail = handover_begin(s->server->handover, &handover_ops, s);
	if (s->mail && !put_envelope(s))
		return;
	if (s->mail)
		handover_leave(s->mail);
	s->mail = NULL;
	engine_answer_set(answer, 452, "4.3.1", "Too much at once; try again later");
}

static void ev_body(void *arg, struct span bytes)
{
	struct session *s = arg;
	struct engine_answer answer;

	if (s->server->config->trace_body && !span_is(bytes, "\n"))
		session_log_trace(s, "message", bytes);
	if (!s->mail || !handover_body(s->mail, bytes))
		return;
	handover_leave(s->mail);
	s->mail = NULL;
	engine_answer_set(&answer, 452, "4.3.1", "Too much at once; try again later");
	engine_discard(s->engine, &answer);
}

static void ev_end(void *arg)
{
	struct session *s = arg;

	s->since = loop_now(s->server->loop);
	handover_end(s->mail);
}

static void ev_cancel(void *arg)
{
	struct session *s = arg;

	if (s->mail)
		handover_leave(s->mail);
	s->mail = NULL;
}

/* ---- TLS and AUTH ---- */

static void ev_starttls(void *arg)
{
	struct session *s = arg;

	s->starttls = true;		/* session.c looks whether bytes stand behind it */
}

static void take_user(struct session *s)
{
	if (!s->login.server && engine_is_authenticated(s->engine)) {
		s->client.auth = s->client.trusted = true;
		session_log_event(s, "auth", str_span(&s->login.user));
	}
}

static void ev_auth(void *arg, struct span mechanism, struct span initial)
{
	struct session *s = arg;

	stream_secret(s->stream, true);
	login_begin(&s->login, s->engine, s->server->config->secrets, mechanism, initial);
	take_user(s);
}

static void ev_auth_line(void *arg, struct span line)
{
	struct session *s = arg;

	login_line(&s->login, s->engine, line);
	take_user(s);
}

static void ev_auth_cancel(void *arg)
{
	struct session *s = arg;

	login_cancel(&s->login);
}

/* ---- the log ---- */

static void ev_refused(void *arg, struct span verb, struct span argument, const struct engine_answer *answer)
{
	session_log_refused(arg, verb, argument, answer);
}

static void ev_command(void *arg, struct span line)
{
	struct session *s = arg;

	if (!s->server->config->trace && log_verbose(s->server->log) < 2)
		return;
	/* an initial response is a password, wrongly typed or not */
	line = span_trim(line);
	if (line.len > 4 && span_is_nocase((struct span){ line.data, 4 }, "AUTH"))
		line = span_of("AUTH ...");
	session_log_trace(s, "command", line);
}

const struct engine_ops session_ops = {
	.mail = ev_mail,
	.recipient = ev_recipient,
	.begin = ev_begin,
	.body = ev_body,
	.end = ev_end,
	.cancel = ev_cancel,
	.starttls = ev_starttls,
	.auth = ev_auth,
	.auth_line = ev_auth_line,
	.auth_cancel = ev_auth_cancel,
	.xclient = ev_xclient,
	.xclient_end = ev_xclient_end,
	.refused = ev_refused,
	.command = ev_command,
};
