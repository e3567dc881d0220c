/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mail.h"
#include "text.h"

#define TEXT_MAX (256U * 1024 * 1024)

struct mail *
mail_new(struct entry *entry, const struct record *record)
{
	struct mail *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->entry = entry;
	m->id = record->id;
	m->arrival = record->arrival;
	m->text = (struct str)STR_INIT(TEXT_MAX);
	m->pending = (struct str)STR_INIT(TEXT_MAX);
	list_init(&m->unwritten);
	return m;
}

void
mail_free(struct mail *m)
{
	list_remove(&m->unwritten);
	str_free(&m->text);
	str_free(&m->pending);
	free(m->targets);
	free(m);
}

struct span
mail_text(const struct mail *m, struct text_part part)
{
	return (struct span){ m->text.data + part.at, part.len };
}

struct span
mail_address(const struct mail *m, const struct target *t)
{
	return mail_text(m, t->address.len > 0 ? t->address : t->recipient);
}

bool
target_is_final(const struct target *t)
{
	return t->state >= TARGET_DONE;
}

bool
mail_is_final(const struct mail *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!target_is_final(&m->targets[i]))
			return false;
	return true;
}

bool
mail_has_failed(const struct mail *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].state == TARGET_FAILED)
			return true;
	return false;
}

bool
mail_owes(const struct mail *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].state == TARGET_FAILED || (m->targets[i].state == TARGET_DONE && m->wants_success && !m->notified))
			return true;
	return false;
}

uint64_t
mail_next(const struct mail *m)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < m->count; i++) {
		const struct target *t = &m->targets[i];
		uint64_t due = t->state == TARGET_LATER ? t->next : t->state == TARGET_NEW ? 0 : UINT64_MAX;

		if (due < next)
			next = due;
	}
	return next;
}

bool
target_is_due(const struct mail *m, const struct target *t, uint64_t now)
{
	if (t->flying || t->parked)
		return false;
	if (t->state == TARGET_NEW)
		return true;
	return t->state == TARGET_LATER && m->entry->place == ENTRY_DEFERRED && t->next <= now;
}

enum target_state
mail_answer(struct mail *m, struct target *t, const struct outcome *o, const struct retry *retry, uint64_t now)
{
	uint64_t before = t->waited;

	if (t->tries > 0 && !t->cut_short)
		t->waited += retry_wait(retry, t->tries);
	t->tries++;
	/* Only who says that he has looked, or that it is settled, makes clear what was not. */
	t->asked = t->unclear && o->clarity == OUTCOME_UNSAID;
	if (o->verdict != OUTCOME_LATER || o->clarity == OUTCOME_CLEAR)
		t->unclear = false;
	else
		t->unclear |= o->clarity == OUTCOME_UNCLEAR;
	t->cut_short = false;
	t->next = 0;
	if (o->verdict == OUTCOME_DONE) {
		t->state = TARGET_DONE;
	} else if (o->verdict == OUTCOME_NEVER || retry_is_over(retry, t->waited)) {
		t->state = TARGET_FAILED;
	} else {
		t->state = TARGET_LATER;
		t->next = now + retry_jitter(retry_wait(retry, t->tries), m->id.name.random ^ m->id.index ^ t->hash ^ t->tries);
	}
	if (t->state == TARGET_LATER && !t->told && before < retry->warn && t->waited >= retry->warn)
		t->late = m->late = true;
	/* There is room for the other target, so that t stays where it is (mail_plan.c).  What may have been delivered goes elsewhere only at the very end. */
	if (t->otherwise.len > 0 && (t->state == TARGET_FAILED || (t->state == TARGET_LATER && t->waited >= t->after && !t->unclear)))
		mail_hand_over_part(m, (size_t)(t - m->targets), t->otherwise);
	return t->state;
}

static const enum outcome_state line_states[] = {
	[TARGET_NEW] = OUTCOME_STATE_TRY_LATER,
	[TARGET_LATER] = OUTCOME_STATE_TRY_LATER,
	[TARGET_HELD] = OUTCOME_STATE_HELD,
	[TARGET_DONE] = OUTCOME_STATE_DONE,
	[TARGET_FAILED] = OUTCOME_STATE_FAILED,
	[TARGET_BOUNCED] = OUTCOME_STATE_BOUNCED,
	[TARGET_REMOVED] = OUTCOME_STATE_REMOVED,
};

static int
put_line(struct mail *m, struct target *t, struct str *out, struct span file, const char *status, struct span reason)
{
	struct outcome_line line = {
		.index = m->id.index,
		.recipient = t->number,
		.state = line_states[t->state],
		.tries = t->tries,
		.next = t->next,
		.status = span_of(status),
		.drop = mail_text(m, t->drop),
		.address = mail_text(m, t->address),
		.reason = reason,
		.unclear = t->unclear && !target_is_final(t),
		.asked = t->asked,
		.told = t->told && !target_is_final(t),
	};

	if (outcome_line_write(out, file, &line) < 0)
		return -1;
	t->unclear_noted = line.unclear;
	return 0;
}

/* A line of a target that was not tried: says where a drop comes from that the plan did not name. */
static int
put_untried(struct mail *m, struct target *t, struct str *out, struct span file)
{
	struct str reason = STR_INIT(OUTCOME_REASON_MAX);
	struct span instead = mail_text(m, t->instead);
	int result = 0;

	/* As long as any reason: with a drop and an address of the greatest length the line could not be written. */
	if (instead.len > OUTCOME_REASON_MAX - strlen(MAIL_INSTEAD))
		instead.len = OUTCOME_REASON_MAX - strlen(MAIL_INSTEAD);
	if (t->fixed)
		result = str_add(&reason, MAIL_INSTEAD) < 0 || str_add_span(&reason, instead) < 0 ? -1 : 0;
	if (result == 0)
		result = put_line(m, t, out, file, "", str_span(&reason));
	str_free(&reason);
	return result;
}

int
mail_put_lines(struct mail *m, struct target *t, struct str *out, struct span file, const char *status, struct span reason)
{
	size_t len = out->len;

	for (size_t i = 0; m->branched && i < m->count; i++) {
		struct target *other = &m->targets[i];

		if (other->number != t->number || other == t || other->noted)
			continue;
		if (put_untried(m, other, out, file) < 0)
			goto fail;
	}
	if (put_line(m, t, out, file, status, reason) < 0)
		goto fail;
	t->noted = true;
	for (size_t i = 0; m->branched && i < m->count; i++)
		if (m->targets[i].number == t->number)
			m->targets[i].noted = true;
	return 0;
fail:
	str_cut(out, len);
	return -1;
}

void
mail_judge(struct mail *m, uint64_t mark, uint64_t dated)
{
	for (size_t i = 0; i < m->count; i++) {
		struct target *t = &m->targets[i];

		if (!target_is_final(t) && (dated != 0 ? dated : t->next) <= mark)
			t->unclear = true;
	}
}
