/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "address_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "address_lex.h"

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool address_spec_is_text(unsigned char c)
{
	return is_alnum(c) || c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

bool address_spec_is_domain(unsigned char c)
{
	return is_alnum(c) || c >= 0x80 || c == '-' || c == '_';
}

bool address_spec_is_literal(struct span literal)
{
	static const char tag[] = "IPv6:";
	unsigned char address[16];
	char text[INET6_ADDRSTRLEN];
	int family = AF_INET;

	if (literal.len < 2 || literal.data[0] != '[' || literal.data[literal.len - 1] != ']')
		return false;
	literal = (struct span){ literal.data + 1, literal.len - 2 };
	if (literal.len >= strlen(tag) && span_is_nocase((struct span){ literal.data, strlen(tag) }, tag)) {
		literal = span_skip(literal, strlen(tag));
		family = AF_INET6;
	}
	if (literal.len >= sizeof text || memchr(literal.data, '\0', literal.len) != NULL)
		return false;
	memcpy(text, literal.data, literal.len);
	text[literal.len] = '\0';
	return inet_pton(family, text, address) == 1;
}

static int put(struct str *out, char c)
{
	return out != NULL ? str_add_char(out, c) : 0;
}

static int put_span(struct str *out, struct span text)
{
	return out != NULL ? str_add_span(out, text) : 0;
}

/* Appends an atom or the inside of a quoted string without its quoting. */
static int put_word(struct str *out, struct span word, bool quoted)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.data[i];

		if (quoted && (c == '\r' || c == '\n'))
			continue;		/* folding: the blank behind it counts, it does not */
		if (quoted && c == '\t')
			c = ' ';
		if (c == '\\') {
			if (++i == word.len)
				return invalid();
			c = (unsigned char)word.data[i];
		}
		if (c < 0x20 || c == 0x7f)
			return invalid();
		if (put(out, (char)c) < 0)
			return -1;
	}
	return 0;
}

static struct span inside(struct span quoted)
{
	return (struct span){ quoted.data + 1, quoted.len - 2 };
}

/* Dots may stand anywhere between and around words; two words without one are two mailboxes. */
static int take_local(struct span *rest, struct str *out)
{
	bool word = false, any = false;

	for (;;) {
		struct span look = *rest, token;
		enum address_token kind = address_lex(&look, &token);

		if (kind == '.') {
			word = false;
			if (put(out, '.') < 0)
				return -1;
		} else if ((kind == ADDRESS_ATOM || kind == ADDRESS_QUOTED) && !word) {
			word = any = true;
			if (put_word(out, kind == ADDRESS_QUOTED ? inside(token) : token, kind == ADDRESS_QUOTED) < 0)
				return -1;
		} else {
			return any ? 0 : invalid();
		}
		*rest = look;
	}
}

static bool is_label(struct span token)
{
	for (size_t i = 0; i < token.len; i++)
		if (!address_spec_is_domain((unsigned char)token.data[i]))
			return false;
	return true;
}

static int put_literal(struct str *out, struct span token)
{
	return address_spec_is_literal(token) ? put_span(out, token) : invalid();
}

/* Labels with single dots between them; one more may end it. */
static int take_domain(struct span *rest, struct str *out)
{
	bool word = false, any = false;

	for (;;) {
		struct span look = *rest, token;
		enum address_token kind = address_lex(&look, &token);

		if (kind == ADDRESS_LITERAL && !any) {
			*rest = look;
			return put_literal(out, token);
		}
		if (kind == '.' && !word)
			return invalid();
		if (kind == ADDRESS_ATOM && !word && !is_label(token))
			return invalid();
		if (kind != '.' && (kind != ADDRESS_ATOM || word))
			return any ? 0 : invalid();
		word = kind == ADDRESS_ATOM;
		any = true;
		if (put_span(out, token) < 0)
			return -1;
		*rest = look;
	}
}

/* A source route is passed over: RFC 5321 appendix C. */
static int skip_route(struct span *rest)
{
	struct span look = *rest, token;
	enum address_token kind = address_lex(&look, &token);

	if (kind != '@' && kind != ',')
		return 0;
	while (kind != ':') {
		if (kind != '@' && kind != ',' && kind != '.' && kind != ADDRESS_ATOM && kind != ADDRESS_LITERAL)
			return invalid();
		kind = address_lex(&look, &token);
	}
	*rest = look;
	return 0;
}

int address_spec_take(struct span *rest, bool route, struct str *local, struct str *domain)
{
	struct span look, token;

	if ((route && skip_route(rest) < 0) || take_local(rest, local) < 0)
		return -1;
	look = *rest;
	if (address_lex(&look, &token) != '@')
		return 0;
	*rest = look;
	if (put(domain, '@') < 0)
		return -1;
	return take_domain(rest, domain);
}
