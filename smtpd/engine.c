/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

#define HELO_MAX 255U
#define OUT_MAX (256U * 1024)		/* never reached: feeding stops at ENGINE_OUT_PAUSE, and one command says far less than the rest */
#define ENVELOPE_MAX (2U * 1024 * 1024)

struct engine *engine_new(const struct engine_setup *setup, const struct engine_ops *ops, void *arg)
{
	struct engine *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->setup = setup;
	e->ops = ops;
	e->arg = arg;
	e->state = ENGINE_START;
	e->line = (struct str)STR_SECRET(ENGINE_AUTH_LINE_MAX);
	e->out = (struct str)STR_INIT(OUT_MAX);
	e->helo = (struct str)STR_INIT(HELO_MAX);
	envelope_init(&e->envelope, ENVELOPE_MAX);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	str_wipe(&e->line);
	str_free(&e->out);
	str_free(&e->helo);
	envelope_free(&e->envelope);
	free(e);
}

/* ---- replies ---- */

void engine_close(struct engine *e)
{
	e->closes = true;
	e->waits = false;
	engine_data_cancel(e);
}

void engine_put_line(struct engine *e, unsigned code, bool more, struct span text)
{
	if (str_add_decimal(&e->out, code, 3) || str_add_char(&e->out, more ? '-' : ' ') || str_add_span(&e->out, text) || str_add(&e->out, "\r\n"))
		engine_close(e);	/* no memory: a reply that is missing would shift all that follow */
}

void engine_answer_set(struct engine_answer *answer, unsigned code, const char *status, const char *format, ...)
{
	va_list args;

	answer->code = code;
	(void)snprintf(answer->status, sizeof answer->status, "%s", status);
	va_start(args, format);
	(void)vsnprintf(answer->text, sizeof answer->text, format, args);
	va_end(args);
}

/* What a text may hold is not known here: it may quote what a client or queue said. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

static void put_answer(struct engine *e, const struct engine_answer *answer)
{
	char text[ENGINE_TEXT_MAX + sizeof answer->status + 8];
	unsigned class = answer->code / 100;

	/* RFC 2034: a status stands in all 2xx, 4xx and 5xx replies but those to HELO and the greeting, which do not come here */
	if (class == 3)
		(void)snprintf(text, sizeof text, "%s", answer->text);
	else if (answer->status[0])
		(void)snprintf(text, sizeof text, "%s %s", answer->status, answer->text);
	else
		(void)snprintf(text, sizeof text, "%u.0.0 %s", class, answer->text);
	clean(text);
	engine_put_line(e, answer->code, false, span_of(text));
	if (answer->code == 421 || answer->code == 521)
		engine_close(e);
}

/* One 5xx too many: 421 takes its place. */
static bool is_too_much(struct engine *e, const struct engine_answer *answer)
{
	if (answer->code < 500)
		return false;
	return ++e->failed > e->setup->failed;
}

static void give(struct engine *e, const struct engine_answer *answer)
{
	if (answer->code >= 400 && e->ops->refused)
		e->ops->refused(e->arg, e->command.verb, e->command.argument, answer);
	put_answer(e, answer);
}

static void close_with(struct engine *e, const struct engine_answer *answer)
{
	give(e, answer);
	engine_close(e);
}

void engine_answer(struct engine *e, const struct engine_answer *answer)
{
	struct engine_answer instead;

	if (is_too_much(e, answer)) {
		engine_answer_set(&instead, 421, "4.7.0", "Too many errors; the last: %.300s", answer->text);
		engine_limit_answer(&instead, e, ENGINE_LIMIT_FAILED);
		close_with(e, &instead);
		return;
	}
	give(e, answer);
}

void engine_limit_answer(struct engine_answer *answer, const struct engine *e, enum engine_limit limit)
{
	if (e->setup->limit_answers[limit].code)
		*answer = e->setup->limit_answers[limit];
}

void engine_say_limit(struct engine *e, enum engine_limit limit, unsigned code, const char *status, const char *format, ...)
{
	struct engine_answer answer = { .code = code };
	va_list args;

	(void)snprintf(answer.status, sizeof answer.status, "%s", status);
	va_start(args, format);
	(void)vsnprintf(answer.text, sizeof answer.text, format, args);
	va_end(args);
	engine_limit_answer(&answer, e, limit);
	if (limit == ENGINE_LIMIT_COMMANDS || limit == ENGINE_LIMIT_UNKNOWN)
		close_with(e, &answer);
	else
		engine_answer(e, &answer);
}

void engine_say(struct engine *e, unsigned code, const char *status, const char *format, ...)
{
	struct engine_answer answer;
	va_list args;

	answer.code = code;
	(void)snprintf(answer.status, sizeof answer.status, "%s", status);
	va_start(args, format);
	(void)vsnprintf(answer.text, sizeof answer.text, format, args);
	va_end(args);
	engine_answer(e, &answer);
}

void engine_greet(struct engine *e)
{
	char text[300];

	(void)snprintf(text, sizeof text, "%.255s %s deaddrop", e->setup->name, e->setup->lmtp ? "LMTP" : "ESMTP");
	engine_put_line(e, 220, false, span_of(text));
}

void engine_refuse(struct engine *e, const struct engine_answer *answer)
{
	put_answer(e, answer);
	engine_close(e);
}

/* ---- states ---- */

void engine_reset(struct engine *e)
{
	engine_data_cancel(e);
	envelope_clear(&e->envelope);
	e->utf8 = false;
	e->discards = false;
	if (e->state != ENGINE_START)
		e->state = ENGINE_READY;
}

void engine_restart(struct engine *e)
{
	engine_reset(e);
	e->state = ENGINE_START;
	e->esmtp = false;
	str_cut(&e->helo, 0);
}

/* ---- lines ---- */

/*
 * Takes bytes up to and with the next LF.  *whole: *line is one without its line end; it lies in data, or in e->line, which the caller empties.  *over: the line is
 * longer than most, and nothing of it is kept.
 */
size_t engine_take_line(struct engine *e, const char *data, size_t len, size_t most, struct span *line, bool *whole, bool *over)
{
	const char *newline = memchr(data, '\n', len);
	size_t n = newline ? (size_t)(newline - data) : len;

	*whole = newline;
	*over = n + e->line.len > most;
	if (*over || ((e->line.len || !newline) && str_append(&e->line, data, n))) {
		*over = true;
		str_cut(&e->line, 0);
		*line = (struct span){ "", 0 };
		return newline ? n + 1 : n;
	}
	*line = e->line.len ? str_span(&e->line) : (struct span){ data, n };
	if (newline && line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return newline ? n + 1 : n;
}

void engine_too_long(struct engine *e)
{
	e->command = (struct engine_command){ span_of("line"), span_of("") };
	e->lines++;
	engine_say(e, 500, "5.5.2", "Line too long");
}

static size_t feed_command(struct engine *e, const char *data, size_t len)
{
	struct span line;
	bool whole, over;
	size_t used = engine_take_line(e, data, len, ENGINE_LINE_MAX, &line, &whole, &over);

	if (over && !whole)
		e->mode = ENGINE_SKIP_LINE;
	else if (over)
		engine_too_long(e);
	else if (whole)
		engine_verbs_line(e, line);
	/* a dialogue's line may hold a password, and an idle session should hold no memory */
	if (whole)
		str_wipe(&e->line);
	return used;
}

/* The rest of a line that is too long is never taken for a command. */
static size_t skip_line(struct engine *e, const char *data, size_t len)
{
	const char *newline = memchr(data, '\n', len);

	if (!newline)
		return len;
	e->mode = ENGINE_COMMAND;
	engine_too_long(e);
	return (size_t)(newline - data) + 1;
}

static size_t (*const modes[ENGINE_MODES])(struct engine *e, const char *data, size_t len) = {
	[ENGINE_COMMAND] = feed_command,
	[ENGINE_SKIP_LINE] = skip_line,
	[ENGINE_AUTH] = engine_auth_feed,
	[ENGINE_DATA] = engine_data_feed,
	[ENGINE_BDAT] = engine_data_feed_chunk,
};

size_t engine_feed(struct engine *e, const char *data, size_t len)
{
	size_t used = 0;

	while (used < len && !e->waits && !e->closes && e->out.len < ENGINE_OUT_PAUSE)
		used += modes[e->mode](e, data + used, len - used);
	return e->closes ? len : used;
}

/* ---- what the driver asks and says ---- */

struct str *engine_out(struct engine *e) { return &e->out; }
bool engine_waits(const struct engine *e) { return e->waits; }
bool engine_closes(const struct engine *e) { return e->closes; }
void engine_set_normalise(struct engine *e, bool normalise) { e->normalise = normalise; }
void engine_set_auth_allowed(struct engine *e, bool allowed) { e->auth_allowed = allowed; }
void engine_set_authenticated(struct engine *e) { e->authenticated = true; }
void engine_set_xclient(struct engine *e, bool allowed) { e->xclient = allowed; }
bool engine_is_authenticated(const struct engine *e) { return e->authenticated; }
const struct envelope *engine_envelope(const struct engine *e) { return &e->envelope; }
struct span engine_helo(const struct engine *e) { return str_span(&e->helo); }
uint64_t engine_size(const struct engine *e) { return e->size; }
uint64_t engine_bare(const struct engine *e) { return e->bare; }
unsigned engine_commands(const struct engine *e) { return e->lines; }

const char *engine_protocol(const struct engine *e)
{
	static const char *const names[3][4] = {
		{ "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" },
		{ "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" },
		{ "LMTP", "LMTPS", "LMTPA", "LMTPSA" },
	};

	if (!e->esmtp)
		return "SMTP";
	return names[e->setup->lmtp ? 2 : e->utf8 ? 1 : 0][(e->authenticated ? 2 : 0) + (e->tls ? 1 : 0)];
}

void engine_starttls(struct engine *e, bool ready)
{
	if (!e->waits)
		return;
	e->waits = false;
	if (!ready) {
		engine_say(e, 451, "4.7.0", "Commands behind STARTTLS in plain text; closing");
		engine_close(e);
		return;
	}
	engine_say(e, 220, "2.0.0", "Go ahead with TLS");
	engine_restart(e);
	e->tls = true;
	e->authenticated = false;
}
