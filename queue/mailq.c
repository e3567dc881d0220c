/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailq.h"

#include "clock.h"

static void begin(struct mailq_out *out)
{
	if (!out->begun)
		out->printer->begin(out);
	out->begun = true;
}

void mailq_message(struct mailq_out *out, const struct mailq_message *message)
{
	begin(out);
	out->recipients = 0;
	out->printer->message(out, message);
	if (!out->messages || message->arrival < out->oldest)
		out->oldest = message->arrival;
	out->messages++;
	out->bytes += message->size;
}

void mailq_recipient(struct mailq_out *out, const struct mailq_recipient *recipient)
{
	out->printer->recipient(out, recipient);
	out->recipients++;
}

void mailq_end(struct mailq_out *out)
{
	begin(out);
	out->printer->end(out);
}

int32_t mailq_character(struct span *rest)
{
	static const struct { unsigned char mask, lead; int32_t least; } forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
	};
	const unsigned char *data = (const unsigned char *)rest->data;
	size_t form = 0, i;
	int32_t c;

	while (form < 4 && (data[0] & forms[form].mask) != forms[form].lead)
		form++;
	if (form == 4 || form >= rest->len)
		goto bad;
	c = data[0] & (unsigned char)~forms[form].mask;
	for (i = 1; i <= form; i++) {
		if ((data[i] & 0xc0) != 0x80)
			goto bad;
		c = c << 6 | (data[i] & 0x3f);
	}
	if (c < forms[form].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		goto bad;
	*rest = span_skip(*rest, form + 1);
	return c;
bad:
	*rest = span_skip(*rest, 1);
	return -1;
}

/* Controls, and the characters that turn the direction of what follows. */
static bool is_safe(int32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\')
		return false;
	return !(c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff);
}

int mailq_put_safe(struct str *out, struct span value)
{
	int result = 0;

	while (value.len && !result) {
		struct span rest = value;
		int32_t c = mailq_character(&rest);

		if (c >= 0 && is_safe(c))
			result = str_append(out, value.data, (size_t)(rest.data - value.data));
		else if (c > 0x7f)
			result = str_printf(out, "\\u{%04x}", (unsigned)c);
		else
			result = str_printf(out, "\\x%02x", (unsigned)(unsigned char)*value.data);
		value = rest;
	}
	return result;
}

int mailq_put_json(struct str *out, struct span value)
{
	int result = str_add_char(out, '"');

	while (value.len && !result) {
		struct span rest = value;
		int32_t c = mailq_character(&rest);

		if (c < 0)
			result = str_add(out, "\\ufffd");
		else if (c == '"' || c == '\\')
			result = str_printf(out, "\\%c", (char)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			result = str_printf(out, "\\u%04x", (unsigned)c);
		else
			result = str_append(out, value.data, (size_t)(rest.data - value.data));
		value = rest;
	}
	return result < 0 ? -1 : str_add_char(out, '"');
}

int mailq_put_duration(struct str *out, uint64_t microseconds)
{
	static const struct { uint64_t seconds; char letter; } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t seconds = microseconds / CLOCK_SECOND;
	size_t i = 0;

	while (i < 3 && seconds < units[i].seconds)
		i++;
	if (str_printf(out, "%llu%c", (unsigned long long)(seconds / units[i].seconds), units[i].letter) < 0)
		return -1;
	/* A second unit where the first is coarse: 3h20m, but 12m and 40s. */
	seconds %= units[i].seconds;
	if (i > 1 || seconds < units[i + 1].seconds)
		return 0;
	return str_printf(out, "%llu%c", (unsigned long long)(seconds / units[i + 1].seconds), units[i + 1].letter);
}
