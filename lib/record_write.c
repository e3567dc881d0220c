/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "crc32c.h"
#include "record.h"
#include "record_line.h"
#include "text.h"

static void put_hex(char *to, uint64_t value, unsigned width)
{
	for (; width > 0; value >>= 4)
		to[--width] = "0123456789abcdef"[value & 15];
}

static void put_decimal(char *to, uint64_t value, unsigned width)
{
	for (; width > 0; value /= 10)
		to[--width] = (char)('0' + value % 10);
}

void record_mark_text(char text[static RECORD_MARK_LEN], uint64_t mark)
{
	put_hex(text, mark, RECORD_MARK_LEN);
}

uint32_t record_line_crc(const char *data, size_t len, size_t at_crc)
{
	uint32_t crc = crc32c(0, data, at_crc);

	crc = crc32c(crc, "00000000", RECORD_CRC_LEN);
	return crc32c(crc, data + at_crc + RECORD_CRC_LEN, len - at_crc - RECORD_CRC_LEN);
}

uint32_t record_body_crc(uint64_t mark)
{
	char text[RECORD_MARK_LEN];

	record_mark_text(text, mark);
	return crc32c(0, text, sizeof text);
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int check(const struct record_header *h, uint64_t body_len)
{
	struct span origin = h->origin;

	/* What could not be read back must not be written. */
	if (body_len > RECORD_LENGTH_MAX || h->committed > INT64_MAX)
		return fail(EMSGSIZE);
	if (h->envelope->count == 0 || h->pid < 0 || origin.len == 0 || !text_is_clean(origin, ENVELOPE_VALUE_MAX / 2) ||
	    memchr(origin.data, ' ', origin.len) != NULL)
		return fail(EINVAL);
	if (h->key.len != RECORD_KEY_LEN && !span_is(h->key, "-"))
		return fail(EINVAL);
	for (size_t i = 0; h->key.len > 1 && i < h->key.len; i++)
		if (memchr("0123456789abcdef", h->key.data[i], 16) == NULL)
			return fail(EINVAL);
	return 0;
}

static int add_line(struct str *out, const char *name, struct span value)
{
	if (str_add(out, name) < 0 || str_add_char(out, ' ') < 0 || str_add_span(out, value) < 0 || str_add_char(out, '\n') < 0)
		return -1;
	return 0;
}

static int add_number(struct str *out, const char *name, uint64_t value)
{
	if (str_add(out, name) < 0 || str_add_char(out, ' ') < 0 || str_add_decimal(out, value, 1) < 0 || str_add_char(out, '\n') < 0)
		return -1;
	return 0;
}

static int add_lines(struct str *out, const struct record_header *h)
{
	char id[ID_TEXT_MAX];

	id_text(h->id, id);
	if (add_line(out, "id", span_of(id)) < 0 || add_number(out, "arrival", h->arrival) < 0 ||
	    add_number(out, "committed", h->committed) < 0 || add_line(out, "key", h->key) < 0)
		return -1;
	if (str_add(out, "origin ") < 0 || str_add_span(out, h->origin) < 0 ||
	    str_printf(out, " uid=%lu pid=%ld\n", (unsigned long)h->uid, (long)h->pid) < 0)
		return -1;
	if (str_add_span(out, str_span(&h->envelope->lines)) < 0 || add_line(out, "sender", str_span(&h->envelope->sender)) < 0 ||
	    str_add_span(out, str_span(&h->envelope->rcpts)) < 0)
		return -1;
	return str_add_char(out, '\n');
}

int record_build(struct str *out, const struct record_header *header, uint64_t body_len, uint32_t body_crc)
{
	size_t before = out->len, len;
	char line[RECORD_LINE];

	if (check(header, body_len) < 0)
		return -1;
	memset(line, ' ', sizeof line);
	memcpy(line, RECORD_WORD "1", sizeof RECORD_WORD "1" - 1);
	record_mark_text(line + RECORD_AT_MARK, header->mark);
	line[RECORD_LINE - 1] = '\n';
	if (str_append(out, line, sizeof line) < 0 || add_lines(out, header) < 0) {
		str_cut(out, before);
		return -1;
	}
	len = out->len - before;
	if (len > RECORD_HEADER_MAX) {
		str_cut(out, before);
		return fail(EMSGSIZE);
	}
	record_seal(out->data + before, len, body_len, body_crc);
	return 0;
}

void record_seal(char *header, size_t header_len, uint64_t body_len, uint32_t body_crc)
{
	put_decimal(header + RECORD_AT_HLEN, header_len, RECORD_HLEN_LEN);
	put_decimal(header + RECORD_AT_BLEN, body_len, RECORD_LENGTH_LEN);
	put_hex(header + RECORD_AT_BCRC, body_crc, RECORD_CRC_LEN);
	put_hex(header + RECORD_AT_HCRC, record_line_crc(header, header_len, RECORD_AT_HCRC), RECORD_CRC_LEN);
}

int record_end_mark(struct str *out, uint64_t mark, uint64_t length)
{
	char line[RECORD_END_LINE];

	if (length > RECORD_LENGTH_MAX)
		return fail(EMSGSIZE);
	memset(line, ' ', sizeof line);
	memcpy(line, RECORD_END_WORD "1", sizeof RECORD_END_WORD "1" - 1);
	record_mark_text(line + RECORD_END_AT_MARK, mark);
	put_decimal(line + RECORD_END_AT_LENGTH, length, RECORD_LENGTH_LEN);
	line[RECORD_END_LINE - 1] = '\n';
	put_hex(line + RECORD_END_AT_CRC, record_line_crc(line, sizeof line, RECORD_END_AT_CRC), RECORD_CRC_LEN);
	return str_append(out, line, sizeof line);
}
