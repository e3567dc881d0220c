/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "import_date.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"

#define YEAR_MAX 9999

struct parts {
	unsigned day, month, year;	/* month from 1; 0: not found yet */
	unsigned hour, minute, second;
	bool has_time, has_zone;
	int zone;			/* minutes east */
};

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* The place of a word in a list of three-letter names, from 1; 0: in none. */
static unsigned find_name(struct span word, const char *const *names, size_t count)
{
	for (unsigned i = 0; i < count && word.len >= 3; i++)
		if (!strncasecmp(word.data, names[i], 3))
			return i + 1;
	return 0;
}

static bool take_number(struct span *text, unsigned *value)
{
	size_t i = 0;

	*value = 0;
	for (; i < text->len && i < 4 && text->data[i] >= '0' && text->data[i] <= '9'; i++)
		*value = *value * 10 + (unsigned)(text->data[i] - '0');
	*text = span_skip(*text, i);
	return i > 0;
}

/* 6:00:51 or 6:00 */
static bool read_time(struct span word, struct parts *parts)
{
	if (!take_number(&word, &parts->hour) || !word.len || *word.data != ':')
		return false;
	word = span_skip(word, 1);
	if (!take_number(&word, &parts->minute))
		return false;
	if (word.len && *word.data == ':') {
		word = span_skip(word, 1);
		if (!take_number(&word, &parts->second))
			return false;
	}
	parts->has_time = parts->hour < 24 && parts->minute < 60 && parts->second <= 60;
	return parts->has_time;
}

static void read_zone(struct span word, struct parts *parts)
{
	uint64_t value;

	if (word.len == 5 && (*word.data == '+' || *word.data == '-') && !span_decimal(span_skip(word, 1), 9999, &value)) {
		parts->zone = (int)(value / 100 * 60 + value % 100) * (*word.data == '-' ? -1 : 1);
		parts->has_zone = true;
	} else if (span_is_nocase(word, "GMT") || span_is_nocase(word, "UT") || span_is_nocase(word, "UTC") || span_is(word, "Z")) {
		parts->has_zone = true;
	}
}

static void read_day_or_year(struct span word, struct parts *parts)
{
	uint64_t value;

	if (span_decimal(word, YEAR_MAX, &value) < 0)
		return;
	if (word.len <= 2 && !parts->day)
		parts->day = (unsigned)value;
	else if (!parts->year && word.len == 4)
		parts->year = (unsigned)value;
	else if (!parts->year && word.len == 2)		/* RFC 5322 section 4.3 */
		parts->year = (unsigned)value + (value < 50 ? 2000 : 1900);
}

static void read_word(struct span word, struct parts *parts)
{
	if (memchr(word.data, ':', word.len))
		read_time(word, parts);
	else if (!parts->has_zone)
		read_zone(word, parts);
	if (!parts->month)
		parts->month = find_name(word, months, 12);
	read_day_or_year(word, parts);
}

static int finish(const struct parts *parts, uint64_t *date)
{
	struct tm tm = { .tm_year = (int)parts->year - 1900, .tm_mon = (int)parts->month - 1, .tm_mday = (int)parts->day,
		.tm_hour = (int)parts->hour, .tm_min = (int)parts->minute, .tm_sec = (int)parts->second, .tm_isdst = -1 };
	time_t seconds;

	if (!parts->month || parts->day < 1 || parts->day > 31 || parts->year < 1970 || !parts->has_time)
		return -1;
	seconds = parts->has_zone ? timegm(&tm) - parts->zone * 60 : mktime(&tm);
	if (seconds < 0)
		return -1;
	*date = (uint64_t)seconds * CLOCK_SECOND;
	return 0;
}

/* A hyphen parts words only behind a digit or letter and before one ("21-Nov-2026"): elsewhere it is a zone's sign. */
static bool parts_words(struct span text, size_t i)
{
	char c = text.data[i];

	if (c == '-')
		return i && text.data[i - 1] != ' ' && i + 1 < text.len && text.data[i + 1] != ' ';
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

int import_date_read(struct span text, uint64_t *date)
{
	struct parts parts = { .day = 0 };
	size_t from = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.data[i] == '(')
			text.len = i;		/* a comment at the end */
		if (i < text.len && !parts_words(text, i))
			continue;
		if (i > from)
			read_word((struct span){ text.data + from, i - from }, &parts);
		from = i + 1;
	}
	return finish(&parts, date);
}

/* An address may hold blanks, and words that look like a date's: it ends where a day's name is followed by a month's. */
int import_date_from_line(struct span line, uint64_t *date)
{
	struct span rest, word, next, behind;

	if (!span_starts(line, "From "))
		return -1;
	rest = span_trim(span_skip(line, 5));
	for (struct span at = rest; span_word(&rest, ' ', &word); at = rest) {
		behind = rest;
		if (word.len == 3 && find_name(word, days, 7) && span_word(&behind, ' ', &next) && next.len == 3 && find_name(next, months, 12) && !import_date_read(at, date))
			return 0;
	}
	return -1;
}
