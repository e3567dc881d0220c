/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For --check: is a mailbox there? */
#include "session_internal.h"

static void state_probe(struct session *s, const struct response *response)
{
	struct str text = STR_INIT(2048);

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "LIST"))
		s->there = true;
	if (session_is_answer(s, response)) {
		session_wait(s, session_answer_state, NULL, s->account->keep_alive);
		if (response->status != RESPONSE_OK)
			session_say(response, &text);
		s->ops->probed(s->arg, s, s->there, text.data);
	}
	str_free(&text);
}

void session_probe(struct session *s, const char *mailbox)
{
	struct str name = STR_INIT(8 * MAILBOX_MAX);

	s->there = false;
	if (!session_quoted(s, &name, mailbox))
		s->ops->probed(s->arg, s, false, "the server's names cannot hold it");
	else if (!session_command(s, "LIST \"\" %s", name.data))
		session_wait(s, state_probe, "the answer to LIST", SESSION_COMMAND_WAIT);
	str_free(&name);
}
