/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "conceal.h"

#include <string.h>
#include <strings.h>

#define WINDOW 12U			/* as much of a long one tells too much */
#define MASK "****"

void conceal_add(struct conceal *conceal, struct span secret)
{
	uint32_t len = (uint32_t)secret.len;

	if (secret.len == 0 || conceal->pieces.max == 0)
		return;
	if (secret.len > CONCEAL_MAX || str_reserve(&conceal->pieces, sizeof len + secret.len) < 0) {
		conceal_forget(conceal);
		conceal->pieces.max = 0;
		return;
	}
	(void)str_append(&conceal->pieces, &len, sizeof len);
	(void)str_append(&conceal->pieces, secret.data, secret.len);
}

void conceal_forget(struct conceal *conceal)
{
	str_free(&conceal->pieces);
	conceal->pieces.max = CONCEAL_MAX;
}

/* How many bytes at the head of text are a secret's, or a part's that is long enough. */
static size_t match_one(struct span secret, struct span text)
{
	size_t window = secret.len < WINDOW ? secret.len : WINDOW;

	if (text.len < window)
		return 0;
	for (size_t at = 0; at + window <= secret.len; at++)
		if (strncasecmp(secret.data + at, text.data, window) == 0)
			return window;
	return 0;
}

static size_t match(const struct conceal *conceal, struct span text)
{
	struct span rest = str_span(&conceal->pieces);
	size_t longest = 0;

	while (rest.len > sizeof (uint32_t)) {
		uint32_t len;
		size_t found;

		memcpy(&len, rest.data, sizeof len);
		rest = span_skip(rest, sizeof len);
		found = match_one((struct span){ rest.data, len }, text);
		longest = found > longest ? found : longest;
		rest = span_skip(rest, len);
	}
	return longest;
}

int conceal_text(const struct conceal *conceal, struct span text, struct str *out)
{
	size_t hidden = 0;		/* bytes from here on that are not shown */
	bool inside = false;

	if (conceal->pieces.max == 0)
		return str_add(out, MASK);
	if (conceal->pieces.len == 0)
		return str_add_span(out, text);
	for (size_t i = 0; i < text.len; i++) {
		size_t found = match(conceal, span_skip(text, i));

		hidden = found > hidden ? found : hidden;
		if (hidden == 0 ? str_add_char(out, text.data[i]) < 0 : !inside && str_add(out, MASK) < 0)
			return -1;
		inside = hidden > 0;
		hidden -= inside;
	}
	return 0;
}
