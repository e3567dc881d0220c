/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "waiting.h"

#include "clock.h"
#include "send.h"

#define INTERVAL_LEAST CLOCK_SECOND
#define INTERVAL_MOST (10 * 60 * CLOCK_SECOND)

uint64_t
waiting_away(const struct outage *outage, uint64_t away)
{
	return away > 0 ? away + outage_total(outage) : 0;
}

static uint64_t
more(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t
waiting_drop_away(const struct send *s, const struct drop *d)
{
	return more(waiting_away(&d->outage, drop_down(s, d)), waiting_away(&d->channel->outage, channel_away(d->channel)));
}

/* So that what ends is at most a twentieth late, and 100,000 messages that wait for days are not read all the time. */
uint64_t
waiting_interval(const struct send *s)
{
	uint64_t interval = s->config.least_wait / 20;

	return interval < INTERVAL_LEAST ? INTERVAL_LEAST : interval > INTERVAL_MOST ? INTERVAL_MOST : interval;
}

bool
waiting_may_end(const struct send *s, uint64_t away, uint64_t swept)
{
	return away > 0 && away >= s->config.least_wait && loop_now(s->loop) - swept >= waiting_interval(s);
}

/* How much of an outage lies behind from, for a message that was there before this process or was not. */
static uint64_t
behind(const struct outage *outage, bool before, uint64_t away, uint64_t from, uint64_t now)
{
	uint64_t since = now > from ? now - from : 0;

	return away > 0 ? (since < away ? since : away) + (before ? outage_behind(outage, from) : 0) : 0;
}

/* How long the target has waited in all.  No clock that was set can make it longer than what it waits for is away. */
static uint64_t
waited(const struct send *s, const struct mail *m, const struct target *t, struct waiting w, uint64_t now)
{
	uint64_t from = more(t->next, m->arrival);
	bool before = (m->entry->flags & ENTRY_BEFORE) != 0;
	uint64_t beyond = behind(&w.channel->outage, before, channel_away(w.channel), from, now);

	if (w.drop != NULL)
		beyond = more(beyond, behind(&w.drop->outage, before, drop_down(s, w.drop), from, now));
	if (t->tries > 0 && !t->cut_short)
		beyond += retry_wait(&s->config.retry, t->tries);
	return t->waited + beyond;
}

static void
end_one(struct send *s, struct mail *m, struct target *t, uint64_t total, const struct outcome *o, uint64_t now)
{
	const struct retry *retry = &s->config.retry;

	if (total >= retry->until || (t->otherwise.len > 0 && !t->unclear && total >= t->after)) {
		/* mail_answer adds the wait of the schedule itself */
		t->waited = total - (t->tries > 0 && !t->cut_short ? retry_wait(retry, t->tries) : 0);
		mail_answer(m, t, o, retry, now);
		outcomes_note(s, m, t, o, NULL, true);
	} else if (m->entry->place == ENTRY_DEFERRED && !t->told && retry->warn > 0 && t->waited < retry->warn && total >= retry->warn) {
		outcomes_note_told(s, m, t, o);
	}
}

void
waiting_end(struct send *s, struct mail *m, struct waiting w, uint64_t now)
{
	uint64_t away = w.drop != NULL ? waiting_drop_away(s, w.drop) : waiting_away(&w.channel->outage, channel_away(w.channel));
	struct span name = w.drop != NULL && w.drop->failures > 0 ? str_span(&w.drop->name) : w.channel->name;
	struct outcome o;

	if (away == 0 || away < s->config.least_wait)
		return;
	outcome_set(&o, OUTCOME_LATER, "4.4.7", "%.*s is %s", (int)name.len, name.data, w.drop != NULL && w.drop->failures > 0 ? "down" : "away");
	for (size_t i = w.first; i < w.end; i++)
		if (target_is_due(m, &m->targets[i], now))
			end_one(s, m, &m->targets[i], waited(s, m, &m->targets[i], w, now), &o, now);
}
