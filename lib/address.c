/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "address.h"

#include <string.h>

#include "address_lex.h"
#include "address_spec.h"

/* How far a < or the : of a group is looked for.  It bounds how often a token can be seen again, and so the time for a list. */
#define LOOKAHEAD 128

enum element { ELEMENT_BAD, ELEMENT_BARE, ELEMENT_ANGLE, ELEMENT_GROUP };

/* What begins at rest.  *at goes behind the < or the colon. */
static enum element look_ahead(struct span rest, struct span *at)
{
	bool domain = false;

	for (int count = 0; count < LOOKAHEAD; count++) {
		struct span token;

		switch (address_lex(&rest, &token)) {
		case '<':
			*at = rest;
			return ELEMENT_ANGLE;
		case ':':
			*at = rest;
			return count > 0 && !domain ? ELEMENT_GROUP : ELEMENT_BARE;
		case '@':
			domain = true;
			break;
		case ADDRESS_BAD:
			return ELEMENT_BAD;
		case ADDRESS_ATOM:
		case ADDRESS_QUOTED:
		case ADDRESS_LITERAL:
		case '.':
			break;
		default:
			return ELEMENT_BARE;
		}
	}
	return ELEMENT_BARE;
}

static struct span trimmed(const char *begin, const char *end)
{
	return span_trim((struct span){ begin, (size_t)(end - begin) });
}

/* Passes over all up to the next comma or the group's end. */
static int give_up(struct span *rest, const char *begin, struct address *address)
{
	struct span token = { rest->data, 0 };
	enum address_token kind;

	do
		kind = address_lex(rest, &token);
	while (kind != ADDRESS_END && kind != ',' && kind != ';');
	address->whole = trimmed(begin, token.data);
	return -1;
}

/* The mailbox is over: comments behind it belong to it. */
static int finish(struct span *rest, const char *begin, struct address *address)
{
	const char *end = address->spec.data + address->spec.len;

	(void)address_lex_skip(rest);		/* an unclosed comment is the next element's trouble */
	address->whole = trimmed(begin, rest->data);
	if (address->whole.data + address->whole.len < end)	/* it ends in a backslash and a blank */
		address->whole.len = (size_t)(end - begin);
	return 1;
}

/* inside stands behind the <.  False: there is no > for it. */
static bool take_angle(struct span *inside, struct span *spec)
{
	const char *begin = inside->data;
	bool first = true, route = false;

	for (;; first = false) {
		struct span token;

		switch (address_lex(inside, &token)) {
		case '>':
			*spec = (struct span){ begin, (size_t)(token.data - begin) };
			return true;
		case '@':
			route = route || first;
			break;
		case ',':
			route = route || first;
			/* fall through */
		case ':':
			if (!route)
				return false;
			break;
		case ADDRESS_ATOM:
		case ADDRESS_QUOTED:
		case ADDRESS_LITERAL:
		case '.':
			break;
		default:
			return false;
		}
	}
}

static bool is_spec(struct span spec)
{
	return address_spec_take(&spec, true, NULL, NULL) == 0 && address_lex_skip(&spec) && spec.len == 0;
}

static int next_angle(struct span *rest, const char *begin, struct span inside, struct address *address)
{
	address->name = trimmed(begin, inside.data - 1);
	address->angle = true;
	if (!take_angle(&inside, &address->spec))
		return give_up(rest, begin, address);
	*rest = inside;
	if (!is_spec(address->spec))
		return give_up(rest, begin, address);
	return finish(rest, begin, address);
}

/* Where the comma is missing there is at least a blank. */
static bool is_apart(const char *end, const char *next)
{
	return next > end && (strchr(" \t\r\n", *end) != NULL || strchr(" \t\r\n", next[-1]) != NULL);
}

static int next_bare(struct span *rest, const char *begin, struct address *address)
{
	struct span behind = *rest, look, token;

	(void)address_lex_skip(&behind);
	address->spec.data = behind.data;
	if (address_spec_take(&behind, false, NULL, NULL) < 0)
		return give_up(rest, begin, address);
	address->spec.len = (size_t)(behind.data - address->spec.data);
	look = behind;
	switch (address_lex(&look, &token)) {
	case ADDRESS_ATOM:
	case ADDRESS_QUOTED:
		if (!is_apart(address->spec.data + address->spec.len, token.data))
			return give_up(rest, begin, address);
		/* fall through */
	case ADDRESS_END:
	case ADDRESS_BAD:
	case ',':
	case ';':
		*rest = behind;
		return finish(rest, begin, address);
	default:
		return give_up(rest, begin, address);
	}
}

int address_next(struct span *rest, struct address *address)
{
	for (;;) {
		struct span look = *rest, token, at;
		enum address_token kind = address_lex(&look, &token);
		const char *begin;

		*address = (struct address){ { rest->data, 0 }, { rest->data, 0 }, { rest->data, 0 }, false };
		if (kind == ADDRESS_END) {
			*rest = look;
			return 0;
		}
		if (kind == ',' || kind == ';') {
			*rest = look;
			continue;
		}
		begin = trimmed(rest->data, rest->data + rest->len).data;
		switch (look_ahead(*rest, &at)) {
		case ELEMENT_GROUP:
			*rest = at;
			continue;
		case ELEMENT_ANGLE:
			return next_angle(rest, begin, at, address);
		case ELEMENT_BARE:
			return next_bare(rest, begin, address);
		default:
			return give_up(rest, begin, address);
		}
	}
}
