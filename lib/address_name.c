/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "address.h"
#include "address_spec.h"
#include "words.h"

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

/* Whether it can stand as it is: words with single blanks between them, none that a reader would decode. */
static bool is_phrase(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] == ' ' ? name.data[i + 1] == ' ' : !address_spec_is_text((unsigned char)name.data[i]))
			return false;
	return memmem(name.data, name.len, "=?", 2) == NULL;
}

static int put_quoted(struct str *out, struct span name)
{
	if (str_add_char(out, '"') < 0)
		return -1;
	for (size_t i = 0; i < name.len; i++)
		if (((name.data[i] == '"' || name.data[i] == '\\') && str_add_char(out, '\\') < 0) || str_add_char(out, name.data[i]) < 0)
			return -1;
	return str_add_char(out, '"');
}

static int put_clean(struct str *out, struct span name)
{
	if (!is_ascii(name))
		return words_encode(out, name);
	return is_phrase(name) ? str_add_span(out, name) : put_quoted(out, name);
}

int address_put_name(struct str *out, struct span name)
{
	struct str clean = STR_INIT(name.len);
	size_t before = out->len;
	int error = str_add_span(&clean, name);

	for (size_t i = 0; i < clean.len; i++)
		if (is_control(clean.data[i]))
			clean.data[i] = ' ';
	if (error == 0)
		error = put_clean(out, span_trim(str_span(&clean)));
	if (error < 0)
		str_cut(out, before);
	str_free(&clean);
	return error;
}
