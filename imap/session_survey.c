/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session_survey.h"

#include <string.h>
#include <strings.h>

#include "session_internal.h"

#define HEADER_MAX 16384		/* bytes of the fields of one message */

static session_state state_examine, state_list, state_fetch, state_piece;

/* The owner may do anything then. */
static void done(struct session *s, bool there, const char *text)
{
	struct session_survey *survey = s->survey;

	s->survey = NULL;
	session_wait(s, session_answer_state, NULL, s->account->keep_alive);
	survey->done(survey->arg, s, there, s->exists, text);
}

static void examine(struct session *s)
{
	s->exists = 0;
	if (!session_command(s, "EXAMINE %s", s->examined.data))
		session_wait(s, state_examine, "the answer to EXAMINE", SESSION_COMMAND_WAIT);
	if (!s->gone)
		stream_flush(s->stream);
}

void session_survey(struct session *s, struct session_survey *survey)
{
	struct str name = STR_INIT(8 * MAILBOX_MAX);

	s->pending++;
	s->survey = survey;
	survey->made = false;
	if (!session_quoted(s, &name, survey->mailbox)) {
		done(s, false, "the server's names cannot hold it");
	} else {
		str_set(&s->examined, str_span(&name));
		examine(s);
	}
	str_free(&name);
	session_release(s);
}

static void state_examine(struct session *s, const struct response *response)
{
	if (!session_is_answer(s, response))
		return;
	if (response->status != RESPONSE_OK) {
		s->survey->listed = false;
		if (!session_command(s, "LIST \"\" %s", s->examined.data))
			session_wait(s, state_list, "the answer to LIST", SESSION_COMMAND_WAIT);
	} else if (!s->exists || s->survey->count_only) {
		done(s, true, "");
	} else if (!session_command(s, "FETCH 1:* (UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (%s)]<0.%d>)", s->survey->fields, HEADER_MAX)) {
		session_wait(s, state_fetch, "the answer to FETCH", s->account->timeout);
	}
}

/* Is it missing, or only not to be had? */
static void state_list(struct session *s, const struct response *response)
{
	struct str text = STR_INIT(2048);

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "LIST"))
		s->survey->listed = true;
	if (session_is_answer(s, response)) {
		session_say(response, &text);
		s->exists = 0;
		str_cut(&s->examined, 0);
		if (s->survey->listed)
			done(s, false, "it is there, but cannot be opened");
		else if (response->status != RESPONSE_OK)
			done(s, false, text.data);
		else if (!s->account->create)
			done(s, false, "");
		else if (s->survey->made)
			done(s, false, "it could not be made");
		else if (!str_set(&s->create, span_of(s->survey->mailbox)))
			session_create_begin(s);
	}
	str_free(&text);
}

void session_survey_created(struct session *s)
{
	struct session_survey *survey = s->survey;

	session_survey(s, survey);
	survey->made = true;
}

/* The value of a pair; of a list there is nothing that is wanted. */
static bool read_value(struct span *data, struct str *value)
{
	enum response_token token = response_next(data, value);
	size_t depth = token == RESPONSE_OPEN;

	while (depth && (token = response_next(data, value)) != RESPONSE_END)
		depth += token == RESPONSE_OPEN ? 1 : token == RESPONSE_CLOSE ? (size_t)-1 : 0;
	return token != RESPONSE_END;
}

/* (UID 7 RFC822.SIZE 4096 INTERNALDATE "…" BODY[HEADER.FIELDS (…)]<0> {n} …), in any order.  False: it is something else. */
static bool read_fetch(struct span data, struct session_survey_message *message, struct str *date, struct str *text)
{
	struct str name = STR_INIT(RESPONSE_LINE_MAX), value = STR_INIT(RESPONSE_MAX);
	bool has_text = false, has_uid = false;
	uint64_t number;

	if (response_next(&data, &value) != RESPONSE_OPEN)
		data.len = 0;
	while (response_next(&data, &name) == RESPONSE_ATOM && read_value(&data, &value)) {
		bool has_number = !span_decimal(str_span(&value), UINT64_MAX, &number);

		if (span_is_nocase(str_span(&name), "UID") && has_number && number <= UINT32_MAX) {
			message->uid = (uint32_t)number;
			has_uid = true;
		} else if (span_is_nocase(str_span(&name), "RFC822.SIZE") && has_number) {
			message->size = number;
		} else if (span_is_nocase(str_span(&name), "INTERNALDATE")) {
			str_set(date, str_span(&value));
		} else if (!strncasecmp(name.data, "BODY[", 5)) {
			has_text = !str_set(text, str_span(&value));
		}
	}
	str_free(&name);
	str_free(&value);
	message->date = str_span(date);
	message->header = str_span(text);
	return has_uid && has_text;
}

static void state_fetch(struct session *s, const struct response *response)
{
	struct session_survey_message message = { .uid = 0 };
	struct str date = STR_INIT(100), text = STR_INIT(RESPONSE_MAX), why = STR_INIT(2048);

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "FETCH")) {
		if (read_fetch(response->data, &message, &date, &text))
			s->survey->message(s->survey->arg, &message);
	} else if (session_is_answer(s, response)) {
		session_say(response, &why);
		done(s, response->status == RESPONSE_OK, response->status == RESPONSE_OK ? "" : why.data);
	}
	str_free(&date);
	str_free(&text);
	str_free(&why);
}

void session_survey_piece(struct session *s, struct session_survey *survey, uint32_t uid, uint64_t offset, size_t length)
{
	s->pending++;
	s->survey = survey;
	survey->has_piece = false;
	if (!session_command(s, "UID FETCH %lu (BODY.PEEK[]<%llu.%zu>)", (unsigned long)uid, (unsigned long long)offset, length))
		session_wait(s, state_piece, "the answer to FETCH", s->account->timeout);
	if (!s->gone)
		stream_flush(s->stream);
	session_release(s);
}

static void state_piece(struct session *s, const struct response *response)
{
	struct session_survey_message message = { .uid = 0 };
	struct str date = STR_INIT(100), text = STR_INIT(RESPONSE_MAX);
	struct session_survey *survey = s->survey;

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "FETCH") && read_fetch(response->data, &message, &date, &text)) {
		survey->has_piece = !str_set(&survey->bytes, str_span(&text));
	} else if (session_is_answer(s, response)) {
		s->survey = NULL;
		session_wait(s, session_answer_state, NULL, s->account->keep_alive);
		survey->piece(survey->arg, s, survey->has_piece && response->status == RESPONSE_OK);
	}
	str_free(&date);
	str_free(&text);
}
