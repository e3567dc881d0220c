/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "attributes.h"

#include <string.h>
#include <strings.h>

#include "text.h"
#include "xtext.h"

struct choice {
	const char *text, *value;
};

static int add(struct envelope *e, const char *name, const char *value)
{
	return envelope_add_attribute(e, span_of(name), span_of(value));
}

static int add_choice(struct envelope *e, const char *name, const char *given, const struct choice *choices, bool *known)
{
	for (*known = true; choices->text; choices++)
		if (strcasecmp(given, choices->text) == 0)
			return add(e, name, choices->value);
	*known = false;
	return 0;
}

/* Envelopes keep it in xtext, as SMTP says it; what was typed otherwise is put so. */
static int add_envid(struct envelope *e, struct span text)
{
	struct str out = STR_INIT(ENVELOPE_VALUE_MAX * 3 + 1);
	int result = xtext_add(&out, text);

	if (!result)
		result = add(e, "envid", out.data);
	str_free(&out);
	return result;
}

int attributes_message(struct envelope *e, const struct options *o, char *passed_over)
{
	static const struct choice bodies[] = { { "8BITMIME", "8BITMIME" }, { "7BIT", "7BIT" }, { NULL, NULL } };
	static const struct choice rets[] = { { "full", "FULL" }, { "hdrs", "HDRS" }, { NULL, NULL } };
	bool known = true;

	*passed_over = 0;
	if (o->body && add_choice(e, "body", o->body, bodies, &known) < 0)
		return -1;
	if (!known)
		*passed_over = 'B';
	if (o->ret && add_choice(e, "ret", o->ret, rets, &known) < 0)
		return -1;
	if (!known)
		*passed_over = 'R';
	if (!o->envid || o->envid[0] == '\0')
		return 0;
	if (!text_is_clean(span_of(o->envid), ENVELOPE_VALUE_MAX / 3)) {	/* what xtext makes of it fits */
		*passed_over = 'V';
		return 0;
	}
	return add_envid(e, span_of(o->envid));
}

void attributes_notify(const char *text, char notify[static ATTRIBUTES_NOTIFY_MAX])
{
	static const char *const names[] = { "SUCCESS", "FAILURE", "DELAY" };
	struct span rest = span_of(text), word;
	unsigned asked = 0;
	size_t i;

	notify[0] = '\0';
	while (span_word(&rest, ',', &word)) {
		word = span_trim(word);
		if (span_is_nocase(word, "NEVER")) {
			memcpy(notify, "NEVER", sizeof "NEVER");
			return;
		}
		for (i = 0; i < 3; i++)
			if (span_is_nocase(word, names[i]))
				asked |= 1U << i;
	}
	for (i = 0; i < 3; i++)
		if (asked & (1U << i)) {
			size_t len = strlen(notify);

			/* 21 bytes at most, with the commas */
			if (len > 0)
				notify[len++] = ',';
			memcpy(notify + len, names[i], strlen(names[i]) + 1);
		}
}
