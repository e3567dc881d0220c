/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "span.h"

#include <errno.h>
#include <string.h>

struct span span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

/* memcmp must not see the NULL that an empty span may hold */
static bool same(const char *a, const char *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && same(a.data, b.data, a.len);
}

bool span_is(struct span a, const char *text)
{
	return span_equal(a, span_of(text));
}

/* not tolower(): the locale has no say in protocols */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool span_is_nocase(struct span a, const char *text)
{
	if (a.len != strlen(text))
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(text[i]))
			return false;
	return true;
}

bool span_starts(struct span a, const char *prefix)
{
	size_t len = strlen(prefix);

	return a.len >= len && same(a.data, prefix, len);
}

struct span span_skip(struct span a, size_t n)
{
	if (n > a.len)
		n = a.len;
	if (n > 0)
		a.data += n;
	a.len -= n;
	return a;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span a)
{
	while (a.len > 0 && is_blank(a.data[a.len - 1]))
		a.len--;
	while (a.len > 0 && is_blank(a.data[0]))
		a = span_skip(a, 1);
	return a;
}

bool span_word(struct span *rest, char separator, struct span *word)
{
	const char *end;

	if (rest->len == 0)
		return false;
	*word = *rest;
	end = memchr(rest->data, separator, rest->len);
	if (end == NULL) {
		*rest = span_skip(*rest, rest->len);
		return true;
	}
	word->len = (size_t)(end - rest->data);
	*rest = span_skip(*rest, word->len + 1);
	return true;
}

/* 0-15, or 16 for what is no lower-case hexadecimal digit */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return 16;
}

static int number(struct span a, unsigned base, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (a.len == 0) {
		errno = EINVAL;
		return -1;
	}
	/* what is no number at all is EINVAL, also where it would be too large as well */
	for (size_t i = 0; i < a.len; i++)
		if (digit(a.data[i]) >= base) {
			errno = EINVAL;
			return -1;
		}
	for (size_t i = 0; i < a.len; i++) {
		unsigned d = digit(a.data[i]);

		if (d > max || n > (max - d) / base) {
			errno = ERANGE;
			return -1;
		}
		n = n * base + d;
	}
	*value = n;
	return 0;
}

int span_decimal(struct span a, uint64_t max, uint64_t *value)
{
	return number(a, 10, max, value);
}

int span_hex(struct span a, uint64_t max, uint64_t *value)
{
	if (a.len > 16) {
		errno = EINVAL;
		return -1;
	}
	return number(a, 16, max, value);
}
