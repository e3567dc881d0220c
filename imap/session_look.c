/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking for messages whose earlier attempts may have succeeded, all that wait for one mailbox at once: by the ids in their Received fields, among the last messages of the
 * mailbox, and then, those that are not there, by search.  A hit counts only when the field itself was fetched and shows the id.  In this order servers that index late do no
 * harm, and a search is rare.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "session_internal.h"

#define ITEMS_MAX 256		/* looked for at once */
#define TAIL 200		/* messages at the mailbox's end that are looked at, and two more for each that is looked for */
#define TERMS_MAX 8		/* names in one SEARCH */
#define UIDS_LINE 2000		/* bytes of them in one FETCH */

static session_state state_examine, state_list, state_search, state_fetch, state_close;

static size_t count_items(const struct session *s)
{
	size_t count = 0;

	for (const struct item *item = s->look; item; item = item->next)
		count++;
	return count;
}

void session_look_lost(struct session *s)
{
	struct item *items = s->look;

	s->look = NULL;
	session_append_give_back(s, items);
}

static void settle_all(struct session *s, const struct outcome *outcome)
{
	struct item *items = s->look;

	s->look = NULL;
	for (struct item *next; items; items = next) {
		next = items->next;
		s->ops->settle(s->arg, items, outcome);
	}
}

static void go_on(struct session *s)
{
	session_wait(s, session_answer_state, "nothing", s->account->keep_alive);
	session_append_pump(s);
}

/* Those that were found are done; of the others nothing is known. */
static void give_found(struct session *s)
{
	struct item **at = &s->look;
	struct outcome outcome;

	while (*at) {
		struct item *item = *at;

		if (!item->found) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		outcome_set(&outcome, OUTCOME_DONE, "2.0.0", "%s (was there already)", item->mailbox.data);
		s->ops->settle(s->arg, item, &outcome);
	}
}

static void cannot_tell(struct session *s, const struct response *response)
{
	struct str text = STR_INIT(2048);
	struct outcome outcome;

	give_found(s);
	session_say(response, &text);
	if (s->look) {
		outcome_set(&outcome, OUTCOME_LATER, "4.2.0", "%s: looking for it, for it may be there already: %s", s->look->mailbox.data, text.data);
		settle_all(s, &outcome);
	}
	str_free(&text);
	go_on(s);
}

static void finish(struct session *s)
{
	give_found(s);
	for (struct item *item = s->look; item; item = item->next)
		item->unclear = false;
	session_look_lost(s);
	go_on(s);
}

/* ---- the last messages ---- */

static void fetch(struct session *s, const char *verb, const char *set)
{
	if (!session_command(s, "%s %s (BODY.PEEK[HEADER.FIELDS (Received)])", verb, set))
		session_wait(s, state_fetch, "the answer to FETCH", s->account->timeout);
}

static void search(struct session *s);

static void look_at_tail(struct session *s)
{
	uint64_t last = TAIL + 2 * count_items(s);
	char set[64];

	if (!s->exists) {
		search(s);
		return;
	}
	snprintf(set, sizeof set, "%llu:*", (unsigned long long)(s->exists > last ? s->exists - last + 1 : 1));
	fetch(s, "FETCH", set);
}

/* ---- search ---- */

/* What a search is for: the name that many ids share, or, where only few are looked for, the id. */
struct term {
	char text[ID_TEXT_MAX];
};

static void make_term(struct term *term, struct id id, bool whole)
{
	id_text(id, term->text);
	if (!whole)
		*strrchr(term->text, '-') = '\0';		/* the index */
}

static bool is_among(const struct term *term, const struct term *terms, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(term->text, terms[i].text))
			return true;
	return false;
}

/* The next that were neither found nor searched for. */
static size_t next_terms(struct session *s, struct term terms[static TERMS_MAX])
{
	size_t count = 0, left = 0;

	for (const struct item *item = s->look; item; item = item->next)
		left += !item->found;
	for (struct item *item = s->look; item; item = item->next) {
		struct term term;

		make_term(&term, item->job->key.id, left <= TERMS_MAX);
		if (item->found || item->searched || (count == TERMS_MAX && !is_among(&term, terms, count)))
			continue;
		item->searched = true;
		if (!is_among(&term, terms, count))
			terms[count++] = term;
	}
	return count;
}

static void search(struct session *s)
{
	struct term terms[TERMS_MAX];
	size_t count = next_terms(s, terms);
	struct str wanted = STR_INIT(TERMS_MAX * 128);

	str_cut(&s->uids, 0);
	s->too_many = false;
	for (size_t i = 0; i < count; i++)
		str_printf(&wanted, "%sHEADER Received \"%s\"%s", i + 1 < count ? "OR " : "", terms[i].text, i + 1 < count ? " " : "");
	if (!count)
		finish(s);
	else if (!session_command(s, "UID SEARCH %s", wanted.data))
		session_wait(s, state_search, "the answer to SEARCH", s->account->timeout);
	str_free(&wanted);
}

static void fetch_hits(struct session *s)
{
	struct span all = str_span(&s->uids);
	struct str set = STR_INIT(UIDS_LINE + 1);
	size_t len = all.len;

	if (len > UIDS_LINE) {
		len = UIDS_LINE;
		while (len && all.data[len] != ',')
			len--;
	}
	if (!len) {
		search(s);
		return;
	}
	str_append(&set, all.data, len);
	str_shift(&s->uids, len < all.len ? len + 1 : len);
	fetch(s, "UID FETCH", set.data);
	str_free(&set);
}

static void note_run(struct session *s, uint64_t first, uint64_t last)
{
	const char *comma = s->uids.len ? "," : "";
	int result = 0;

	if (first && first < last)
		result = str_printf(&s->uids, "%s%llu:%llu", comma, (unsigned long long)first, (unsigned long long)last);
	else if (first)
		result = str_printf(&s->uids, "%s%llu", comma, (unsigned long long)first);
	s->too_many = s->too_many || result < 0;
}

static void note_hits(struct session *s, struct span data)
{
	struct str value = STR_INIT(64);
	uint64_t uid, first = 0, last = 0;

	while (response_next(&data, &value) == RESPONSE_ATOM) {
		if (span_decimal(str_span(&value), UINT32_MAX, &uid) < 0)
			continue;
		if (!first || uid != last + 1) {
			note_run(s, first, last);
			first = uid;
		}
		last = uid;
	}
	note_run(s, first, last);
	str_free(&value);
}

static void state_search(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "SEARCH"))
		note_hits(s, response->data);
	if (!session_is_answer(s, response))
		return;
	if (s->too_many)
		cannot_tell(s, response);
	else
		fetch_hits(s);		/* refused: so be it, the last messages were looked at */
}

/* ---- fields ---- */

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

	while ((token = response_next(&data, &value)) != RESPONSE_END)
		for (struct item *item = token == RESPONSE_STRING ? s->look : NULL; item; item = item->next) {
			if (item->found)
				continue;
			id_text(item->job->key.id, id);
			item->found = shows_id(str_span(&value), id);
		}
	str_free(&value);
}

static bool all_found(const struct session *s)
{
	for (const struct item *item = s->look; item; item = item->next)
		if (!item->found)
			return false;
	return true;
}

static void state_fetch(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "FETCH"))
		look_at_fields(s, response->data);
	if (!session_is_answer(s, response))
		return;
	if (all_found(s))
		finish(s);
	else if (response->status != RESPONSE_OK)
		cannot_tell(s, response);
	else
		fetch_hits(s);		/* of the search; before it, there are none */
}

/* ---- the mailbox ---- */

/* All that wait for the first one's mailbox. */
static void take_items(struct session *s)
{
	struct item *item, **end = &s->look;
	size_t count = 0;

	while ((item = s->ops->peek(s->arg)) && item->unclear && count++ < ITEMS_MAX && (!s->look || !strcmp(item->mailbox.data, s->look->mailbox.data))) {
		s->ops->take(s->arg, item);
		item->found = item->searched = false;
		item->next = NULL;
		*end = item;
		end = &item->next;
	}
}

void session_look_begin(struct session *s)
{
	struct str name = STR_INIT(8 * MAILBOX_MAX);
	struct outcome outcome;

	take_items(s);
	str_cut(&s->uids, 0);
	if (!session_quoted(s, &name, s->look->mailbox.data)) {
		outcome_set(&outcome, OUTCOME_LATER, "4.3.5", "mailbox %s: the server's names cannot hold it", s->look->mailbox.data);
		settle_all(s, &outcome);
	} else if (s->examined.len && !strcmp(s->examined.data, name.data)) {
		look_at_tail(s);
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
		look_at_tail(s);
		return;
	}
	/* is it missing, or only not to be had? */
	s->there = false;
	if (!session_command(s, "LIST \"\" %s", s->examined.data))
		session_wait(s, state_list, "the answer to LIST", SESSION_COMMAND_WAIT);
	str_cut(&s->examined, 0);
}

static void state_list(struct session *s, const struct response *response)
{
	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "LIST"))
		s->there = true;
	if (!session_is_answer(s, response))
		return;
	if (s->there || response->status != RESPONSE_OK)
		cannot_tell(s, response);
	else
		finish(s);
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
	go_on(s);
}
