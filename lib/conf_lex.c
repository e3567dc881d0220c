/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "conf_lex.h"

#include <string.h>

int
conf_lex_init(struct conf_lex *lex, struct span text)
{
	memset(lex, 0, sizeof *lex);
	lex->at = text.data;
	lex->end = text.data + text.len;
	lex->line = 1;
	lex->text = (struct str)STR_INIT(CONF_FILE_MAX);
	if (span_starts(text, "\xef\xbb\xbf"))
		lex->at += 3;
	/* No word is longer than the text: with all of it reserved, no secret is left behind by a string that moves when it grows. */
	return str_reserve(&lex->text, text.len + 1 > CONF_FILE_MAX ? CONF_FILE_MAX : text.len + 1);
}

void
conf_lex_free(struct conf_lex *lex)
{
	str_wipe(&lex->text);
}

/* Length of the newline at p: LF, or CR LF; 0 where there is none. */
static size_t
newline(const struct conf_lex *lex, const char *p)
{
	if (p < lex->end && *p == '\n')
		return 1;
	return lex->end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

/* Length of a backslash with the newline that it hides; at the text's end it may stand alone. */
static size_t
continuation(const struct conf_lex *lex, const char *p)
{
	if (p >= lex->end || *p != '\\')
		return 0;
	if (p + 1 == lex->end)
		return 1;
	size_t len = newline(lex, p + 1);
	return len > 0 ? len + 1 : 0;
}

static bool
ends_word(const struct conf_lex *lex, const char *p)
{
	return p >= lex->end || *p == ' ' || *p == '\t' || *p == ';' || newline(lex, p) > 0;
}

/*
 * Where the regular expression that begins at p ends, NULL if none does.  The next bare slash decides: behind the first component of a path
 * there is more, behind a regular expression the word is over.  Looking further would take "/etc/aliases /etc/more/" for one.
 */
static const char *
regex_end(const struct conf_lex *lex, const char *p)
{
	const char *begin = p + 1;
	for (p = begin; p < lex->end && newline(lex, p) == 0 && continuation(lex, p) == 0; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '/')
			break;
	}
	if (p >= lex->end || *p != '/' || p == begin)
		return NULL;
	p++;
	if (p < lex->end && *p == 'i')
		p++;
	return ends_word(lex, p) || continuation(lex, p) > 0 ? p : NULL;
}

static enum conf_lex_token
bad(struct conf_lex *lex, const char *expected)
{
	lex->bad = expected;
	return CONF_LEX_BAD;
}

static enum conf_lex_token
take_regex(struct conf_lex *lex, const char *end)
{
	lex->kind = end[-1] == 'i' ? CONF_REGEX_NOCASE : CONF_REGEX;
	const char *closing = end - (lex->kind == CONF_REGEX_NOCASE ? 2 : 1);
	for (const char *p = lex->at + 1; p < closing; p++) {
		bool escaped = *p == '\\';
		if (escaped && p[1] != '/' && str_add_char(&lex->text, *p) != 0)
			return bad(lex, "a shorter word");
		if (escaped)
			p++;
		if (str_add_char(&lex->text, *p) != 0)
			return bad(lex, "a shorter word");
	}
	lex->raw = (struct span){ lex->at, (size_t)(end - lex->at) };
	lex->at = end;
	return CONF_LEX_WORD;
}

/* Takes what stands in quotes; at stands on the opening one.  False: not closed on its line, or no memory. */
static bool
take_quoted(struct conf_lex *lex, char quote)
{
	lex->quoted = true;
	for (lex->at++; lex->at < lex->end && newline(lex, lex->at) == 0; lex->at++) {
		char c = *lex->at;
		if (c == quote) {
			lex->at++;
			return true;
		}
		if (quote == '"' && c == '\\') {
			size_t hidden = continuation(lex, lex->at);
			if (hidden > 1) {
				lex->at += hidden - 1;
				lex->line++;
				continue;
			}
			if (lex->at + 1 < lex->end && (lex->at[1] == '"' || lex->at[1] == '\\'))
				c = *++lex->at;
		}
		if (str_add_char(&lex->text, c) != 0)
			return false;
	}
	return false;
}

static enum conf_lex_token
take_word(struct conf_lex *lex)
{
	const char *begin = lex->at;
	while (!ends_word(lex, lex->at)) {
		size_t hidden = continuation(lex, lex->at);
		if (hidden > 0) {
			lex->at += hidden;
			lex->line++;
		} else if (*lex->at == '\'' || *lex->at == '"') {
			char quote = *lex->at;
			if (!take_quoted(lex, quote))
				return bad(lex, quote == '"' ? "a closing \" on the same line" : "a closing ' on the same line");
		} else {
			if (*lex->at == '\\') {
				lex->quoted = true;
				lex->at++;
			}
			if (str_add_char(&lex->text, *lex->at++) != 0)
				return bad(lex, "a shorter word");
		}
	}
	lex->raw = (struct span){ begin, (size_t)(lex->at - begin) };
	return CONF_LEX_WORD;
}

/* Goes on to the next token: over blanks, hidden newlines and a comment. */
static void
skip(struct conf_lex *lex)
{
	for (;;) {
		size_t hidden = continuation(lex, lex->at);
		if (hidden > 0) {
			lex->at += hidden;
			lex->line++;
		} else if (lex->at < lex->end && (*lex->at == ' ' || *lex->at == '\t')) {
			lex->at++;
		} else {
			break;
		}
	}
	if (lex->at < lex->end && *lex->at == '#')
		while (lex->at < lex->end && newline(lex, lex->at) == 0)
			lex->at++;
}

enum conf_lex_token
conf_lex_next(struct conf_lex *lex)
{
	skip(lex);
	str_cut(&lex->text, 0);
	lex->kind = CONF_PLAIN;
	lex->quoted = false;
	lex->token_line = lex->line;
	if (lex->at >= lex->end)
		return CONF_LEX_END;
	size_t len = newline(lex, lex->at);
	if (len > 0) {
		lex->at += len;
		lex->line++;
		return CONF_LEX_BREAK;
	}
	char c = *lex->at;
	if (c == ';') {
		lex->at++;
		return CONF_LEX_BREAK;
	}
	if ((c == '{' || c == '}') && (ends_word(lex, lex->at + 1) || continuation(lex, lex->at + 1) > 0)) {
		lex->at++;
		return c == '{' ? CONF_LEX_OPEN : CONF_LEX_CLOSE;
	}
	const char *end = c == '/' ? regex_end(lex, lex->at) : NULL;
	return end != NULL ? take_regex(lex, end) : take_word(lex);
}
