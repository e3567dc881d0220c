/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "text.h"

#include <errno.h>

static bool must_escape(unsigned char c)
{
	return c <= 0x20 || c == 0x7f || c == '%';
}

static int escape(struct str *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char three[3] = { '%', digits[c >> 4], digits[c & 15] };

	return str_append(out, three, sizeof(three));
}

int text_encode(struct str *out, struct span value)
{
	size_t before = out->len, from = 0;

	if (value.len == 0)
		return str_add_char(out, '-');
	if (span_is(value, "-"))
		return escape(out, '-');
	for (size_t i = 0; i < value.len; i++) {
		if (!must_escape((unsigned char)value.data[i]))
			continue;
		if (str_append(out, value.data + from, i - from) < 0 || escape(out, (unsigned char)value.data[i]) < 0) {
			str_cut(out, before);
			return -1;
		}
		from = i + 1;
	}
	if (str_append(out, value.data + from, value.len - from) < 0) {
		str_cut(out, before);
		return -1;
	}
	return 0;
}

/* -1 for what is no upper-case hexadecimal digit */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One byte of the word, or three of an escape, into *c.  How many were taken; 0 where the form is wrong. */
static size_t decode_one(struct span word, char *c)
{
	int high, low;

	*c = word.data[0];
	if (!must_escape((unsigned char)*c))
		return 1;
	if (*c != '%' || word.len < 3)
		return 0;
	high = digit(word.data[1]);
	low = digit(word.data[2]);
	if (high < 0 || low < 0)
		return 0;
	*c = (char)(high << 4 | low);
	return 3;
}

int text_decode(struct str *out, struct span word)
{
	size_t before = out->len;

	if (span_is(word, "-"))
		return 0;
	if (word.len == 0) {
		errno = EINVAL;
		return -1;
	}
	while (word.len > 0) {
		char c;
		size_t used = decode_one(word, &c);

		if (used == 0)
			errno = EINVAL;
		if (used == 0 || str_add_char(out, c) < 0) {
			str_cut(out, before);
			return -1;
		}
		word = span_skip(word, used);
	}
	return 0;
}

bool text_is_clean(struct span value, size_t max)
{
	if (value.len > max)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}
