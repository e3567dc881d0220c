/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the server answers to appends, and what comes of their items. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session_internal.h"

static void done(struct session *s, struct session_flight *flight, const struct response *response)
{
	struct outcome outcome;
	struct span validity, uids = response->argument;

	for (struct item *next, *item = flight->items; item; item = next) {
		next = item->next;
		if (span_is_nocase(response->code, "APPENDUID") && flight->count == 1 && span_word(&uids, ' ', &validity))
			outcome_set(&outcome, OUTCOME_DONE, "2.0.0", "%s uid=%.*s", item->mailbox.data, (int)uids.len, uids.data);
		else
			outcome_set(&outcome, OUTCOME_DONE, "2.0.0", "%s", item->mailbox.data);
		s->ops->settle(s->arg, item, &outcome);
	}
}

/* A NO to many says nothing of the one that it is about: they are tried in parts, and those of the part that is refused again by themselves. */
static void retry_parts(struct session *s, struct session_flight *flight)
{
	size_t together = session_append_part(flight);

	for (struct item *item = flight->items; item; item = item->next) {
		item->together = together;
		item->alone = together == 1;
	}
	session_append_give_back(s, flight->items);
}

/* The mailbox is missing: it is made when all that is under way is answered, and each item gets one more try. */
static bool retry_created(struct session *s, struct session_flight *flight, const struct answers_meaning *meaning)
{
	if (!meaning->missing || !s->account->create || flight->items->created)
		return false;
	if (strcmp(s->created.data, flight->items->mailbox.data))
		str_set(&s->create, str_span(&flight->items->mailbox));
	for (struct item *item = flight->items; item; item = item->next)
		item->created = true;
	session_append_give_back(s, flight->items);
	return true;
}

static void refused(struct session *s, struct session_flight *flight, const struct answers_meaning *meaning, const char *text)
{
	struct outcome outcome;

	if (retry_created(s, flight, meaning))
		return;
	if (flight->count > 1) {
		retry_parts(s, flight);
		return;
	}
	outcome_set(&outcome, meaning->verdict, meaning->status, "%s: %s", flight->items->mailbox.data, text);
	session_append_settle(s, flight, &outcome);
	if (meaning->account)
		s->ops->overload(s->arg, &outcome);
}

/* The answer came while its bytes were being sent: only a refusal makes sense. */
void session_answer_finish(struct session *s, struct session_flight *flight)
{
	session_append_remove(s, flight);
	refused(s, flight, flight->meaning, flight->text);
	free(flight);
}

static void answered_early(struct session *s, struct session_flight *flight, const struct response *response)
{
	struct str text = STR_INIT(2048);

	if (response->status == RESPONSE_OK) {
		session_fail(s, "4.5.0", "it said OK before it had the message");
		return;
	}
	session_say(response, &text);
	snprintf(flight->text, sizeof flight->text, "%s", text.data);
	flight->meaning = answers_read(ANSWERS_APPEND, response);
	str_free(&text);
}

static struct session_flight *find_flight(const struct session *s, struct span tag)
{
	struct session_flight *flight = s->flights;

	while (flight && !span_is(tag, flight->tag))
		flight = flight->next;
	return flight;
}

static void take_answer(struct session *s, const struct response *response)
{
	struct session_flight *flight = find_flight(s, response->tag);

	if (!flight) {
		session_fail(s, "4.5.0", "it answers what was not asked");
		return;
	}
	s->has_warning = false;
	s->patience = s->account->timeout;
	s->useful = loop_now(s->host->loop);
	if (flight == s->writing && !s->wait_plus) {
		answered_early(s, flight, response);
		return;
	}
	/* without its "+" nothing of the (first) message was sent, and OK cannot be */
	if (flight == s->writing && response->status == RESPONSE_OK) {
		session_fail(s, "4.5.0", "it said OK before it had the message");
		return;
	}
	session_append_remove(s, flight);
	s->since = loop_now(s->host->loop);
	if (response->status == RESPONSE_OK)
		done(s, flight, response);
	else {
		struct str text = STR_INIT(2048);

		session_say(response, &text);
		refused(s, flight, answers_read(ANSWERS_APPEND, response), text.data);
		str_free(&text);
	}
	free(flight);
}

/* Mostly news (* NO almost full); but from some servers it is the only answer that there will be: then silence is cut short. */
void session_answer_warning(struct session *s, const struct response *response)
{
	const struct answers_meaning *meaning = answers_read(ANSWERS_APPEND, response);
	struct str text = STR_INIT(2048);

	session_say(response, &text);
	outcome_set(&s->warned, meaning->verdict, meaning->status, "* %s", text.data);
	if (s->host->log)
		log_event(s->host->log, "server", "%s: %s", s->account->name, text.data);
	str_free(&text);
	if (!s->flights || meaning->verdict != OUTCOME_NEVER)
		return;
	s->has_warning = true;
	s->since = loop_now(s->host->loop);
	s->patience = s->account->timeout < SESSION_WARNING_WAIT ? s->account->timeout : SESSION_WARNING_WAIT;
	loop_timer_set(s->host->loop, &s->timer, s->since + s->patience);
}

void session_answer_state(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_CONTINUE) {
		if (!s->wait_plus) {
			session_fail(s, "4.5.0", "it wants more without having been asked");
			return;
		}
		s->wait_plus = false;
		s->writing->begun = true;
		s->useful = loop_now(s->host->loop);
	} else if (response->kind == RESPONSE_TAGGED) {
		take_answer(s, response);
	} else if (response->kind == RESPONSE_STATUS && (response->status == RESPONSE_NO || response->status == RESPONSE_BAD)) {
		session_answer_warning(s, response);
	}
	if (!s->gone)
		session_append_pump(s);
}
