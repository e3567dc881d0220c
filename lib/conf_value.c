/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What words of a configuration, and arguments of options, mean. */
#include "conf.h"

#include <string.h>

#include "clock.h"

struct unit {
	char letter;			/* 0 ends a table */
	uint64_t factor;
};

/* A decimal number with one of the units behind it, or none. */
static int
scaled(const char *text, const struct unit *units, uint64_t bare, uint64_t *value)
{
	struct span digits = span_of(text);
	uint64_t factor = bare, number;
	if (digits.len == 0)
		return -1;
	char last = digits.data[digits.len - 1];
	for (const struct unit *u = units; u->letter != 0; u++) {
		if (u->letter == last) {
			factor = u->factor;
			digits.len--;
			break;
		}
	}
	if (span_decimal(digits, UINT64_MAX / factor, &number) != 0)
		return -1;
	*value = number * factor;
	return 0;
}

int
conf_bytes_text(const char *text, uint64_t *value)
{
	static const struct unit units[] = {
		{ 'K', UINT64_C(1) << 10 }, { 'M', UINT64_C(1) << 20 }, { 'G', UINT64_C(1) << 30 }, { 'T', UINT64_C(1) << 40 },
		{ 'k', UINT64_C(1) << 10 }, { 'm', UINT64_C(1) << 20 }, { 'g', UINT64_C(1) << 30 }, { 't', UINT64_C(1) << 40 }, { 0, 0 },
	};
	return scaled(text, units, 1, value);
}

int
conf_duration_text(const char *text, uint64_t *microseconds)
{
	static const struct unit units[] = {
		{ 's', CLOCK_SECOND }, { 'm', 60 * CLOCK_SECOND }, { 'h', 3600 * CLOCK_SECOND }, { 'd', 86400 * CLOCK_SECOND },
		{ 'w', 604800 * CLOCK_SECOND }, { 0, 0 },
	};
	return scaled(text, units, CLOCK_SECOND, microseconds);
}

int
conf_mode_text(const char *text, mode_t *mode)
{
	unsigned value = 0;
	size_t len = strlen(text);
	if (len == 0 || len > 5 || (len == 5 && text[0] != '0'))
		return -1;
	for (const char *c = text; *c != 0; c++) {
		if (*c < '0' || *c > '7')
			return -1;
		value = value * 8 + (unsigned)(*c - '0');
	}
	*mode = (mode_t)value;
	return 0;
}

int
conf_number(const struct conf_word *word, uint64_t max, uint64_t *value)
{
	if (word->kind != CONF_PLAIN)
		return -1;
	return span_decimal((struct span){ word->text, word->len }, max, value) == 0 ? 0 : -1;
}

int
conf_bytes(const struct conf_word *word, uint64_t *value)
{
	return word->kind == CONF_PLAIN ? conf_bytes_text(word->text, value) : -1;
}

int
conf_duration(const struct conf_word *word, uint64_t *microseconds)
{
	return word->kind == CONF_PLAIN ? conf_duration_text(word->text, microseconds) : -1;
}

int
conf_mode(const struct conf_word *word, mode_t *mode)
{
	return word->kind == CONF_PLAIN ? conf_mode_text(word->text, mode) : -1;
}

int
conf_bool(const struct conf_word *word, bool *value)
{
	if (word->kind != CONF_PLAIN || (strcmp(word->text, "yes") != 0 && strcmp(word->text, "no") != 0))
		return -1;
	*value = word->text[0] == 'y';
	return 0;
}

const char *
conf_path(const struct conf_word *word)
{
	if (word->kind == CONF_PLAIN)
		return word->text;
	return strpbrk(word->raw, " \t") == NULL ? word->raw : NULL;
}

bool
conf_is_pattern(const struct conf_word *word)
{
	return word->kind != CONF_PLAIN || !word->slash;
}
