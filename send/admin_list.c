/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admin_list.h"

#include <string.h>

#include "clock.h"
#include "flight.h"
#include "send.h"
#include "text.h"

struct row {				/* an R frame */
	uint32_t number;
	const char *state;
	uint32_t tries;
	uint64_t next;
	struct span status, drop, address, reason;
};

struct listing {
	struct send *send;
	struct ctrl *ctrl;
	struct str *out;		/* room for a frame */
	const struct spool_recipient *recipient;
	size_t rows;
};

static void
put_row(struct listing *l, const struct row *r)
{
	struct str *out = l->out;

	str_cut(out, 0);
	l->rows++;
	if (str_printf(out, "%lu %s %lu %llu ", (unsigned long)r->number, r->state, (unsigned long)r->tries, (unsigned long long)r->next) == 0
	    && text_encode(out, r->status) == 0 && str_add_char(out, ' ') == 0 && text_encode(out, r->drop) == 0 && str_add_char(out, ' ') == 0
	    && text_encode(out, r->address) == 0 && str_add_char(out, ' ') == 0 && text_encode(out, r->reason) == 0)
		ctrl_send(l->ctrl, 'R', str_span(out));
}

/* What keeps a drop from taking what is due, if anything does. */
static bool
what_keeps(struct send *s, struct span drop, struct outcome *o)
{
	const struct channel *c = channel_find(s, drop);
	const struct drop *d = drop_find(s, drop);
	struct span name, rest;

	if (c == NULL && (span_is(drop, PLAN_DISCARD) || !plan_split(drop, &name, &rest)))
		return false;
	if (c == NULL)
		outcome_set(o, OUTCOME_LATER, "4.3.5", "no deliverer is named %.*s", (int)name.len, name.data);
	else if (c->ctrl == NULL && c->since > 0)
		outcome_set(o, OUTCOME_LATER, "4.4.1", "%.*s is away: %s", (int)c->name.len, c->name.data, c->why);
	else if (d != NULL && d->failures > 0)
		outcome_set(o, OUTCOME_LATER, d->why.status, "%s is down: %s", d->name.data, d->why.text);
	else if (d != NULL && !drop_has_room(s, d))
		outcome_set(o, OUTCOME_LATER, "4.3.2", "the limit of %s", d->name.data);
	else
		return false;
	return true;
}

/* A recipient at a drop that is due, or will be as soon as it can. */
static void
put_due(struct listing *l, struct row r)
{
	struct outcome o;

	if (r.drop.len > 0 && what_keeps(l->send, r.drop, &o)) {
		r.status = span_of(o.status);
		r.reason = span_of(o.text);
		put_row(l, &r);
		return;
	}
	put_row(l, &r);
}

static int
put_planned(void *arg, const struct plan_step *step)
{
	struct listing *l = arg;

	if (!step->fallback)
		put_due(l, (struct row){ .number = l->recipient->number, .state = "new", .status = span_of(""), .drop = step->drop,
			.address = step->address.len > 0 ? step->address : l->recipient->address, .reason = span_of("") });
	return 0;
}

static void
put_noted(struct listing *l, const struct spool_recipient *r)
{
	const struct outcome_line *line = &r->line;
	struct row row = { .number = r->number, .state = outcome_state_name(line->state), .tries = line->tries, .next = line->next, .status = line->status,
		.drop = line->drop, .address = line->address.len > 0 ? line->address : r->address, .reason = line->reason };

	if (line->state == OUTCOME_STATE_TRY_LATER && line->next <= clock_wall())
		put_due(l, row);
	else
		put_row(l, &row);
}

static void
put_new(struct listing *l, const struct record *record, struct span body)
{
	const struct plan *plan = &l->send->config.plan;
	size_t rows = l->rows;

	(void)plan_make(plan, &(struct plan_query){ record, body, NULL, NULL }, l->recipient->address, put_planned, l);
	if (l->rows == rows)
		put_row(l, &(struct row){ .number = l->recipient->number, .state = "new", .status = span_of(""), .drop = span_of(""),
			.address = l->recipient->address, .reason = span_of("") });
}

static bool
has_new(const struct spool_entry *entry)
{
	for (size_t i = 0; i < entry->count; i++)
		if (!entry->recipients[i].has_line)
			return true;
	return false;
}

static void
put_message(struct listing *l, const struct record *record, enum spool_place place)
{
	char id[ID_TEXT_MAX];

	id_text(record->id, id);
	str_cut(l->out, 0);
	if (str_printf(l->out, "%s %llu %llu %s ", id, (unsigned long long)record->arrival, (unsigned long long)record->body_len, spool_place_name(place)) == 0
	    && text_encode(l->out, record->sender) == 0)
		ctrl_send(l->ctrl, 'M', str_span(l->out));
}

int
admin_list_entry(struct send *s, struct spool_walk *walk, struct spool_entry *entry, struct ctrl *c)
{
	struct str out = STR_INIT(FRAME_MAX - 1);
	struct listing l = { .send = s, .ctrl = c, .out = &out };
	struct span body = { "", 0 };
	int planned = has_new(entry);

	/* Routes may ask for header fields. */
	if (planned && spool_walk_body(walk, entry, FLIGHT_INLINE, &body) < 0)
		return planned;
	put_message(&l, &entry->record, entry->place);
	for (size_t i = 0; i < entry->count; i++) {
		l.recipient = &entry->recipients[i];
		if (l.recipient->has_line)
			put_noted(&l, l.recipient);
		else
			put_new(&l, &entry->record, body);
	}
	str_free(&out);
	return planned;
}
