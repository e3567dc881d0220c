/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "frame.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The length at the head: *head bytes of it, *size what it says. */
static enum frame_result take_length(const char *data, size_t len, size_t *head, size_t *size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == ':' && i > 0) {
			*head = i + 1;
			*size = n;
			return FRAME_WHOLE;
		}
		if (data[i] < '0' || data[i] > '9' || (i == 0 && data[i] == '0'))
			return FRAME_BAD;
		n = n * 10 + (size_t)(data[i] - '0');
		if (n > FRAME_MAX)	/* so that there are five digits at most */
			return FRAME_BAD;
	}
	return FRAME_MORE;
}

enum frame_result frame_take(const char *data, size_t len, struct frame *frame, size_t *used)
{
	size_t head, size;
	enum frame_result result = take_length(data, len, &head, &size);

	if (result != FRAME_WHOLE)
		return result;
	if (len - head <= size)
		return FRAME_MORE;
	if (data[head + size] != ',')
		return FRAME_BAD;
	frame->type = data[head];
	frame->value.data = data + head + 1;
	frame->value.len = size - 1;
	*used = head + size + 1;
	return FRAME_WHOLE;
}

size_t frame_size(const char *data, size_t len)
{
	size_t head, size;

	return take_length(data, len, &head, &size) == FRAME_WHOLE ? head + size + 1 : 0;
}

/* Length, colon and type of a frame whose value has len bytes, and room for the value and the comma */
static int put_head(struct str *out, char type, size_t len)
{
	size_t head = 0;

	if (len > FRAME_MAX - 1) {
		errno = EMSGSIZE;
		return -1;
	}
	for (size_t n = len + 1; n > 0; n /= 10)
		head++;
	if (str_reserve(out, head + 2 + len + 1) < 0)
		return -1;
	return str_add_decimal(out, len + 1, 0) < 0 || str_add_char(out, ':') < 0 || str_add_char(out, type) < 0 ? -1 : 0;
}

int frame_put(struct str *out, char type, struct span value)
{
	if (put_head(out, type, value.len) < 0)
		return -1;
	return str_add_span(out, value) < 0 || str_add_char(out, ',') < 0 ? -1 : 0;
}

int frame_vprintf(struct str *out, char type, const char *format, va_list args)
{
	char small[256];
	size_t before = out->len;
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(small, sizeof(small), format, args);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		va_end(again);
		return frame_put(out, type, (struct span){ small, (size_t)n });
	}
	/* seldom: formatted a second time, behind a head that knows the length */
	if (n < 0 || put_head(out, type, (size_t)n) < 0 || str_vprintf(out, format, again) < 0 || str_add_char(out, ',') < 0) {
		va_end(again);
		str_cut(out, before);
		return -1;
	}
	va_end(again);
	return 0;
}

int frame_printf(struct str *out, char type, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	result = frame_vprintf(out, type, format, args);
	va_end(args);
	return result;
}
