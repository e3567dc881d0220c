/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dots.h"

#include <string.h>

void dots_init(struct dots *dots)
{
	*dots = (struct dots){ .stuff = true, .header = true, .line = STR_INIT(DOTS_LINE_MAX + 1) };
}

void dots_free(struct dots *dots)
{
	str_free(&dots->line);
}

/* ---- lines to the wire ---- */

/* Bytes of one line, without any CR or LF. */
static int put(struct dots *dots, struct str *out, struct span bytes)
{
	if (!bytes.len)
		return 0;
	if (out && dots->stuff && !dots->column && *bytes.data == '.' && str_add_char(out, '.') < 0)
		return -1;
	dots->column += bytes.len;
	dots->bytes += bytes.len;
	if (dots->column > dots->longest)
		dots->longest = dots->column;
	return out ? str_add_span(out, bytes) : 0;
}

static int put_end(struct dots *dots, struct str *out)
{
	dots->column = 0;
	dots->bytes += 2;
	return out ? str_append(out, "\r\n", 2) : 0;
}

/* ---- the header ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A continuation, or a name with a colon: what message_next takes for a field. */
static bool is_header_line(struct span line)
{
	size_t n = 0;

	if (line.len && is_blank(*line.data))
		return true;
	while (n < line.len && line.data[n] > ' ' && line.data[n] < 0x7f && line.data[n] != ':')
		n++;
	if (!n)
		return false;
	while (n < line.len && is_blank(line.data[n]))
		n++;
	return n < line.len && line.data[n] == ':';
}

static int flush(struct dots *dots, struct str *out)
{
	int result = put(dots, out, str_span(&dots->line));

	str_cut(&dots->line, 0);
	return result;
}

/* Where the line can be broken: before a run of blanks that has something on both sides, so that no line of nothing but blanks comes about.  0: nowhere. */
static size_t find_fold(struct span line)
{
	size_t first = 0, fold = 0;

	while (first < line.len && is_blank(line.data[first]))
		first++;
	for (size_t i = first + 1; i < line.len; i++)
		if (!is_blank(line.data[i]) && is_blank(line.data[i - 1]))
			fold = i - 1;
	while (fold > first && is_blank(line.data[fold - 1]))
		fold--;
	return fold;
}

/* The line is longer than it may be. */
static int fold(struct dots *dots, struct str *out)
{
	size_t at = find_fold(str_span(&dots->line));

	if (!at) {
		dots->overflow = true;
		return flush(dots, out);
	}
	if (put(dots, out, (struct span){ dots->line.data, at }) < 0 || put_end(dots, out) < 0)
		return -1;
	str_shift(&dots->line, at);
	return 0;
}

/* Beyond the limit already: the next blank that something follows is where it is broken; until then blanks are held back. */
static int put_overflow(struct dots *dots, struct str *out, char c)
{
	if (is_blank(c)) {
		if (dots->line.len == DOTS_LINE_MAX && flush(dots, out) < 0)
			return -1;
		return str_add_char(&dots->line, c);
	}
	if (!dots->line.len)
		return put(dots, out, (struct span){ &c, 1 });
	dots->overflow = false;
	return put_end(dots, out) < 0 ? -1 : str_add_char(&dots->line, c);
}

static int put_header(struct dots *dots, struct str *out, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (!dots->header)
			return put(dots, out, span_skip(bytes, i));
		if (dots->overflow) {
			if (put_overflow(dots, out, bytes.data[i]) < 0)
				return -1;
			continue;
		}
		if (str_add_char(&dots->line, bytes.data[i]) < 0)
			return -1;
		if (dots->line.len <= DOTS_LINE_MAX)
			continue;
		/* Only a fold's continuation can stand at column 0 with a blank: it is a header line as well. */
		dots->header = is_header_line(str_span(&dots->line));
		if ((dots->header ? fold(dots, out) : flush(dots, out)) < 0)
			return -1;
	}
	return 0;
}

/* ---- all lines ---- */

static int end_line(struct dots *dots, struct str *out)
{
	if (dots->header) {
		if (!dots->overflow)
			dots->header = is_header_line(str_span(&dots->line));
		dots->overflow = false;
		if (flush(dots, out) < 0)
			return -1;
	}
	return put_end(dots, out);
}

static void look(struct dots *dots, struct span bytes)
{
	unsigned char high = 0;

	for (size_t i = 0; i < bytes.len; i++)
		high |= (unsigned char)bytes.data[i];
	if (high >= 0x80) {
		dots->eight_bit = true;
		dots->header_eight_bit |= dots->header;
	}
	dots->nul = dots->nul || (bytes.len && memchr(bytes.data, '\0', bytes.len));
}

static struct span cut_text(struct span bytes)
{
	const char *lf = memchr(bytes.data, '\n', bytes.len), *cr;

	if (lf)
		bytes.len = (size_t)(lf - bytes.data);
	cr = bytes.len ? memchr(bytes.data, '\r', bytes.len) : NULL;
	if (cr)
		bytes.len = (size_t)(cr - bytes.data);
	return bytes;
}

int dots_write(struct dots *dots, struct str *out, struct span bytes)
{
	while (bytes.len) {
		struct span text = cut_text(bytes);

		if (!text.len) {
			bool belongs = dots->cr && *bytes.data == '\n';

			dots->cr = *bytes.data == '\r';
			if (!belongs && end_line(dots, out) < 0)
				return -1;
			bytes = span_skip(bytes, 1);
			continue;
		}
		dots->cr = false;
		look(dots, text);
		if ((dots->header ? put_header(dots, out, text) : put(dots, out, text)) < 0)
			return -1;
		bytes = span_skip(bytes, text.len);
	}
	return 0;
}

int dots_end(struct dots *dots, struct str *out)
{
	if ((dots->line.len || dots->column) && end_line(dots, out) < 0)
		return -1;
	return out && dots->stuff ? str_append(out, ".\r\n", 3) : 0;
}
