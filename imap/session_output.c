/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands, and what is shown of the dialogue. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "session_internal.h"

#define TRACE_MAX 1000

void session_trace(struct session *s, const char *direction, struct span line)
{
	if (s->host->verbose < 2 || !s->host->log)
		return;
	line = span_trim(line);
	if (line.len > TRACE_MAX)
		line.len = TRACE_MAX;
	session_log(s, "trace", direction, line);
}

void session_log(struct session *s, const char *event, const char *what, struct span text)
{
	struct str shown = STR_INIT(4 * TRACE_MAX);

	if (!s->host->log)
		return;
	(void)conceal_text(&s->conceal, text, &shown);
	log_event(s->host->log, event, "%s %s %s", s->account->name, what, shown.data);
	str_free(&shown);
}

int session_line(struct session *s, struct span line, bool secret)
{
	session_trace(s, ">", secret ? span_of("(secret)") : line);
	if (stream_write(s->stream, line.data, line.len) < 0 || stream_add(s->stream, "\r\n") < 0) {
		session_fail(s, "4.3.0", "sending: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int session_secret(struct session *s, const char *prefix, struct span bytes)
{
	struct str line = STR_SECRET(2 * SASL_MESSAGE_MAX);
	int result = -1;

	str_add(&line, prefix);
	if (!base64_encode(&line, bytes)) {
		conceal_add(&s->conceal, span_skip(str_span(&line), strlen(prefix)));
		result = session_line(s, str_span(&line), true);
	} else {
		session_fail(s, "4.3.0", "%s", strerror(errno));
	}
	str_wipe(&line);
	return result;
}

/* With a backslash before a quote it looks different. */
int session_quoted_secret(struct session *s, struct str *line, struct span password)
{
	size_t begin = line->len;
	int result = mailbox_quote(line, password, false);

	if (!result)
		conceal_add(&s->conceal, span_skip(str_span(line), begin));
	return result;
}

void session_next_tag(struct session *s, char tag[static 16])
{
	snprintf(tag, 16, "d%u", ++s->tags);
}

int session_command(struct session *s, const char *format, ...)
{
	struct str line = STR_INIT(SESSION_OUTPUT_MAX / 2);
	va_list args;
	int result;

	session_next_tag(s, s->tag);
	str_printf(&line, "%s ", s->tag);
	va_start(args, format);
	result = str_vprintf(&line, format, args);
	va_end(args);
	if (!result)
		result = session_line(s, str_span(&line), false);
	else
		session_fail(s, "4.3.0", "%s", strerror(errno));
	str_free(&line);
	return result;
}

bool session_is_answer(const struct session *s, const struct response *response)
{
	return response->kind == RESPONSE_TAGGED && span_is(response->tag, s->tag);
}

bool session_quoted(struct session *s, struct str *out, const char *mailbox)
{
	struct str wire = STR_INIT(4 * MAILBOX_MAX);
	bool good = !mailbox_wire(&wire, span_of(mailbox), s->separator, str_span(&s->prefix), s->utf8) && !mailbox_quote(out, str_span(&wire), s->utf8);

	str_free(&wire);
	return good;
}

void session_say(const struct response *response, struct str *out)
{
	static const char *const names[] = { "", "OK", "NO", "BAD", "BYE", "PREAUTH" };

	str_add(out, names[response->status]);
	if (response->code.len) {
		str_add(out, " [");
		str_add_span(out, response->code);
		if (response->argument.len)
			str_add_char(out, ' ');
		str_add_span(out, response->argument);
		str_add_char(out, ']');
	}
	str_add_char(out, ' ');
	str_add_span(out, response->text);
}
