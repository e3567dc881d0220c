/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other drops for a mail's targets: fallbacks, and what a changed configuration says. */
#include <stdlib.h>

#include "mail_internal.h"

int
mail_hand_over_part(struct mail *m, size_t i, struct text_part drop)
{
	struct target *t;

	for (size_t n = 0; n < m->count; n++)
		if (m->targets[n].number == m->targets[i].number && mail_same_text(m, m->targets[n].drop, drop)
		    && mail_same_text(m, m->targets[n].address, m->targets[i].address)) {
			m->targets[i].state = TARGET_REMOVED;
			return 0;
		}
	t = mail_target_new(m);
	if (t == NULL)
		return -1;
	t->number = m->targets[i].number;
	t->recipient = m->targets[i].recipient;
	t->address = m->targets[i].address;
	t->drop = drop;
	t->hash = id_hash(mail_text(m, drop));
	t->instead = m->targets[i].drop;
	t->fixed = t->parked = true;
	m->branched = true;
	m->targets[i].state = TARGET_REMOVED;
	m->targets[i].next = 0;
	return 0;
}

int
mail_hand_over(struct mail *m, size_t i, struct span drop)
{
	struct text_part part;

	return mail_keep_text(m, drop, &part) < 0 ? -1 : mail_hand_over_part(m, i, part);
}

struct replanning {
	struct mail *mail;
	uint32_t number;
	struct text_part recipient;
	bool reroute;			/* those in no step go, and those of new steps come */
	bool *known;			/* of each target: a step names it */
	size_t count;			/* of targets when it began */
};

static int
replan_step(void *arg, const struct plan_step *step)
{
	struct replanning *r = arg;
	struct mail *m = r->mail;
	bool found = false, reached = false;
	struct target *t;

	for (size_t i = 0; i < r->count; i++) {
		t = &m->targets[i];
		if (t->number != r->number || !span_equal(mail_text(m, t->drop), step->drop))
			continue;
		/* A message reaches one drop once, as whom ever. */
		reached |= t->state == TARGET_DONE;
		if (!span_equal(mail_text(m, t->address), step->address))
			continue;
		found = r->known[i] = true;
		t->after = step->after;
		if (mail_keep_text(m, step->otherwise, &t->otherwise) < 0)
			return -1;
	}
	if (found || reached || !r->reroute || step->fallback)
		return 0;
	t = mail_target_new(m);
	if (t == NULL)
		return -1;
	t->number = r->number;
	t->recipient = r->recipient;
	t->after = step->after;
	if (mail_keep_text(m, step->drop, &t->drop) < 0 || mail_keep_text(m, step->otherwise, &t->otherwise) < 0)
		return -1;
	return mail_keep_text(m, step->address, &t->address);
}

static bool
may_replace(const struct target *t)
{
	return t->noted && !t->fixed && (t->state == TARGET_NEW || t->state == TARGET_LATER);
}

/* Lines of one recipient: those of its new targets first, for what they replace must not be gone without them. */
static int
put_rerouted(struct mail *m, uint32_t number, const struct replanning *r, struct span file)
{
	int changed = 0;

	for (size_t i = r->count; i < m->count; i++, changed++)
		if (m->targets[i].number == number && mail_put_lines(m, &m->targets[i], &m->pending, file, "", span_of("rerouted")) < 0)
			return -1;
	for (size_t i = 0; i < r->count; i++) {
		struct target *t = &m->targets[i];

		if (t->number != number || r->known[i] || !may_replace(t))
			continue;
		t->state = TARGET_REMOVED;
		t->next = 0;
		if (mail_put_lines(m, t, &m->pending, file, "", span_of("rerouted: the configuration says another drop")) < 0)
			return -1;
		changed++;
	}
	return changed;
}

static bool
needs_replan(const struct mail *m, uint32_t number)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].number == number && m->targets[i].noted && !target_is_final(&m->targets[i]))
			return true;
	return false;
}

static bool
has_strays(const struct mail *m, const struct replanning *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (m->targets[i].number == r->number && !r->known[i] && may_replace(&m->targets[i]))
			return true;
	return false;
}

static int
replan_recipient(struct mail *m, const struct record *record, const struct plan *plan, struct span address, struct replanning *r, struct span file)
{
	struct plan_query query = { record, m->body, NULL, plan->watch };
	bool reroute = r->reroute;
	int result;

	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].number == r->number)
			r->recipient = m->targets[i].recipient;
	r->count = m->count;
	r->known = calloc(m->count, sizeof(*r->known));
	if (r->known == NULL)
		return -1;
	r->reroute = false;
	result = plan_make(plan, &query, address, replan_step, r);
	r->reroute = reroute && has_strays(m, r);
	if (result == 0 && r->reroute)
		result = plan_make(plan, &query, address, replan_step, r);
	if (result == 0 && r->reroute)
		result = put_rerouted(m, r->number, r, file);
	r->reroute = reroute;
	free(r->known);
	return result;
}

int
mail_replan(struct mail *m, const struct record *record, const struct plan *plan, bool reroute)
{
	struct span rest = record->recipients, address, attributes;
	struct replanning r = { .mail = m, .reroute = reroute };
	char file[ID_TEXT_MAX];
	int changed = 0, result;
	size_t count = m->count;

	id_text(m->id, file);
	for (size_t i = 0; i < m->count; i++)
		r.reroute &= !m->targets[i].unclear;
	for (; record_next_recipient(&rest, &address, &attributes); r.number++) {
		if (!needs_replan(m, r.number))
			continue;
		result = replan_recipient(m, record, plan, address, &r, span_of(file));
		if (result < 0)
			return -1;
		changed += result;
	}
	if (m->count != count) {
		m->branched = true;
		mail_sort_targets(m);
		if (mail_target_room(m, 2 * m->count) < 0)
			return -1;
	}
	return changed;
}
