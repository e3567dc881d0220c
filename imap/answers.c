/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "answers.h"

#include <strings.h>

#define ANY (ANSWERS_APPEND | ANSWERS_LOGIN | ANSWERS_CREATE)

/* The first row that fits counts.  Codes first, for texts are for people; what servers without codes say comes behind them. */
static const struct row {
	unsigned about;
	const char *code;		/* NULL: whatever it is */
	const char *text;		/* somewhere in the text, any case; NULL: whatever it is */
	struct answers_meaning meaning;
} rows[] = {
	{ ANSWERS_APPEND, "TOOBIG", NULL, { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, "TRYCREATE", NULL, { OUTCOME_LATER, "4.2.0", true, false } },
	{ ANSWERS_APPEND, "NONEXISTENT", NULL, { OUTCOME_LATER, "4.2.0", true, false } },
	{ ANY, "OVERQUOTA", NULL, { OUTCOME_LATER, "4.2.2", false, true } },
	{ ANSWERS_APPEND, "UNKNOWN-CTE", NULL, { OUTCOME_NEVER, "5.6.1", false, false } },
	{ ANY, "AUTHENTICATIONFAILED", NULL, { OUTCOME_LATER, "4.7.8", false, true } },
	{ ANY, "AUTHORIZATIONFAILED", NULL, { OUTCOME_LATER, "4.7.8", false, true } },
	{ ANY, "EXPIRED", NULL, { OUTCOME_LATER, "4.7.8", false, true } },
	{ ANY, "PRIVACYREQUIRED", NULL, { OUTCOME_LATER, "4.7.11", false, true } },
	{ ANY, "UNAVAILABLE", NULL, { OUTCOME_LATER, "4.3.2", false, true } },
	{ ANY, "LIMIT", NULL, { OUTCOME_LATER, "4.3.2", false, true } },
	{ ANY, "INUSE", NULL, { OUTCOME_LATER, "4.3.2", false, false } },
	{ ANY, "NOPERM", NULL, { OUTCOME_LATER, "4.7.1", false, false } },
	{ ANY, "CANNOT", NULL, { OUTCOME_LATER, "4.3.5", false, false } },
	{ ANY, "CONTACTADMIN", NULL, { OUTCOME_LATER, "4.3.5", false, false } },
	{ ANY, "SERVERBUG", NULL, { OUTCOME_LATER, "4.3.0", false, false } },
	{ ANSWERS_APPEND, NULL, "maximum message size", { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, NULL, "message too large", { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, NULL, "message too big", { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, NULL, "message is too", { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, NULL, "size limit", { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, NULL, "line limit exceeded", { OUTCOME_NEVER, "5.3.4", false, false } },
	{ ANSWERS_APPEND, NULL, "bare newline", { OUTCOME_NEVER, "5.6.0", false, false } },
	{ ANSWERS_APPEND, NULL, "NUL character", { OUTCOME_NEVER, "5.6.0", false, false } },
	{ ANSWERS_APPEND, NULL, "unable to parse message", { OUTCOME_NEVER, "5.6.0", false, false } },
	{ ANSWERS_APPEND, NULL, "invalid header", { OUTCOME_NEVER, "5.6.0", false, false } },
	{ ANSWERS_APPEND, NULL, "quota", { OUTCOME_LATER, "4.2.2", false, true } },
	{ ANSWERS_APPEND, NULL, "mailbox full", { OUTCOME_LATER, "4.2.2", false, true } },
	{ ANSWERS_APPEND | ANSWERS_LOGIN, NULL, "authenticated but not connected", { OUTCOME_LATER, "4.3.2", false, true } },
	{ ANSWERS_LOGIN, NULL, "too many", { OUTCOME_LATER, "4.3.2", false, true } },
	{ ANSWERS_LOGIN, NULL, NULL, { OUTCOME_LATER, "4.7.8", false, true } },
	{ ANSWERS_CREATE, NULL, NULL, { OUTCOME_LATER, "4.3.5", false, false } },
	{ ANSWERS_APPEND, NULL, NULL, { OUTCOME_LATER, "4.2.0", false, false } },
};

static bool has_text(struct span text, const char *part)
{
	size_t len = __builtin_strlen(part);

	for (size_t i = 0; i + len <= text.len; i++)
		if (!strncasecmp(text.data + i, part, len))
			return true;
	return false;
}

const struct answers_meaning *answers_read(enum answers_about about, const struct response *response)
{
	const struct row *row = rows;

	while (!(row->about & about) || (row->code && !span_is_nocase(response->code, row->code)) || (row->text && !has_text(response->text, row->text)))
		row++;		/* the last three fit everything */
	return &row->meaning;
}
