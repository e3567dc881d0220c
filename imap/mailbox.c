/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailbox.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int refuse(void)
{
	errno = EINVAL;
	return -1;
}

/* Takes a character of strict UTF-8: no overlong forms, no surrogates.  -1 where it is none. */
static int take_utf8(struct span *rest, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)*rest->data;
	size_t more = first < 0x80 ? 0 : first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc0 && first < 0xe0 ? 1 : 4;
	uint32_t c = first < 0x80 ? first : first & (0x3fU >> more);

	if (more == 4 || rest->len <= more)
		return refuse();
	for (size_t i = 1; i <= more; i++) {
		unsigned char next = (unsigned char)rest->data[i];

		if ((next & 0xc0) != 0x80)
			return refuse();
		c = c << 6 | (next & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return refuse();
	*character = c;
	*rest = span_skip(*rest, more + 1);
	return 0;
}

static int put_utf8(struct str *out, uint32_t c)
{
	char bytes[4];
	size_t len;

	if (c < 0x800) {
		bytes[0] = (char)(0xc0 | c >> 6);
		len = 2;
	} else if (c < 0x10000) {
		bytes[0] = (char)(0xe0 | c >> 12);
		bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		len = 3;
	} else {
		bytes[0] = (char)(0xf0 | c >> 18);
		bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
		len = 4;
	}
	bytes[len - 1] = (char)(0x80 | (c & 0x3f));
	return str_append(out, bytes, len);
}

static bool is_plain(uint32_t c)
{
	return c >= 0x20 && c < 0x7f;
}

struct shift {				/* the base 64 of a run of other characters */
	bool open;
	uint32_t bits;
	unsigned count;			/* bits that wait, below 6 */
};

static int put_unit(struct str *out, struct shift *shift, uint32_t unit)
{
	shift->bits = shift->bits << 16 | unit;
	shift->count += 16;
	for (; shift->count >= 6; shift->count -= 6)
		if (str_add_char(out, alphabet[shift->bits >> (shift->count - 6) & 0x3f]) < 0)
			return -1;
	return 0;
}

static int close_shift(struct str *out, struct shift *shift)
{
	if (!shift->open)
		return 0;
	if (shift->count && str_add_char(out, alphabet[shift->bits << (6 - shift->count) & 0x3f]) < 0)
		return -1;
	*shift = (struct shift){ .open = false };
	return str_add_char(out, '-');
}

static int put_shifted(struct str *out, struct shift *shift, uint32_t c)
{
	if (!shift->open && str_add_char(out, '&') < 0)
		return -1;
	shift->open = true;
	if (c < 0x10000)
		return put_unit(out, shift, c);
	c -= 0x10000;
	return put_unit(out, shift, 0xd800 | c >> 10) < 0 || put_unit(out, shift, 0xdc00 | (c & 0x3ff)) < 0 ? -1 : 0;
}

int mailbox_encode(struct str *out, struct span utf8)
{
	struct shift shift = { .open = false };
	uint32_t c;

	while (utf8.len) {
		if (take_utf8(&utf8, &c) < 0)
			return -1;
		if (!is_plain(c)) {
			if (put_shifted(out, &shift, c) < 0)
				return -1;
		} else if (close_shift(out, &shift) < 0 || str_add_char(out, (char)c) < 0 || (c == '&' && str_add_char(out, '-') < 0)) {
			return -1;
		}
	}
	return close_shift(out, &shift);
}

/* One 16-bit unit of a run; a high surrogate waits for its other half. */
static int take_unit(struct str *out, uint32_t unit, uint32_t *high)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;

	if (low != (*high != 0))
		return refuse();
	if (low) {
		uint32_t c = 0x10000 + ((*high & 0x3ff) << 10) + (unit & 0x3ff);

		*high = 0;
		return put_utf8(out, c);
	}
	if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
		return 0;
	}
	if (is_plain(unit))
		return refuse();
	return unit < 0x80 ? str_add_char(out, (char)unit) : put_utf8(out, unit);
}

static int decode_run(struct str *out, struct span run)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (size_t i = 0; i < run.len; i++) {
		const char *at = run.data[i] ? strchr(alphabet, run.data[i]) : NULL;

		if (!at)
			return refuse();
		bits = bits << 6 | (uint32_t)(at - alphabet);
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		if (take_unit(out, bits >> count & 0xffff, &high) < 0)
			return -1;
	}
	/* what is left over must be less than a sextet of zero bits */
	return high || count >= 6 || (bits & ((1U << count) - 1)) ? refuse() : 0;
}

int mailbox_decode(struct str *out, struct span wire)
{
	bool behind_run = false;

	while (wire.len) {
		const char *close;
		struct span run;

		if (*wire.data != '&') {
			if (!is_plain((unsigned char)*wire.data) || str_add_char(out, *wire.data) < 0)
				return refuse();
			behind_run = false;
			wire = span_skip(wire, 1);
			continue;
		}
		close = memchr(wire.data, '-', wire.len);
		if (!close)
			return refuse();
		run = (struct span){ wire.data + 1, (size_t)(close - wire.data) - 1 };
		wire = span_skip(wire, run.len + 2);
		if (!run.len) {
			behind_run = false;
			if (str_add_char(out, '&') < 0)
				return -1;
			continue;
		}
		/* two runs that touch should have been one */
		if (behind_run || decode_run(out, run) < 0)
			return refuse();
		behind_run = true;
	}
	return 0;
}

/* ---- the wire form of a configured name ---- */

static int put_level(struct str *out, struct span level, char separator, bool utf8)
{
	if (!level.len)
		return refuse();
	for (size_t i = 0; i < level.len; i++)
		if ((unsigned char)level.data[i] < ' ' || level.data[i] == 0x7f || (separator && separator != '/' && level.data[i] == separator))
			return refuse();
	return utf8 ? str_add_span(out, level) : mailbox_encode(out, level);
}

int mailbox_wire(struct str *out, struct span name, char separator, struct span prefix, bool utf8)
{
	struct span rest = name, level;
	bool first = true;

	if (!name.len || name.data[name.len - 1] == '/')
		return refuse();
	while (span_word(&rest, '/', &level)) {
		bool inbox = first && span_is_nocase(level, "INBOX");

		if (!first && (!separator || str_add_char(out, separator) < 0))
			return refuse();
		if (first && !inbox && str_add_span(out, prefix) < 0)
			return -1;
		if (inbox ? str_add(out, "INBOX") < 0 : put_level(out, level, separator, utf8) < 0)
			return -1;
		first = false;
	}
	return 0;
}

int mailbox_quote(struct str *out, struct span text, bool utf8)
{
	for (size_t i = 0; i < text.len; i++)
		if ((!utf8 && (unsigned char)text.data[i] >= 0x80) || !text.data[i] || text.data[i] == '\r' || text.data[i] == '\n')
			return refuse();
	if (str_add_char(out, '"') < 0)
		return -1;
	for (size_t i = 0; i < text.len; i++)
		if (((text.data[i] == '"' || text.data[i] == '\\') && str_add_char(out, '\\') < 0) || str_add_char(out, text.data[i]) < 0)
			return -1;
	return str_add_char(out, '"');
}
