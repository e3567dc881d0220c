/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "address_lex.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const bool no_atom[256] = {
	[' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, ['('] = true, [')'] = true, ['<'] = true, ['>'] = true, ['['] = true,
	[']'] = true, [':'] = true, [';'] = true, ['@'] = true, [','] = true, ['.'] = true, ['"'] = true,
};

static bool is_atom(char c)
{
	return !no_atom[(unsigned char)c];
}

/*
 * All scans below treat a backslash and what follows it as a pair, so that those which begin in the middle of a failed one see the
 * same pairs.  With that a list cannot be made in which many scans run to its end: after an unclosed quote no other quote can stand, a
 * literal holds no second bracket, and of unclosed comments only ADDRESS_COMMENT_DEPTH can overlap.
 */
static size_t step(struct span text, size_t at)
{
	return text.data[at] == '\\' && at + 1 < text.len ? at + 2 : at + 1;
}

/* Length of the comment at text, 0 if it is not closed or nested too deep. */
static size_t comment_length(struct span text)
{
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i = step(text, i)) {
		if (text.data[i] == '(' && ++depth > ADDRESS_COMMENT_DEPTH)
			return 0;
		if (text.data[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

static size_t quoted_length(struct span text)
{
	for (size_t i = 1; i < text.len; i = step(text, i))
		if (text.data[i] == '"')
			return i + 1;
	return 0;
}

static size_t literal_length(struct span text)
{
	for (size_t i = 1; i < text.len; i = step(text, i)) {
		if (text.data[i] == ']')
			return i + 1;
		if (text.data[i] == '[' || text.data[i] == ',')
			break;
	}
	return 0;
}

static size_t atom_length(struct span text)
{
	size_t i = 0;

	while (i < text.len && is_atom(text.data[i]))
		i = step(text, i);
	return i;
}

bool address_lex_skip(struct span *rest)
{
	for (;;) {
		size_t n = 0;

		while (n < rest->len && is_blank(rest->data[n]))
			n++;
		*rest = span_skip(*rest, n);
		if (rest->len == 0 || rest->data[0] != '(')
			return true;
		n = comment_length(*rest);
		if (n == 0)
			return false;
		*rest = span_skip(*rest, n);
	}
}

enum address_token address_lex(struct span *rest, struct span *token)
{
	enum address_token kind = ADDRESS_BAD;
	size_t len = 0;
	bool skipped = address_lex_skip(rest);

	*token = (struct span){ rest->data, 0 };
	if (rest->len == 0)
		return ADDRESS_END;
	if (skipped && strchr(",;:<>@.", rest->data[0]) != NULL && rest->data[0] != '\0') {
		kind = (enum address_token)rest->data[0];
		len = 1;
	} else if (rest->data[0] == '"') {
		kind = ADDRESS_QUOTED;
		len = quoted_length(*rest);
	} else if (rest->data[0] == '[') {
		kind = ADDRESS_LITERAL;
		len = literal_length(*rest);
	} else if (skipped && is_atom(rest->data[0])) {
		kind = ADDRESS_ATOM;
		len = atom_length(*rest);
	}
	if (len == 0) {
		kind = ADDRESS_BAD;
		len = 1;
	}
	token->len = len;
	*rest = span_skip(*rest, len);
	return kind;
}
