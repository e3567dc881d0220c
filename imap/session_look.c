/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking for a message whose earlier attempt may have succeeded: by the id in its Received field, by search and then, for servers that index late or not at all, among the
 * last messages of the mailbox.  A hit counts only when the field itself was fetched and shows the id.
 */
#include <ctype.h>
#include <string.h>

#include "session_internal.h"

#define HITS_MAX 20		/* of a search that are looked at */
#define TAIL 200		/* messages at the mailbox's end that are looked at */

static session_state state_examine, state_list, state_search, state_fetch, state_close;

void session_look_lost(struct session *s)
{
	struct item *item = s->look;

	s->look = NULL;
	if (item)
		s->ops->back(s->arg, item);
}

static void cannot_tell(struct session *s, const struct response *response)
{
	struct str text = STR_INIT(2048);
	struct item *item = s->look;
	struct outcome outcome;

	session_say(response, &text);
	outcome_set(&outcome, OUTCOME_LATER, "4.2.0", "%s: looking for it, for it may be there already: %s", item->mailbox.data, text.data);
	str_free(&text);
	s->look = NULL;
	s->ops->settle(s->arg, item, &outcome);
	session_wait(s, session_answer_state, "nothing", s->account->keep_alive);
	session_append_pump(s);
}

static void finish(struct session *s)
{
	struct item *item = s->look;
	struct outcome outcome;

	s->look = NULL;
	session_wait(s, session_answer_state, "nothing", s->account->keep_alive);
	if (s->found) {
		outcome_set(&outcome, OUTCOME_DONE, "2.0.0", "%s (was there already)", item->mailbox.data);
		s->ops->settle(s->arg, item, &outcome);
	} else {
		item->unclear = false;
		s->ops->back(s->arg, item);
	}
	session_append_pump(s);
}

static void search(struct session *s)
{
	char id[ID_TEXT_MAX];

	id_text(s->look->job->key.id, id);
	str_cut(&s->uids, 0);
	if (!session_command(s, "UID SEARCH HEADER Received \"%s\"", id))
		session_wait(s, state_search, "the answer to SEARCH", s->account->timeout);
}

/* The last messages, or none where the mailbox is empty. */
static void look_at_tail(struct session *s)
{
	s->tail = true;
	if (!s->exists) {
		finish(s);
		return;
	}
	if (!session_command(s, "FETCH %llu:* (BODY.PEEK[HEADER.FIELDS (Received)])", (unsigned long long)(s->exists > TAIL ? s->exists - TAIL + 1 : 1)))
		session_wait(s, state_fetch, "the answer to FETCH", s->account->timeout);
}

void session_look_begin(struct session *s, struct item *item)
{
	struct str name = STR_INIT(8 * MAILBOX_MAX);
	struct outcome outcome;

	s->ops->take(s->arg, item);
	item->next = NULL;
	s->look = item;
	s->found = s->tail = false;
	if (!session_quoted(s, &name, item->mailbox.data)) {
		outcome_set(&outcome, OUTCOME_LATER, "4.3.5", "mailbox %s: the server's names cannot hold it", item->mailbox.data);
		s->look = NULL;
		s->ops->settle(s->arg, item, &outcome);
	} else if (s->examined.len && !strcmp(s->examined.data, name.data)) {
		search(s);
	} else {
		s->exists = 0;
		str_set(&s->examined, str_span(&name));
		if (!session_command(s, "EXAMINE %s", name.data))
			session_wait(s, state_examine, "the answer to EXAMINE", SESSION_COMMAND_WAIT);
	}
	str_free(&name);
}

static void state_examine(struct session *s, const struct response *response)
{
	if (!session_is_answer(s, response))
		return;
	if (response->status == RESPONSE_OK) {
		search(s);
		return;
	}
	/* is it missing, or only not to be had? */
	if (!session_command(s, "LIST \"\" %s", s->examined.data))
		session_wait(s, state_list, "the answer to LIST", SESSION_COMMAND_WAIT);
	str_cut(&s->examined, 0);
}

static void state_list(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "LIST"))
		s->tail = true;			/* it is there */
	if (!session_is_answer(s, response))
		return;
	if (s->tail || response->status != RESPONSE_OK)
		cannot_tell(s, response);
	else
		finish(s);
}

static void state_search(struct session *s, const struct response *response)
{
	struct str value = STR_INIT(64);
	struct span data = response->data;
	uint64_t uid;

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "SEARCH"))
		for (unsigned count = 0; count < HITS_MAX && response_next(&data, &value) == RESPONSE_ATOM; count++)
			if (!span_decimal(str_span(&value), UINT32_MAX, &uid))
				str_printf(&s->uids, "%s%llu", s->uids.len ? "," : "", (unsigned long long)uid);
	str_free(&value);
	if (!session_is_answer(s, response))
		return;
	if (response->status != RESPONSE_OK || !s->uids.len)
		look_at_tail(s);
	else if (!session_command(s, "UID FETCH %s (BODY.PEEK[HEADER.FIELDS (Received)])", s->uids.data))
		session_wait(s, state_fetch, "the answer to FETCH", s->account->timeout);
}

/* " id ID" with nothing of an id behind it: ID-1 is not ID-10. */
static bool shows_id(struct span field, const char *id)
{
	size_t len = strlen(id);

	for (size_t i = 4; i + len <= field.len; i++) {
		char next = i + len < field.len ? field.data[i + len] : ';';

		if (!memcmp(field.data + i, id, len) && !memcmp(field.data + i - 3, "id ", 3) && !isalnum((unsigned char)next) && next != '-')
			return true;
	}
	return false;
}

/* 12 FETCH (UID 7 BODY[HEADER.FIELDS (RECEIVED)] {n} …) */
static void look_at_fields(struct session *s, struct span data)
{
	struct str value = STR_INIT(RESPONSE_MAX);
	char id[ID_TEXT_MAX];
	enum response_token token;

	id_text(s->look->job->key.id, id);
	while (!s->found && (token = response_next(&data, &value)) != RESPONSE_END)
		s->found = token == RESPONSE_STRING && shows_id(str_span(&value), id);
	str_free(&value);
}

static void state_fetch(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "FETCH") && !s->found)
		look_at_fields(s, response->data);
	if (!session_is_answer(s, response))
		return;
	if (s->found || (s->tail && response->status == RESPONSE_OK))
		finish(s);
	else if (s->tail)
		cannot_tell(s, response);
	else
		look_at_tail(s);
}

/* EXAMINE was for reading: closing removes nothing. */
void session_look_close(struct session *s)
{
	str_cut(&s->examined, 0);
	if (!session_command(s, "CLOSE"))
		session_wait(s, state_close, "the answer to CLOSE", SESSION_COMMAND_WAIT);
}

static void state_close(struct session *s, const struct response *response)
{
	if (!session_is_answer(s, response))
		return;
	session_wait(s, session_answer_state, "nothing", s->account->keep_alive);
	session_append_pump(s);
}
