/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CREATE, and SUBSCRIBE, for a mailbox that is missing: once for each session and name. */
#include "session_internal.h"

static session_state state_create, state_subscribe;

static void created(struct session *s)
{
	str_set(&s->created, str_span(&s->create));
	str_cut(&s->create, 0);
	session_wait(s, session_answer_state, "nothing", s->account->keep_alive);
	if (s->survey)
		session_survey_created(s);
	else
		session_append_pump(s);
}

static int command(struct session *s, const char *verb)
{
	struct str name = STR_INIT(8 * MAILBOX_MAX);
	int result = -1;

	if (session_quoted(s, &name, s->create.data))
		result = session_command(s, "%s %s", verb, name.data);
	else
		session_fail(s, "4.3.5", "mailbox %s: the server's names cannot hold it", s->create.data);
	str_free(&name);
	return result;
}

void session_create_begin(struct session *s)
{
	if (!command(s, "CREATE"))
		session_wait(s, state_create, "the answer to CREATE", SESSION_COMMAND_WAIT);
}

/* Refused or not (it may be there by now): the second APPEND tells. */
static void state_create(struct session *s, const struct response *response)
{
	struct str text = STR_INIT(2048);

	if (!session_is_answer(s, response))
		return;
	session_say(response, &text);
	if (s->host->log)
		log_event(s->host->log, "create", "%s: %s: %s", s->account->name, s->create.data, text.data);
	str_free(&text);
	if (response->status != RESPONSE_OK || !s->account->subscribe)
		created(s);
	else if (!command(s, "SUBSCRIBE"))
		session_wait(s, state_subscribe, "the answer to SUBSCRIBE", SESSION_COMMAND_WAIT);
}

static void state_subscribe(struct session *s, const struct response *response)
{
	if (session_is_answer(s, response))
		created(s);
}
