/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "offer.h"

static const struct keyword {
	const char *name;
	unsigned flag;
} keywords[] = {
	{ "PIPELINING", OFFER_PIPELINING }, { "8BITMIME", OFFER_8BITMIME }, { "SMTPUTF8", OFFER_SMTPUTF8 }, { "CHUNKING", OFFER_CHUNKING },
	{ "DSN", OFFER_DSN }, { "STARTTLS", OFFER_STARTTLS }, { "SIZE", OFFER_SIZE }, { "AUTH", OFFER_AUTH },
};

void offer_init(struct offer *offer)
{
	*offer = (struct offer){ .mechanisms = STR_INIT(OFFER_MECHANISMS_MAX) };
}

void offer_free(struct offer *offer)
{
	str_free(&offer->mechanisms);
}

void offer_clear(struct offer *offer)
{
	offer->flags = 0;
	offer->size = 0;
	str_cut(&offer->mechanisms, 0);
}

/* "AUTH PLAIN LOGIN", and "AUTH=PLAIN LOGIN" as servers write it for old clients, may both be there. */
static int add_mechanisms(struct str *list, struct span words)
{
	struct span word;

	while (span_word(&words, ' ', &word)) {
		if (!word.len)
			continue;
		if (list->len + word.len + 1 > list->max)
			return 0;
		if ((list->len && str_add_char(list, ' ') < 0) || str_add_span(list, word) < 0)
			return -1;
	}
	return 0;
}

static int read_line(struct offer *offer, struct span line)
{
	struct span rest = line, word;
	unsigned flag = 0;

	if (line.len > 5 && span_is_nocase((struct span){ line.data, 5 }, "AUTH=")) {
		offer->flags |= OFFER_AUTH;
		return add_mechanisms(&offer->mechanisms, span_skip(line, 5));
	}
	if (!span_word(&rest, ' ', &word))
		return 0;
	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
		if (span_is_nocase(word, keywords[i].name))
			flag = keywords[i].flag;
	offer->flags |= flag;
	if (flag == OFFER_SIZE && span_decimal(span_trim(rest), UINT64_MAX, &offer->size) < 0)
		offer->size = 0;
	return flag == OFFER_AUTH ? add_mechanisms(&offer->mechanisms, rest) : 0;
}

/* The first line greets. */
int offer_read(struct offer *offer, const struct reply *reply)
{
	struct span rest = str_span(&reply->text), line;

	offer_clear(offer);
	if (!reply_line(&rest, &line))
		return 0;
	while (reply_line(&rest, &line))
		if (read_line(offer, span_trim(line)) < 0)
			return -1;
	return 0;
}

int offer_text(const struct offer *offer, struct str *out)
{
	const char *between = "";

	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
		if (!(offer->flags & keywords[i].flag))
			continue;
		if (str_add(out, between) < 0 || str_add(out, keywords[i].name) < 0)
			return -1;
		if (keywords[i].flag == OFFER_SIZE && offer->size && str_printf(out, "=%llu", (unsigned long long)offer->size) < 0)
			return -1;
		if (keywords[i].flag == OFFER_AUTH && str_printf(out, " (%s)", offer->mechanisms.data) < 0)
			return -1;
		between = " ";
	}
	return 0;
}
