/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a mail's targets follow from its record, its outcome lines and the plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mail_internal.h"
#include "text.h"

int
mail_keep_text(struct mail *m, struct span text, struct text_part *part)
{
	*part = (struct text_part){ .at = (uint32_t)m->text.len, .len = (uint32_t)text.len };
	return str_add_span(&m->text, text);
}

int
mail_target_room(struct mail *m, size_t cap)
{
	struct target *targets = realloc(m->targets, cap * sizeof(*targets));

	if (targets == NULL)
		return -1;
	m->targets = targets;
	m->cap = cap;
	return 0;
}

struct target *
mail_target_new(struct mail *m)
{
	if (m->count == m->cap && mail_target_room(m, m->cap > 0 ? m->cap * 2 : 1) < 0)
		return NULL;
	m->targets[m->count] = (struct target){ .state = TARGET_NEW };
	return &m->targets[m->count++];
}

static const enum target_state target_states[] = {
	[OUTCOME_STATE_DONE] = TARGET_DONE,
	[OUTCOME_STATE_FAILED] = TARGET_FAILED,
	[OUTCOME_STATE_TRY_LATER] = TARGET_LATER,
	[OUTCOME_STATE_MOVED] = TARGET_NEW,	/* about the whole message only */
	[OUTCOME_STATE_BOUNCED] = TARGET_BOUNCED,
	[OUTCOME_STATE_HELD] = TARGET_HELD,
	[OUTCOME_STATE_REMOVED] = TARGET_REMOVED,
};
static_assert(sizeof(target_states) / sizeof(target_states[0]) == OUTCOME_STATE_COUNT, "each state of a line has a state of a target");

struct noted {			/* a line of this message */
	uint32_t number;
	size_t order;
	struct outcome_line line;
};

struct noted_list {
	struct noted *all;
	size_t count, cap;
};

static int
compare_noted(const void *a, const void *b)
{
	const struct noted *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* The message's lines, those of one recipient together and in order.  Lines about all of it come last, for their number is the highest. */
static int
collect(struct noted_list *list, uint32_t index, struct span lines, struct span file)
{
	struct outcome_line line;
	int result;

	while ((result = outcome_line_read(&lines, file, &line)) != 0) {
		if (result < 0 || line.index != index)
			continue;
		if (list->count == list->cap) {
			size_t cap = list->cap > 0 ? list->cap * 2 : 8;
			struct noted *all = realloc(list->all, cap * sizeof(*all));

			if (all == NULL)
				return -1;
			list->all = all;
			list->cap = cap;
		}
		list->all[list->count] = (struct noted){ line.recipient, list->count, line };
		list->count++;
	}
	if (list->count > 1)
		qsort(list->all, list->count, sizeof(*list->all), compare_noted);
	return 0;
}

/* An encoded field, decoded to the end of the mail's text. */
static int
keep_word(struct mail *m, struct span word, struct text_part *part)
{
	size_t at = m->text.len;

	if (text_decode(&m->text, word) < 0)
		return -1;
	*part = (struct text_part){ (uint32_t)at, (uint32_t)(m->text.len - at) };
	return 0;
}

bool
mail_same_text(const struct mail *m, struct text_part a, struct text_part b)
{
	return span_equal(mail_text(m, a), mail_text(m, b));
}

/* One more line of a target: the last counts for its state, all of them for the time it has waited. */
static void
target_follow(struct target *t, const struct outcome_line *line, const struct retry *retry)
{
	bool attempt = line->tries > t->tries;

	if (attempt && t->tries > 0 && !t->cut_short)
		t->waited += retry_wait(retry, t->tries);
	/* An operator's "now" changes the time; a line that only says that an attempt was lost does not. */
	t->cut_short = !attempt && t->tries > 0 && line->state == OUTCOME_STATE_TRY_LATER && (t->cut_short || line->next != t->next);
	/* One that was dead begins anew. */
	if (line->tries == 0)
		t->waited = 0;
	t->tries = line->tries;
	t->next = line->next;
	t->state = target_states[line->state];
	if (t->state == TARGET_LATER && t->tries == 0)
		t->state = TARGET_NEW;
	t->noted = true;
	t->unclear = t->unclear_noted = line->unclear;
	t->asked = line->unclear && line->asked;
	t->told = line->told || (t->told && line->tries > 0);
	t->fixed |= span_starts(line->reason, "instead%20of%20");	/* MAIL_INSTEAD as it is written */
}

/* A line of the recipient whose targets begin at first. */
static int
apply_line(struct mail *m, size_t first, uint32_t number, struct text_part recipient, const struct outcome_line *line,
    const struct retry *retry)
{
	struct text_part drop, address;
	struct target *t;

	if (line->state == OUTCOME_STATE_MOVED)
		return 0;
	if (keep_word(m, line->drop, &drop) < 0 || keep_word(m, line->address, &address) < 0)
		return -1;
	for (size_t i = first; i < m->count; i++)
		if (mail_same_text(m, m->targets[i].drop, drop) && mail_same_text(m, m->targets[i].address, address)) {
			target_follow(&m->targets[i], line, retry);
			return 0;
		}
	t = mail_target_new(m);
	if (t == NULL)
		return -1;
	t->number = number;
	t->recipient = recipient;
	t->drop = drop;
	t->address = address;
	target_follow(t, line, retry);
	return 0;
}

struct adding {
	struct mail *mail;
	uint32_t number;
	struct text_part recipient;
};

static int
add_planned(void *arg, const struct plan_step *step)
{
	struct adding *adding = arg;
	struct target *t;

	if (step->fallback)
		return 0;
	t = mail_target_new(adding->mail);
	if (t == NULL)
		return -1;
	t->after = step->after;
	t->number = adding->number;
	t->recipient = adding->recipient;
	if (mail_keep_text(adding->mail, step->drop, &t->drop) < 0 || mail_keep_text(adding->mail, step->otherwise, &t->otherwise) < 0)
		return -1;
	return mail_keep_text(adding->mail, step->address, &t->address);
}

/* A line about the whole message changes what its targets' own lines left open. */
static void
apply_whole(struct mail *m, const struct outcome_line *line)
{
	if (line->state == OUTCOME_STATE_MOVED)
		m->moved = true;
	if (line->state == OUTCOME_STATE_BOUNCED)
		m->notified = true;
	for (size_t i = 0; i < m->count; i++) {
		struct target *t = &m->targets[i];

		if (line->state == OUTCOME_STATE_BOUNCED && t->state == TARGET_FAILED)
			t->state = TARGET_BOUNCED;
		else if (line->state == OUTCOME_STATE_HELD && !target_is_final(t))
			t->state = TARGET_HELD;
		else if (line->state == OUTCOME_STATE_REMOVED && !target_is_final(t))
			t->state = TARGET_REMOVED;
		else if (line->state == OUTCOME_STATE_TRY_LATER && t->state == TARGET_HELD)
			t->state = t->tries == 0 ? TARGET_NEW : TARGET_LATER;
	}
}

/* qsort has no argument for the text, so the texts' order comes from the hashes; equal drops have equal ones, and only that matters. */
static int
compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->address.at < y->address.at ? -1 : x->address.at > y->address.at;
}

void
mail_sort_targets(struct mail *m)
{
	uint32_t place = 0;

	for (size_t i = 0; i < m->count; i++)
		m->targets[i].hash = id_hash(mail_text(m, m->targets[i].drop));
	if (m->count > 1)
		qsort(m->targets, m->count, sizeof(*m->targets), compare_targets);
	for (size_t i = 0; i < m->count; i++) {
		place = i > 0 && m->targets[i].hash == m->targets[i - 1].hash ? place + 1 : 0;
		m->targets[i].part = place / MAIL_PART;
	}
}

static bool
wants_success(struct span attributes)
{
	struct span said = attributes.len > 0 ? record_attribute(attributes, "notify") : attributes, word;

	while (span_word(&said, ',', &word))
		if (span_is_nocase(span_trim(word), "success"))
			return true;
	return false;
}

static int
plan_recipients(struct mail *m, const struct record *record, const struct noted_list *noted, const struct plan *plan, const struct retry *retry)
{
	struct span rest = record->recipients, address, attributes;
	size_t line = 0;

	for (uint32_t number = 0; record_next_recipient(&rest, &address, &attributes); number++) {
		struct adding adding = { .mail = m, .number = number };
		size_t first = m->count;

		if (mail_keep_text(m, address, &adding.recipient) < 0)
			return -1;
		for (; line < noted->count && noted->all[line].number <= number; line++)
			if (noted->all[line].number == number
			    && apply_line(m, first, number, adding.recipient, &noted->all[line].line, retry) < 0)
				return -1;
		if (m->count == first && plan_make(plan, &(struct plan_query){ record, m->body, NULL, plan->watch }, address, add_planned, &adding) < 0)
			return -1;
		if (record->sender.len > 0 && wants_success(attributes))
			m->wants_success = true;
		if (m->count > first + 1)
			m->branched = true;
	}
	for (; line < noted->count; line++)
		if (noted->all[line].number == OUTCOME_ALL)
			apply_whole(m, &noted->all[line].line);
	return 0;
}

int
mail_plan(struct mail *m, const struct record *record, struct span lines, struct span file, const struct plan *plan, const struct retry *retry)
{
	struct noted_list noted = { NULL, 0, 0 };
	int result = -1;

	if (collect(&noted, record->id.index, lines, file) == 0 && plan_recipients(m, record, &noted, plan, retry) == 0) {
		mail_sort_targets(m);
		result = 0;
	}
	free(noted.all);
	/* So that each may be given up for a fallback while others of them are flying, and none moves (mail_answer). */
	if (result == 0 && m->count > 0)
		result = mail_target_room(m, 2 * m->count);
	return result;
}
