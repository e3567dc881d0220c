/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs' table, and the verbs that are done in a few lines. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "engine_internal.h"

#define VERB_MAX 16

/* ---- HELO and its like ---- */

static bool is_host_byte(unsigned char c)
{
	return isalnum(c) || c >= 0x80 || (c && strchr(".-_:[]", c));
}

static bool is_host(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!is_host_byte((unsigned char)name.data[i]))
			return false;
	return name.len > 0;
}

static bool take_helo(struct engine *e, struct span argument)
{
	if (!is_host(argument) || str_set(&e->helo, argument)) {
		engine_say(e, 501, "5.5.4", "A host name or address literal is expected");
		return false;
	}
	engine_reset(e);
	e->state = ENGINE_READY;
	return true;
}

static void verb_helo(struct engine *e, struct span argument)
{
	if (!take_helo(e, argument))
		return;
	e->esmtp = false;
	engine_put_line(e, 250, false, span_of(e->setup->name));
}

static void offer(struct engine *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void offer(struct engine *e, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	engine_put_line(e, 250, true, span_of(text));
}

static void offer_conditional(struct engine *e)
{
	const struct engine_setup *setup = e->setup;

	if (setup->utf8)
		offer(e, "SMTPUTF8");
	if (setup->tls && !e->tls)
		offer(e, "STARTTLS");
	if (setup->mechanisms && (e->tls || e->auth_allowed) && !e->authenticated)
		offer(e, "AUTH %s", setup->mechanisms);
	if (e->xclient)
		offer(e, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN");
}

static void verb_ehlo(struct engine *e, struct span argument)
{
	if (!take_helo(e, argument))
		return;
	e->esmtp = true;
	engine_put_line(e, 250, true, span_of(e->setup->name));
	offer(e, "PIPELINING");
	offer(e, "SIZE %llu", (unsigned long long)e->setup->size);
	offer(e, "8BITMIME");
	offer(e, "ENHANCEDSTATUSCODES");
	offer(e, "DSN");
	offer(e, "CHUNKING");
	offer_conditional(e);
	offer(e, "LIMITS RCPTMAX=%u", e->setup->recipients);
	engine_put_line(e, 250, false, span_of("HELP"));
}

/* ---- small ones ---- */

static void verb_noop(struct engine *e, struct span argument)
{
	(void)argument;
	engine_say(e, 250, "2.0.0", "Ok");
}

static void verb_rset(struct engine *e, struct span argument)
{
	(void)argument;
	engine_reset(e);
	engine_say(e, 250, "2.0.0", "Ok");
}

static void verb_quit(struct engine *e, struct span argument)
{
	(void)argument;
	engine_say(e, 221, "2.0.0", "Bye");
	engine_close(e);
}

static void verb_vrfy(struct engine *e, struct span argument)
{
	(void)argument;
	engine_say(e, 252, "2.5.0", "Cannot verify the user; try to send to it");
}

static void verb_refused(struct engine *e, struct span argument)
{
	(void)argument;
	engine_say(e, 502, "5.5.1", "This command is not served");
}

/* What a browser or a scanner says. */
static void verb_web(struct engine *e, struct span argument)
{
	(void)argument;
	engine_say(e, 421, "4.7.0", "This is no web server");
}

static void verb_starttls(struct engine *e, struct span argument)
{
	(void)argument;
	if (!e->setup->tls) {
		engine_say(e, 454, "4.7.0", "TLS is not available");
	} else if (e->tls) {
		engine_say(e, 554, "5.5.1", "TLS is active already");
	} else if (e->authenticated) {
		engine_say(e, 503, "5.5.1", "STARTTLS comes before AUTH");
	} else {
		e->waits = true;
		e->ops->starttls(e->arg);
	}
}

static void verb_help(struct engine *e, struct span argument);

/* ---- the table ---- */

enum argument { NONE, OPTIONAL, NEEDED };	/* what may stand behind the verb */
enum dialect { BOTH, SMTP, LMTP, LISTED };	/* LISTED: where XCLIENT is allowed */

#define AFTER_HELO (ENGINE_READY | ENGINE_MAIL | ENGINE_RCPT)

static const struct verb {
	const char *name;
	void (*run)(struct engine *e, struct span argument);
	unsigned when;
	enum argument argument;
	enum dialect dialect;
	const char *syntax;		/* for HELP; NULL: not listed */
} verbs[] = {
	{ "MAIL", engine_mail_from, ENGINE_READY, NEEDED, BOTH, "MAIL FROM:<address>" },
	{ "RCPT", engine_mail_rcpt, ENGINE_MAIL | ENGINE_RCPT, NEEDED, BOTH, "RCPT TO:<address>" },
	{ "DATA", engine_data_verb, ENGINE_RCPT, NONE, BOTH, "DATA" },
	/* in any state: its bytes follow, allowed or not */
	{ "BDAT", engine_data_bdat, ENGINE_ANY, OPTIONAL, BOTH, "BDAT bytes [LAST]" },
	{ "RSET", verb_rset, ENGINE_ANY, NONE, BOTH, "RSET" },
	{ "QUIT", verb_quit, ENGINE_ANY, NONE, BOTH, "QUIT" },
	{ "EHLO", verb_ehlo, ENGINE_ANY, NEEDED, SMTP, "EHLO host" },
	{ "HELO", verb_helo, ENGINE_ANY, NEEDED, SMTP, "HELO host" },
	{ "LHLO", verb_ehlo, ENGINE_ANY, NEEDED, LMTP, "LHLO host" },
	{ "NOOP", verb_noop, ENGINE_ANY, OPTIONAL, BOTH, "NOOP" },
	{ "STARTTLS", verb_starttls, AFTER_HELO, NONE, BOTH, "STARTTLS" },
	{ "AUTH", engine_auth_verb, ENGINE_READY, NEEDED, BOTH, "AUTH mechanism" },
	{ "VRFY", verb_vrfy, ENGINE_ANY, NEEDED, BOTH, "VRFY address" },
	{ "HELP", verb_help, ENGINE_ANY, OPTIONAL, BOTH, "HELP" },
	{ "XCLIENT", engine_xclient_verb, ENGINE_START | ENGINE_READY, NEEDED, LISTED, NULL },
	{ "EXPN", verb_refused, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "SEND", verb_refused, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "SOML", verb_refused, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "SAML", verb_refused, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "TURN", verb_refused, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "ETRN", verb_refused, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "GET", verb_web, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "HEAD", verb_web, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "POST", verb_web, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "PUT", verb_web, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "OPTIONS", verb_web, ENGINE_ANY, OPTIONAL, BOTH, NULL },
	{ "CONNECT", verb_web, ENGINE_ANY, OPTIONAL, BOTH, NULL },
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static bool is_spoken(const struct engine *e, const struct verb *verb)
{
	switch (verb->dialect) {
	case SMTP:
		return !e->setup->lmtp;
	case LMTP:
		return e->setup->lmtp;
	case LISTED:
		return e->xclient;
	default:
		return true;
	}
}

static void verb_help(struct engine *e, struct span argument)
{
	(void)argument;
	for (size_t i = 0; i < VERBS; i++)
		if (verbs[i].syntax && is_spoken(e, &verbs[i]))
			engine_put_line(e, 214, true, span_of(verbs[i].syntax));
	engine_put_line(e, 214, false, span_of("2.0.0 A message ends with a dot on a line of its own; lines end in CR LF"));
}

/* ---- a line ---- */

static const char hidden_word[] = "(hidden)";

static const struct verb *find(const struct engine *e, struct span name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (span_is_nocase(name, verbs[i].name) && is_spoken(e, &verbs[i]))
			return &verbs[i];
	return NULL;
}

static void unknown(struct engine *e, const char *why)
{
	if (++e->unknown > e->setup->unknown)
		engine_say_limit(e, ENGINE_LIMIT_UNKNOWN, 421, "4.7.0", "Too many unknown commands");
	else
		engine_say(e, 500, "5.5.2", "%s", why);
}

static const char *order_hint(const struct engine *e, const struct verb *verb)
{
	if (e->state == ENGINE_START)
		return e->setup->lmtp ? "Say LHLO first" : "Say EHLO first";
	if (e->state == ENGINE_CHUNKS)
		return "BDAT with LAST, or RSET, is expected";
	if (verb->when == ENGINE_READY)
		return "Not within a message's transaction; RSET ends it";
	return e->state == ENGINE_MAIL ? "A recipient is needed first" : "A sender is needed first";
}

static void run(struct engine *e, const struct verb *verb)
{
	struct span argument = e->command.argument;

	if (!(verb->when & e->state) && verb->argument != NONE)
		engine_say(e, 503, "5.5.1", "%s", order_hint(e, verb));
	else if (verb->argument == NONE && argument.len)
		engine_say(e, 501, "5.5.4", "%s takes no argument", verb->name);
	else if (!(verb->when & e->state))
		engine_say(e, 503, "5.5.1", "%s", order_hint(e, verb));
	else if (verb->argument == NEEDED && !argument.len)
		engine_say(e, 501, "5.5.4", "Expected: %s", verb->syntax ? verb->syntax : verb->name);
	else
		verb->run(e, argument);
}

/* Bytes that no command has.  A handshake of TLS on a plain port is told by its first byte. */
static bool has_control(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (((unsigned char)line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
			return true;
	return false;
}

static bool is_ascii(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] >= 0x80)
			return false;
	return true;
}

void engine_verbs_line(struct engine *e, struct span line)
{
	const struct verb *verb;
	size_t n = 0;
	bool hidden;

	e->lines++;
	while (n < line.len && line.data[n] != ' ' && line.data[n] != '\t')
		n++;
	verb = find(e, (struct span){ line.data, n });
	/* a client that does not wait for the answer to AUTH goes on with user and password, also where it was refused */
	e->after_auth = verb ? verb->run == engine_auth_verb : e->after_auth;
	hidden = !verb && e->after_auth;
	e->command.verb = hidden ? span_of(hidden_word) : (struct span){ line.data, n < VERB_MAX ? n : VERB_MAX };
	e->command.argument = hidden ? span_of("") : span_trim(span_skip(line, n));
	if (e->ops->command)
		e->ops->command(e->arg, hidden ? e->command.verb : line);
	if (++e->commands > e->setup->commands) {
		engine_say_limit(e, ENGINE_LIMIT_COMMANDS, 421, "4.7.0", "Too many commands");
	} else if (has_control(line)) {
		unknown(e, "A control character in a command");
		if (line.data[0] == 0x16)
			engine_close(e);
	} else if (!e->setup->utf8 && !is_ascii(line)) {
		engine_say_limit(e, ENGINE_LIMIT_ASCII, 500, "5.5.2", "A command has ASCII characters only");
	} else {
		if (verb)
			run(e, verb);
		else
			unknown(e, line.len ? "Unknown command" : "An empty line is no command");
	}
	e->command = (struct engine_command){ span_of(""), span_of("") };
}
