/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "words.h"

#include <string.h>

#include "base64.h"

/* Length of the well-formed character at text, 0 if there is none. */
static size_t character(struct span text)
{
	unsigned char lead = (unsigned char)text.data[0], low = 0x80, high = 0xbf;
	size_t len = lead < 0x80 ? 1 : lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;

	if (len == 0 || len > text.len)
		return 0;
	/* The second byte tells overlong forms, surrogates and what lies above U+10FFFF. */
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
		if ((unsigned char)text.data[i] < low || (unsigned char)text.data[i] > high)
			return 0;
	return len;
}

bool words_is_utf8(struct span text)
{
	while (text.len > 0) {
		size_t len = character(text);

		if (len == 0)
			return false;
		text = span_skip(text, len);
	}
	return true;
}

/* Bytes that stand for themselves in Q, also within a phrase. */
static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("!*+-/", c) != NULL);
}

static size_t q_length(struct span text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++)
		len += is_plain((unsigned char)text.data[i]) || text.data[i] == ' ' ? 1 : 3;
	return len;
}

static size_t b_length(struct span text)
{
	return (text.len + 2) / 3 * 4;
}

static int put_q(struct str *out, struct span text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		char escaped[3] = { '=', digits[c >> 4], digits[c & 15] };

		if (is_plain(c) || c == ' ' ? str_add_char(out, c == ' ' ? '_' : (char)c) < 0 : str_append(out, escaped, 3) < 0)
			return -1;
	}
	return 0;
}

struct coding {
	const char *head;
	size_t (*length)(struct span text);
	int (*put)(struct str *out, struct span text);
};

static const struct coding codings[2][2] = {		/* [known charset] */
	{ { "=?unknown-8bit?Q?", q_length, put_q }, { "=?unknown-8bit?B?", b_length, base64_encode } },
	{ { "=?utf-8?Q?", q_length, put_q }, { "=?utf-8?B?", b_length, base64_encode } },
};

/* How much of text fits into one word. */
static size_t fitting(struct span text, const struct coding *coding, bool utf8)
{
	size_t room = WORDS_MAX - strlen(coding->head) - strlen("?="), len = 0;

	while (len < text.len) {
		size_t more = utf8 ? character(span_skip(text, len)) : 1;

		if (coding->length((struct span){ text.data, len + more }) > room)
			break;
		len += more;
	}
	return len;
}

int words_encode(struct str *out, struct span utf8)
{
	const bool known = words_is_utf8(utf8);
	/* Q as long as most of it can be read without decoding. */
	const struct coding *coding = &codings[known][q_length(utf8) > 2 * utf8.len];
	const size_t before = out->len;

	while (utf8.len > 0) {
		struct span part = { utf8.data, fitting(utf8, coding, known) };

		if ((out->len > before && str_add(out, "\n ") < 0) || str_add(out, coding->head) < 0 || coding->put(out, part) < 0 ||
		    str_add(out, "?=") < 0) {
			str_cut(out, before);
			return -1;
		}
		utf8 = span_skip(utf8, part.len);
	}
	return 0;
}
