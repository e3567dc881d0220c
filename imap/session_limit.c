/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server may set each mailbox a limit of its own for a message's size (RFC 7889): it is asked for before the first message goes there. */
#include <string.h>

#include "session_internal.h"

static session_state state_limit;

bool session_limit_is_due(const struct session *s, const struct item *item)
{
	return (s->capabilities & SESSION_APPENDLIMIT) && strcmp(s->limited.data, item->mailbox.data) != 0;
}

void session_limit_begin(struct session *s, const struct item *item)
{
	struct str name = STR_INIT(8 * MAILBOX_MAX);

	s->append_limit = 0;
	str_set(&s->limited, str_span(&item->mailbox));
	if (!session_quoted(s, &name, item->mailbox.data))
		session_append_pump(s);		/* which settles it */
	else if (!session_command(s, "STATUS %s (APPENDLIMIT)", name.data))
		session_wait(s, state_limit, "the answer to STATUS", SESSION_COMMAND_WAIT);
	str_free(&name);
}

/* INBOX (APPENDLIMIT 257890), or NIL in place of the number */
static void note_limit(struct session *s, struct span data)
{
	struct str value = STR_INIT(4 * MAILBOX_MAX);
	uint64_t limit;
	bool here = false;

	while (response_next(&data, &value) != RESPONSE_END) {
		if (here && !span_decimal(str_span(&value), UINT64_MAX, &limit))
			s->append_limit = limit;
		here = span_is_nocase(str_span(&value), "APPENDLIMIT");
	}
	str_free(&value);
}

/* Refused, as for a mailbox that is not there yet: no limit is known. */
static void state_limit(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "STATUS"))
		note_limit(s, response->data);
	if (!session_is_answer(s, response))
		return;
	session_wait(s, session_answer_state, "nothing", s->account->keep_alive);
	session_append_pump(s);
}
