/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "words.h"

#include <stdint.h>
#include <string.h>

#include "base64.h"

#define REPLACEMENT 0xfffdU

/* Single-byte charsets: what differs from U+0080 … U+00FF.  0: no character. */

struct exception { unsigned char byte; uint16_t character; };

static const struct exception latin9[] = {
	{ 0xa4, 0x20ac }, { 0xa6, 0x0160 }, { 0xa8, 0x0161 }, { 0xb4, 0x017d }, { 0xb8, 0x017e }, { 0xbc, 0x0152 }, { 0xbd, 0x0153 }, { 0xbe, 0x0178 },
};

static const struct exception windows[] = {
	{ 0x80, 0x20ac }, { 0x81, 0 }, { 0x82, 0x201a }, { 0x83, 0x0192 }, { 0x84, 0x201e }, { 0x85, 0x2026 }, { 0x86, 0x2020 }, { 0x87, 0x2021 },
	{ 0x88, 0x02c6 }, { 0x89, 0x2030 }, { 0x8a, 0x0160 }, { 0x8b, 0x2039 }, { 0x8c, 0x0152 }, { 0x8d, 0 }, { 0x8e, 0x017d }, { 0x8f, 0 },
	{ 0x90, 0 }, { 0x91, 0x2018 }, { 0x92, 0x2019 }, { 0x93, 0x201c }, { 0x94, 0x201d }, { 0x95, 0x2022 }, { 0x96, 0x2013 }, { 0x97, 0x2014 },
	{ 0x98, 0x02dc }, { 0x99, 0x2122 }, { 0x9a, 0x0161 }, { 0x9b, 0x203a }, { 0x9c, 0x0153 }, { 0x9d, 0 }, { 0x9e, 0x017e }, { 0x9f, 0x0178 },
};

struct charset {
	const char *names[6];
	enum { UTF8, ASCII, SINGLE } kind;
	const struct exception *exceptions;
	size_t count;
};

static const struct charset charsets[] = {
	{ { "utf-8", "utf8" }, UTF8, NULL, 0 },
	{ { "us-ascii", "ascii", "ansi_x3.4-1968" }, ASCII, NULL, 0 },
	{ { "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "l1" }, SINGLE, NULL, 0 },
	{ { "iso-8859-15", "iso8859-15", "iso_8859-15", "latin-9", "latin9" }, SINGLE, latin9, sizeof(latin9) / sizeof(*latin9) },
	{ { "windows-1252", "cp1252", "cp-1252" }, SINGLE, windows, sizeof(windows) / sizeof(*windows) },
};

static const struct charset *find_charset(struct span name)
{
	for (size_t i = 0; i < sizeof(charsets) / sizeof(*charsets); i++)
		for (size_t j = 0; j < 6 && charsets[i].names[j] != NULL; j++)
			if (span_is_nocase(name, charsets[i].names[j]))
				return &charsets[i];
	return NULL;
}

static int put_character(struct str *out, unsigned c)
{
	char bytes[3] = { (char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)), (char)(0x80 | (c & 0x3f)) };

	if (c < 0x80)
		return str_add_char(out, (char)c);
	if (c < 0x800) {
		bytes[1] = (char)(0xc0 | c >> 6);
		return str_append(out, bytes + 1, 2);
	}
	return str_append(out, bytes, 3);
}

static unsigned character_of(const struct charset *charset, unsigned char byte)
{
	if (byte < 0x80)
		return byte;
	if (charset->kind != SINGLE)
		return REPLACEMENT;
	for (size_t i = 0; i < charset->count; i++)
		if (charset->exceptions[i].byte == byte)
			return charset->exceptions[i].character != 0 ? charset->exceptions[i].character : REPLACEMENT;
	return byte;
}

static int put_utf8(struct str *out, struct span bytes)
{
	while (bytes.len > 0) {
		size_t len = 1;

		/* a character is the shortest piece that is well-formed */
		while (len <= 4 && len <= bytes.len && !words_is_utf8((struct span){ bytes.data, len }))
			len++;
		if (len > 4 || len > bytes.len) {
			len = 1;
			if (put_character(out, REPLACEMENT) < 0)
				return -1;
		} else if (str_append(out, bytes.data, len) < 0) {
			return -1;
		}
		bytes = span_skip(bytes, len);
	}
	return 0;
}

static int put_run(struct str *out, const struct charset *charset, struct str *run)
{
	struct span bytes = str_span(run);
	int result = 0;

	if (charset != NULL && charset->kind == UTF8)
		result = put_utf8(out, bytes);
	else
		for (size_t i = 0; charset != NULL && result == 0 && i < bytes.len; i++)
			result = put_character(out, character_of(charset, (unsigned char)bytes.data[i]));
	str_cut(run, 0);
	return result;
}

/* Words */

struct word {
	const struct charset *charset;
	char encoding;
	struct span text;
	size_t len;		/* of the whole */
};

static bool cut(struct span *rest, struct span *part)
{
	size_t len = 0;

	while (len < rest->len && rest->data[len] != '?' && rest->data[len] > ' ' && rest->data[len] != 0x7f)
		len++;
	if (len == rest->len || rest->data[len] != '?')
		return false;
	*part = (struct span){ rest->data, len };
	*rest = span_skip(*rest, len + 1);
	return true;
}

/* Real mail has words above the 75 characters of the RFC; they are read too. */
static bool parse(struct span text, struct word *word)
{
	struct span rest = span_skip(text, 2), charset, encoding, name;

	if (!span_starts(text, "=?") || !cut(&rest, &charset) || !cut(&rest, &encoding) || encoding.len != 1 || !cut(&rest, &word->text) ||
	    !span_starts(rest, "="))
		return false;
	word->encoding = (char)(encoding.data[0] & ~0x20);
	word->len = text.len - rest.len + 1;
	if (!span_word(&charset, '*', &name))		/* a language may follow (RFC 2231 section 5) */
		return false;
	word->charset = find_charset(name);
	return word->charset != NULL && (word->encoding == 'Q' || word->encoding == 'B');
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at == NULL ? -1 : (int)((at - digits) & 15);
}

static int decode_q(struct str *out, struct span text)
{
	while (text.len > 0) {
		char c = text.data[0] == '_' ? ' ' : text.data[0];
		size_t len = 1;

		if (c == '=') {
			int high = text.len >= 3 ? hex(text.data[1]) : -1, low = text.len >= 3 ? hex(text.data[2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
			len = 3;
		}
		if (str_add_char(out, c) < 0)
			return -1;
		text = span_skip(text, len);
	}
	return 0;
}

/* Appends the word's bytes to run; -1 where it is malformed or the run is full. */
static int decode_word(struct str *run, const struct word *word)
{
	const size_t before = run->len;

	if ((word->encoding == 'Q' ? decode_q(run, word->text) : base64_decode(run, word->text)) == 0)
		return 0;
	str_cut(run, before);
	return -1;
}

static size_t blanks(struct span text)
{
	size_t len = 0;

	while (len < text.len && strchr(" \t\r\n", text.data[len]) != NULL && text.data[len] != '\0')
		len++;
	return len;
}

/* A word stands by itself: between blanks, or the delimiters of a phrase or comment. */
static bool stands_alone(struct span whole, size_t at)
{
	return at == 0 || strchr(" \t\r\n(\"<,:;", whole.data[at - 1]) != NULL;
}

static int decode(struct str *out, struct span whole, struct str *run)
{
	const struct charset *charset = NULL;	/* of the run: the bytes of adjacent words */
	bool after_word = false;
	size_t at = 0;

	while (at < whole.len) {
		struct span rest = span_skip(whole, at);
		size_t gap = after_word ? blanks(rest) : 0, len = 1;
		struct word word;

		if ((after_word || stands_alone(whole, at)) && parse(span_skip(rest, gap), &word)) {
			if (word.charset != charset && put_run(out, charset, run) < 0)
				return -1;
			charset = word.charset;
			after_word = decode_word(run, &word) == 0;
			if (after_word) {
				at += gap + word.len;
				continue;
			}
		}
		after_word = false;
		while (len < rest.len && rest.data[len] != '=')
			len++;
		if (put_run(out, charset, run) < 0 || str_append(out, rest.data, len) < 0)
			return -1;
		at += len;
	}
	return put_run(out, charset, run);
}

int words_decode(struct str *out, struct span text)
{
	struct str run = STR_INIT(text.len);	/* decoding never makes bytes more */
	const size_t before = out->len;
	int result = decode(out, text, &run);

	if (result < 0)
		str_cut(out, before);
	str_free(&run);
	return result;
}
