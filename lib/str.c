/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

/* In the part of the program that the loader makes read-only: nobody may write through an empty string's data. */
char str_none[1] __attribute__((section(".data.rel.ro"))) = "";

/* realloc may leave a copy where the string was. */
static char *move(struct str *s, size_t cap)
{
	char *data;

	if (!s->secret)
		return realloc(s->cap > 0 ? s->data : NULL, cap);
	data = malloc(cap);
	if (data == NULL || s->cap == 0)
		return data;
	memcpy(data, s->data, s->len);
	explicit_bzero(s->data, s->cap);
	free(s->data);
	return data;
}

int str_reserve(struct str *s, size_t extra)
{
	size_t need, cap, limit = s->max < SIZE_MAX ? s->max + 1 : SIZE_MAX;
	char *data;

	if (s->len > s->max || extra > s->max - s->len || extra >= SIZE_MAX - s->len) {
		errno = EMSGSIZE;
		return -1;
	}
	need = s->len + extra + 1;
	if (need <= s->cap)
		return 0;
	cap = s->cap < FIRST_CAP ? FIRST_CAP : s->cap;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
	if (cap > limit)
		cap = limit;
	data = move(s, cap);
	if (data == NULL) {
		errno = ENOMEM;
		return -1;
	}
	data[s->len] = '\0';
	s->data = data;
	s->cap = cap;
	return 0;
}

static void grown(struct str *s, size_t by)
{
	s->len += by;
	s->data[s->len] = '\0';
}

int str_append(struct str *s, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (str_reserve(s, len) < 0)
		return -1;
	memcpy(s->data + s->len, data, len);
	grown(s, len);
	return 0;
}

int str_add(struct str *s, const char *text)
{
	return str_append(s, text, strlen(text));
}

int str_add_span(struct str *s, struct span text)
{
	return str_append(s, text.data, text.len);
}

int str_add_char(struct str *s, char c)
{
	return str_append(s, &c, 1);
}

static int add_number(struct str *s, uint64_t value, unsigned base, unsigned width)
{
	char digits[20];
	size_t n = 0, zeros;

	do {
		digits[sizeof(digits) - ++n] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	zeros = width > n ? width - n : 0;
	if (str_reserve(s, zeros + n) < 0)
		return -1;
	memset(s->data + s->len, '0', zeros);
	memcpy(s->data + s->len + zeros, digits + sizeof(digits) - n, n);
	grown(s, zeros + n);
	return 0;
}

int str_add_decimal(struct str *s, uint64_t value, unsigned width)
{
	return add_number(s, value, 10, width);
}

int str_add_hex(struct str *s, uint64_t value, unsigned width)
{
	return add_number(s, value, 16, width);
}

int str_vprintf(struct str *s, const char *format, va_list args)
{
	size_t room = s->cap > 0 ? s->cap - s->len : 0;
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(room > 0 ? s->data + s->len : NULL, room, format, args);
	if (n < 0 || (size_t)n >= room) {
		if (room > 0)
			s->data[s->len] = '\0';	/* as it was, if this fails */
		if (n < 0 || str_reserve(s, (size_t)n) < 0) {
			va_end(again);
			return -1;
		}
		n = vsnprintf(s->data + s->len, s->cap - s->len, format, again);
	}
	va_end(again);
	if (n < 0)
		return -1;
	grown(s, (size_t)n);
	return 0;
}

int str_printf(struct str *s, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	result = str_vprintf(s, format, args);
	va_end(args);
	return result;
}

int str_set(struct str *s, struct span text)
{
	size_t len = s->len;

	if (text.len > s->max) {
		errno = EMSGSIZE;
		return -1;
	}
	if (text.len > len && str_reserve(s, text.len - len) < 0)
		return -1;
	str_cut(s, 0);
	return str_add_span(s, text);
}

void str_cut(struct str *s, size_t len)
{
	if (len >= s->len)
		return;
	s->len = len;
	s->data[len] = '\0';
}

void str_shift(struct str *s, size_t n)
{
	if (n >= s->len) {
		str_cut(s, 0);
		return;
	}
	if (n == 0)
		return;
	memmove(s->data, s->data + n, s->len - n + 1);
	s->len -= n;
}

struct span str_span(const struct str *s)
{
	return (struct span){ s->data, s->len };
}

void str_free(struct str *s)
{
	if (s->cap > 0 && s->secret)
		explicit_bzero(s->data, s->cap);
	if (s->cap > 0)
		free(s->data);
	s->data = str_none;
	s->len = s->cap = 0;
}

void str_wipe(struct str *s)
{
	if (s->cap > 0)
		explicit_bzero(s->data, s->cap);
	str_free(s);
}
