/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "xtext.h"

#include <ctype.h>

bool xtext_is_valid(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c < '!' || c > '~' || c == '=')
			return false;
		if (c != '+')
			continue;
		if (i + 2 >= text.len || !isxdigit((unsigned char)text.data[i + 1]) || !isxdigit((unsigned char)text.data[i + 2]))
			return false;
		i += 2;
	}
	return text.len > 0;
}

int xtext_add(struct str *out, struct span text)
{
	if (xtext_is_valid(text))
		return str_add_span(out, text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool plain = c > ' ' && c < 0x7f && c != '+' && c != '=';

		if ((plain ? str_add_char(out, (char)c) : str_printf(out, "+%02X", c)) < 0)
			return -1;
	}
	return 0;
}
