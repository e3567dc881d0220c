/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "drop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "send.h"
#include "takeoff.h"
#include "waiting.h"

#define PROBE_MOST (15 * 60 * CLOCK_SECOND)	/* a drop that is down is tried this often at least */
#define BATCH 64

static void
tick(void *arg)
{
	(void)arg;		/* the turn that the timer began does the work */
}

void
drops_init(struct send *s)
{
	loop_timer_init(&s->drops.tick, tick, s);
}

static struct span
name_of(struct span drop)
{
	const char *slash = memchr(drop.data, '/', drop.len);

	if (slash != NULL)
		drop.len = (size_t)(slash - drop.data);
	return drop;
}

struct drop *
drop_find(struct send *s, struct span drop)
{
	struct span name = name_of(drop);

	for (size_t i = 0; i < s->drops.count; i++)
		if (span_equal(str_span(&s->drops.all[i]->name), name))
			return s->drops.all[i];
	return NULL;
}

static struct drop *
add(struct send *s, struct channel *c, struct span name)
{
	struct drop *d;

	if (s->drops.count == DROP_MOST || (d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	*d = (struct drop){ .channel = c, .name = STR_INIT(PLAN_DROP_LEN), .bit = (uint64_t)1 << (32 + s->drops.count) };
	if (str_add_span(&d->name, name) < 0) {
		free(d);
		return NULL;
	}
	s->drops.all[s->drops.count++] = d;
	return d;
}

int
drops_start(struct send *s)
{
	const struct drop_rules *rules = &s->config.limits;

	for (size_t i = 0; i < rules->count; i++) {
		struct drop *d = add(s, channel_find(s, str_span(&rules->all[i].name)), str_span(&rules->all[i].name));

		if (d == NULL)
			return -1;
		d->limits = rules->all[i].limits;
	}
	return 0;
}

void
drops_free(struct send *s)
{
	if (loop_timer_is_set(&s->drops.tick))
		loop_timer_clear(s->loop, &s->drops.tick);
	for (size_t i = 0; i < s->drops.count; i++) {
		queue_free(&s->drops.all[i]->queue);
		str_free(&s->drops.all[i]->name);
		free(s->drops.all[i]);
	}
	s->drops.count = 0;
}

/* When the rate lets the next job go: 0 for now. */
static uint64_t
rate_until(const struct send *s, const struct drop *d)
{
	if (d->limits.rate == 0 || d->started == 0 || loop_now(s->loop) - d->started >= d->limits.rate_time || d->used < d->limits.rate)
		return 0;
	return d->started + d->limits.rate_time;
}

bool
drop_has_room(struct send *s, const struct drop *d)
{
	if (d->failures > 0 && (d->flying > 0 || loop_now(s->loop) < d->until))
		return false;
	return (d->limits.concurrency == 0 || d->flying < d->limits.concurrency) && rate_until(s, d) == 0;
}

void
drop_take(struct send *s, struct drop *d)
{
	uint64_t now = loop_now(s->loop);

	d->flying++;
	if (d->limits.rate == 0)
		return;
	if (d->started == 0 || now - d->started >= d->limits.rate_time) {
		d->started = now;
		d->used = 0;
	}
	d->used++;
}

void
drop_ended(struct drop *d)
{
	if (d->flying > 0)
		d->flying--;
}

void
drop_wait(struct send *s, struct drop *d, struct entry *e)
{
	if ((e->queued & d->bit) != 0)
		return;
	if (queue_push(&d->queue, e) < 0) {
		log_errno(s->log, "queue a message");
		return;
	}
	e->queued |= d->bit;
}

static void
log_state(struct send *s, const struct drop *d, const char *event, const struct outcome *o)
{
	struct log_line line;

	log_begin(&line, s->log, event);
	log_str(&line, "drop", str_span(&d->name));
	if (o != NULL)
		log_word(&line, "status", o->status);
	else
		log_span(&line, "down", waiting_away(&d->outage, drop_down(s, d)));
	log_num(&line, "waiting", d->queue.len);
	if (o != NULL)
		log_text(&line, span_of(o->text));
	log_end(&line);
}

static void
failed(struct send *s, struct drop *d, const struct outcome *o)
{
	uint64_t now = loop_now(s->loop), wait;

	/* Jobs that were handed out together fail together, and once. */
	if (d->failures > 0 && now < d->until)
		return;
	if (d->failures++ == 0) {
		d->since = d->swept = now;
		log_state(s, d, "alarm", o);
	}
	d->why = *o;
	wait = retry_wait(&s->config.retry, d->failures);
	d->until = now + retry_jitter(wait < PROBE_MOST ? wait : PROBE_MOST, now);
	outages_changed(s);
}

void
drop_restore(struct send *s, const struct outage_line *line)
{
	uint64_t now = loop_now(s->loop), wall = clock_wall(), wait = line->next > wall ? line->next - wall : 0;
	struct channel *c = channel_find(s, line->name);
	struct drop *d = drop_find(s, line->name);

	if (c == NULL || (d == NULL && (d = add(s, c, line->name)) == NULL))
		return;
	d->failures = line->failures > 0 && line->failures < UINT32_MAX ? (unsigned)line->failures : 1;
	d->outage = line->outage;
	d->since = d->swept = now;
	/* Who starts a run by hand wants a try. */
	d->until = s->once ? 0 : now + (wait < PROBE_MOST ? wait : PROBE_MOST);
	outcome_set(&d->why, OUTCOME_LATER, "4.0.0", "%.*s", (int)line->text.len, line->text.data);
	if (line->status.len > 0 && line->status.len < sizeof(d->why.status))
		snprintf(d->why.status, sizeof(d->why.status), "%.*s", (int)line->status.len, line->status.data);
	log_state(s, d, "still-down", &d->why);
}

bool
drop_answered(struct send *s, struct channel *c, struct span drop, const struct outcome *o)
{
	bool down = o->verdict == OUTCOME_LATER && o->drop_down;
	struct drop *d = drop_find(s, drop);

	if (d == NULL && down)
		d = add(s, c, name_of(drop));
	if (d == NULL)
		return false;
	if (down) {
		failed(s, d, o);
	} else if (d->failures > 0) {
		log_state(s, d, "alarm-over", NULL);
		d->failures = 0;
		d->outage.count = 0;
		d->to_sweep = 0;
		outages_changed(s);
	}
	return down;
}

uint64_t
drop_down(const struct send *s, const struct drop *d)
{
	return d->failures > 0 ? loop_now(s->loop) - d->since : 0;
}

/* Takes messages from the head of the queue, as long as there is room, or it is their turn to be looked at. */
static bool
pump(struct send *s, struct drop *d)
{
	size_t tries = d->queue.len < BATCH ? d->queue.len : BATCH;
	bool moved = false;

	while (tries-- > 0 && ((drop_has_room(s, d) && channel_has_room(d->channel, false)) || d->to_sweep > 0)) {
		struct entry *e = queue_pop(&d->queue);

		if (e == NULL)
			break;
		d->to_sweep -= d->to_sweep > 0;
		e->queued &= ~d->bit;
		moved = true;
		if ((e->flags & ENTRY_GONE) != 0)
			table_drop(&s->table, e);
		else if (takeoff_entry(s, e, d->channel) < 0) {
			drop_wait(s, d, e);
			moved = false;
			break;
		}
	}
	return moved && d->queue.len > 0 && (drop_has_room(s, d) || d->to_sweep > 0);
}

/* When the drop is to be looked at again without anything else happening. */
static uint64_t
next_look(const struct send *s, const struct drop *d)
{
	uint64_t rate = rate_until(s, d);

	if (d->queue.len == 0)
		return UINT64_MAX;
	if (d->failures > 0)
		return d->flying > 0 ? UINT64_MAX : d->until > loop_now(s->loop) ? d->until : UINT64_MAX;
	return rate > 0 ? rate : UINT64_MAX;
}

bool
drops_pump(struct send *s)
{
	uint64_t next = UINT64_MAX, at;
	bool more = false;

	for (size_t i = 0; i < s->drops.count; i++) {
		struct drop *d = s->drops.all[i];

		if (d->channel == NULL || s->draining || s->mark_failed || s->earlier.passing)
			continue;
		/* What has waited here for as long as its fallback or its end allows must not wait for the drop. */
		if (waiting_may_end(s, waiting_drop_away(s, d), d->swept)) {
			d->swept = loop_now(s->loop);
			d->to_sweep = d->queue.len;
		}
		more |= pump(s, d);
		at = next_look(s, d);
		if (d->failures > 0 && d->queue.len > 0 && at > loop_now(s->loop) + waiting_interval(s))
			at = loop_now(s->loop) + waiting_interval(s);
		if (at < next)
			next = at;
	}
	if (next != UINT64_MAX)
		loop_timer_set(s->loop, &s->drops.tick, next);
	return more;
}

void
drops_hurry(struct send *s)
{
	for (size_t i = 0; i < s->drops.count; i++)
		s->drops.all[i]->until = 0;
}

size_t
drops_queued(const struct send *s)
{
	size_t queued = 0;

	for (size_t i = 0; i < s->drops.count; i++)
		queued += s->drops.all[i]->queue.len;
	return queued;
}

bool
drops_idle(const struct send *s)
{
	for (size_t i = 0; i < s->drops.count; i++)
		if (s->drops.all[i]->queue.len > 0 && s->drops.all[i]->failures == 0)
			return false;
	return true;
}
