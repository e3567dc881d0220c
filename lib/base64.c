/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base64.h"

#include <errno.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct str *out, struct span bytes)
{
	if (bytes.len / 3 > SIZE_MAX / 8) {
		errno = EMSGSIZE;
		return -1;
	}
	if (str_reserve(out, (bytes.len + 2) / 3 * 4) < 0)
		return -1;
	for (; bytes.len > 0; bytes = span_skip(bytes, 3)) {
		unsigned bits = 0;
		char four[4];

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 | (i < bytes.len ? (unsigned char)bytes.data[i] : 0U);
		for (size_t i = 0; i < 4; i++)
			four[i] = i <= bytes.len ? digits[bits >> (18 - 6 * i) & 63] : '=';
		if (str_append(out, four, 4) < 0)
			return -1;
	}
	return 0;
}

/* By arithmetic on every byte, without a table: the time does not depend on what a secret holds. */
static int value_of(unsigned char c)
{
	int value = -1;

	/* each term is all ones where c lies in the range, and adds the range's value plus one to the -1 */
	value += ((0x40 - c) & (c - 0x5b)) >> 8 & (c - 'A' + 1);
	value += ((0x60 - c) & (c - 0x7b)) >> 8 & (c - 'a' + 27);
	value += ((0x2f - c) & (c - 0x3a)) >> 8 & (c - '0' + 53);
	value += ((0x2a - c) & (c - 0x2c)) >> 8 & 63;
	value += ((0x2e - c) & (c - 0x30)) >> 8 & 64;
	return value;
}

static int decode_group(struct str *out, const char *group, size_t padding)
{
	unsigned bits = 0;
	char three[3];

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of((unsigned char)group[i]) : 0;

		if (value < 0) {
			errno = EINVAL;
			return -1;
		}
		bits = bits << 6 | (unsigned)value;
	}
	/* the bits that padding leaves over must be zero: one text for one value */
	if (padding > 0 && (bits & ((1U << (8 * padding)) - 1)) != 0) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < 3; i++)
		three[i] = (char)(bits >> (16 - 8 * i) & 0xff);
	return str_append(out, three, 3 - padding);
}

int base64_decode(struct str *out, struct span text)
{
	const size_t before = out->len;

	if (text.len % 4 != 0) {
		errno = EINVAL;
		return -1;
	}
	for (; text.len > 0; text = span_skip(text, 4)) {
		size_t padding = 0;

		if (text.len == 4 && text.data[3] == '=')
			padding = text.data[2] == '=' ? 2 : 1;
		if (decode_group(out, text.data, padding) < 0) {
			str_cut(out, before);
			return -1;
		}
	}
	return 0;
}
