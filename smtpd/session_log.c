/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The session's log lines: one an event, client and port first, so that one pattern finds them (service/fail2ban). */
#include <string.h>

#include "session_internal.h"

#define TRACE_MAX 200U			/* bytes of a line in hexadecimal */

static void begin(struct log_line *line, struct session *s, const char *event)
{
	log_begin(line, s->server->log, event);
	log_word(line, "client", s->peer.address);
	if (s->peer.has_ip)
		log_num(line, "port", s->peer.port);
	if (s->peer.name[0])
		log_word(line, "host", s->peer.name);
}

/* Of "TO:<a@b> X=Y": a@b. */
static struct span address_in(struct span argument)
{
	const char *colon = memchr(argument.data, ':', argument.len);
	const char *end;

	if (colon)
		argument = span_trim(span_skip(argument, (size_t)(colon - argument.data) + 1));
	if (!argument.len || argument.data[0] != '<')
		return argument;
	argument = span_skip(argument, 1);
	end = memchr(argument.data, '>', argument.len);
	return end ? (struct span){ argument.data, (size_t)(end - argument.data) } : argument;
}

static const char *event_of(struct span verb, unsigned code)
{
	if (span_is(verb, "AUTH"))
		return "auth-fail";
	/* what is wrong with the protocol is not what is wrong with the mail */
	if (code == 500 || code == 501 || code == 502 || code == 503 || code == 504 || code == 555)
		return "protocol";
	return "reject";
}

void session_log_refused(struct session *s, struct span verb, struct span argument, const struct engine_answer *answer)
{
	const struct envelope *envelope = engine_envelope(s->engine);
	struct log_line line;
	bool rcpt = span_is_nocase(verb, "RCPT"), mail = span_is_nocase(verb, "MAIL");

	begin(&line, s, event_of(verb, answer->code));
	if (rcpt)
		log_address(&line, "rcpt", address_in(argument));
	else if (mail)
		log_address(&line, "from", address_in(argument));
	else if (verb.len)
		log_str(&line, "command", verb);
	if (!mail && (envelope->count || rcpt))
		log_address(&line, "from", str_span(&envelope->sender));
	if (s->login.user.len)
		log_str(&line, "user", str_span(&s->login.user));
	log_num(&line, "status", answer->code);
	log_text(&line, span_of(answer->text));
	log_end(&line);
}

void session_log_accepted(struct session *s, struct span id)
{
	const struct envelope *envelope = engine_envelope(s->engine);
	struct log_line line;

	begin(&line, s, "accept");
	log_str(&line, "id", id);
	log_address(&line, "from", str_span(&envelope->sender));
	log_num(&line, "nrcpt", envelope->count);
	log_num(&line, "size", engine_size(s->engine));
	log_str(&line, "helo", engine_helo(s->engine));
	log_word(&line, "proto", engine_protocol(s->engine));
	if (s->client.auth && s->login.user.len)
		log_str(&line, "user", str_span(&s->login.user));
	if (engine_bare(s->engine))
		log_num(&line, "bare", engine_bare(s->engine));
	log_end(&line);
}

void session_log_event(struct session *s, const char *event, struct span text)
{
	struct log_line line;

	begin(&line, s, event);
	if (text.len)
		log_text(&line, text);
	log_end(&line);
}

void session_log_trace(struct session *s, const char *event, struct span text)
{
	struct str hex = STR_INIT(3 * TRACE_MAX);
	struct log_line line;

	if (!s->server->config->hex) {
		session_log_event(s, event, text);
		return;
	}
	for (size_t i = 0; i < text.len && i < TRACE_MAX; i++)
		if ((i && str_add_char(&hex, ' ')) || str_add_hex(&hex, (unsigned char)text.data[i], 2))
			break;
	begin(&line, s, event);
	log_text(&line, str_span(&hex));
	log_end(&line);
	str_free(&hex);
}
