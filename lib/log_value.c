/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a line is put together, and how text from outside is kept from looking like more than one value of one line. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log_internal.h"

/* Kept free at a line's end: a quote, a bracket, " ..." and the newline always fit. */
#define TAIL 8

/* A piece that is written whole or not at all; the first that does not fit closes the line to all others. */
static bool
put(struct log_line *line, const char *text, size_t len)
{
	if (line->full || line->len + len > sizeof line->text - TAIL) {
		line->full = true;
		return false;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
	return true;
}

static void
put_tail(struct log_line *line, const char *text)
{
	size_t len = strlen(text);
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

/* Characters that a terminal or a line-splitting reader may act on: C1 controls, line separators, directional overrides. */
static bool
is_harmful(uint32_t c)
{
	return c < 0xa0 || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0x61c ||
	    c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

/* Length of the UTF-8 character (RFC 3629) at the head of text that may stand as it is; 0 if there is none. */
static size_t
utf8_length(struct span text)
{
	unsigned char first = (unsigned char)text.data[0];
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (first < 0xc2 || first > 0xf4 || text.len < len)
		return 0;
	uint32_t c = first & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		unsigned char byte = (unsigned char)text.data[i];
		if ((byte & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (byte & 0x3fU);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || is_harmful(c))
		return 0;
	return len;
}

static bool
is_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\'' && c != '\\';
}

static bool
needs_quotes(struct span value, bool brackets)
{
	for (size_t i = 0; i < value.len; i++)
		if (!is_plain(value.data[i]) || (brackets && (value.data[i] == '<' || value.data[i] == '>')))
			return true;
	return value.len == 0 && !brackets;
}

/* The inside of quotes. */
static void
put_escaped(struct log_line *line, struct span value)
{
	size_t limit = line->len + LOG_VALUE_MAX;
	while (value.len > 0 && !line->full) {
		unsigned char c = (unsigned char)value.data[0];
		char escaped[5];
		const char *piece = value.data;
		size_t from = 1, len = 1;
		if (c >= 0x80 && (from = len = utf8_length(value)) == 0)
			from = 1;
		if (len == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			len = (size_t)snprintf(escaped, sizeof escaped, "\\x%02X", c);
			piece = escaped;
		}
		if (line->len + len > limit) {
			put(line, "...", 3);
			return;
		}
		put(line, piece, len);
		value = span_skip(value, from);
	}
}

static void
put_value(struct log_line *line, struct span value, bool brackets)
{
	if (needs_quotes(value, brackets)) {
		if (!put(line, brackets ? "\"<" : "\"", brackets ? 2 : 1))
			return;
		put_escaped(line, value);
		put_tail(line, brackets ? ">\"" : "\"");
	} else {
		if (brackets && !put(line, "<", 1))
			return;
		put_escaped(line, value);
		if (brackets)
			put_tail(line, ">");
	}
}

/* " key=".  False where the line is full. */
static bool
put_key(struct log_line *line, const char *key)
{
	size_t len = strlen(key);
	if (!line->full && line->len + len + 2 > sizeof line->text - TAIL)
		line->full = true;
	return put(line, " ", 1) && put(line, key, len) && put(line, "=", 1);
}

void
log_begin(struct log_line *line, struct log *log, const char *event)
{
	line->log = log;
	line->full = false;
	line->len = log != NULL ? log_prefix(log, event, line->text, sizeof line->text - TAIL) : 0;
	put(line, event, strlen(event));
}

void
log_str(struct log_line *line, const char *key, struct span value)
{
	if (put_key(line, key))
		put_value(line, value, false);
}

void
log_word(struct log_line *line, const char *key, const char *value)
{
	log_str(line, key, span_of(value));
}

void
log_address(struct log_line *line, const char *key, struct span address)
{
	if (put_key(line, key))
		put_value(line, address, true);
}

void
log_id(struct log_line *line, struct id id)
{
	char text[ID_TEXT_MAX];
	id_text(id, text);
	log_word(line, "id", text);
}

void
log_num(struct log_line *line, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	log_word(line, key, text);
}

void
log_seconds(struct log_line *line, const char *key, uint64_t microseconds)
{
	char text[32];
	snprintf(text, sizeof text, "%llu.%02u", (unsigned long long)(microseconds / CLOCK_SECOND),
	    (unsigned)(microseconds % CLOCK_SECOND / 10000));
	log_word(line, key, text);
}

/* The two largest units say enough: 1h30m, 5d, 45s. */
void
log_span(struct log_line *line, const char *key, uint64_t microseconds)
{
	static const struct { unsigned seconds; char letter; } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t seconds = microseconds / CLOCK_SECOND;
	char text[48] = "0s";
	size_t len = 0, first = sizeof units;
	for (size_t i = 0; i < sizeof units / sizeof units[0] && i <= first + 1; i++) {
		uint64_t n = seconds / units[i].seconds;
		seconds %= units[i].seconds;
		if (n == 0)
			continue;
		if (len == 0)
			first = i;
		len += (size_t)snprintf(text + len, sizeof text - len, "%llu%c", (unsigned long long)n, units[i].letter);
	}
	log_word(line, key, text);
}

void
log_text(struct log_line *line, struct span text)
{
	if (!put(line, " \"", 2))
		return;
	put_escaped(line, text);
	put_tail(line, "\"");
}

void
log_end(struct log_line *line)
{
	if (line->full)
		put_tail(line, " ...");
	put_tail(line, "\n");
	if (line->log != NULL)
		log_put(line->log, line->text, line->len);
}

void
log_event(struct log *log, const char *event, const char *format, ...)
{
	char text[LOG_VALUE_MAX + 1];
	struct log_line line;
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	log_begin(&line, log, event);
	log_text(&line, span_of(text));
	log_end(&line);
}

void
log_errno(struct log *log, const char *format, ...)
{
	int saved = errno;
	char text[LOG_VALUE_MAX + 1];
	struct log_line line;
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len >= 0 && (size_t)len < sizeof text)
		snprintf(text + len, sizeof text - (size_t)len, ": %s", strerror(saved));
	log_begin(&line, log, "error");
	log_text(&line, span_of(text));
	log_end(&line);
	errno = saved;
}
