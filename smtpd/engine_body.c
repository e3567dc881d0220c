/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message's bytes.  The end is CRLF.CRLF, byte for byte, DATA's own CRLF counted in; nothing that a program elsewhere might take for an end is one.  A bare CR or
 * LF, which those programs would disagree about, ends the session, or becomes a line end for peers that are listed for it.
 *
 * Dots: behind a true line end the first of any dots goes (RFC 5321 4.5.2).  Behind a bare one nobody knows whether the sender doubled them: of two
 * the first goes, a single one stays.
 */
#include <string.h>

#include "engine_internal.h"

static void emit(struct engine *e, const char *data, size_t len)
{
	if (len && !e->discards)
		e->ops->body(e->arg, (struct span){ data, len });
}

/* False: the session is over. */
static bool bare(struct engine *e, const char *what)
{
	if (e->normalise) {
		e->bare++;
		return true;
	}
	e->command = (struct engine_command){ span_of(e->mode == ENGINE_BDAT ? "BDAT" : "DATA"), span_of("") };
	engine_say(e, 550, "5.6.0", "A bare %s in the message: its lines must end in CR LF", what);
	engine_close(e);
	return false;
}

/* CRs that turned out not to belong to a CRLF. */
static void soft_ends(struct engine *e)
{
	while (e->crs > 0 && bare(e, "CR")) {
		emit(e, "\n", 1);
		e->crs--;
	}
	e->at = ENGINE_AT_SOFT_LINE;
}

static size_t text(struct engine *e, const char *data, size_t len)
{
	const char *newline = memchr(data, '\n', len);
	size_t n = newline ? (size_t)(newline - data) : len;
	const char *cr = memchr(data, '\r', n);

	if (cr)
		n = (size_t)(cr - data);
	e->at = ENGINE_AT_TEXT;
	emit(e, data, n);
	if (n == len)
		return n;
	if (cr) {
		e->at = ENGINE_AT_CR;
		e->crs = 1;
	} else if (bare(e, "LF")) {
		emit(e, "\n", 1);
		e->at = ENGINE_AT_SOFT_LINE;
	}
	return n + 1;
}

/* Each of these looks at the byte c behind what e->at says, and returns whether it took it. */

static bool at_cr(struct engine *e, char c)
{
	if (c == '\n') {
		/* CR CR LF, as some libraries write: one line end, and a true one */
		if (e->crs > 1 && !bare(e, "CR"))
			return true;
		e->crs = 0;
		emit(e, "\n", 1);
		e->at = ENGINE_AT_LINE;
		return true;
	}
	if (c == '\r') {
		if (!e->normalise)
			return bare(e, "CR");
		e->crs++;
		return true;
	}
	soft_ends(e);
	return false;
}

static bool at_dot(struct engine *e, char c)
{
	if (c == '\r') {
		e->at = ENGINE_AT_DOT_CR;
		return true;
	}
	/* ".LF" is no end; a dot before other text was put there by the sender */
	if (c == '\n')
		emit(e, ".", 1);
	e->at = ENGINE_AT_TEXT;
	return false;
}

static bool at_dot_cr(struct engine *e, char c)
{
	if (c == '\n') {
		e->at = ENGINE_AT_END;
		return true;
	}
	/* ".CR" and something else is text and a bare CR */
	emit(e, ".", 1);
	e->at = ENGINE_AT_CR;
	e->crs = 1;
	return false;
}

static bool at_soft_dot(struct engine *e, char c)
{
	/* the second of two is text of its own; the first goes */
	if (c != '.')
		emit(e, ".", 1);
	e->at = ENGINE_AT_TEXT;
	return false;
}

static size_t at_line(struct engine *e, const char *data, size_t len, bool dots)
{
	if (!dots || *data != '.')
		return text(e, data, len);
	e->at = e->at == ENGINE_AT_LINE ? ENGINE_AT_DOT : ENGINE_AT_SOFT_DOT;
	return 1;
}

static size_t step(struct engine *e, const char *data, size_t len, bool dots)
{
	switch (e->at) {
	case ENGINE_AT_LINE:
	case ENGINE_AT_SOFT_LINE:
		return at_line(e, data, len, dots);
	case ENGINE_AT_CR:
		return at_cr(e, *data);
	case ENGINE_AT_DOT:
		return at_dot(e, *data);
	case ENGINE_AT_DOT_CR:
		return at_dot_cr(e, *data);
	case ENGINE_AT_SOFT_DOT:
		return at_soft_dot(e, *data);
	default:
		return text(e, data, len);
	}
}

size_t engine_body_feed(struct engine *e, const char *data, size_t len, bool dots)
{
	size_t used = 0;

	while (used < len && e->at != ENGINE_AT_END && !e->closes)
		used += step(e, data + used, len - used, dots);
	return used;
}

void engine_body_finish(struct engine *e)
{
	if (e->at == ENGINE_AT_CR)
		soft_ends(e);
}
