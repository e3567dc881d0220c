/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "flight.h"
#include "send.h"
#include "takeoff.h"
#include "waiting.h"

#define DELAY_LEAST (CLOCK_SECOND / 5)
#define DELAY_MOST (2 * CLOCK_SECOND)
#define FDS_TURN 16

static void
report(struct channel *c, const char *event, const char *text)
{
	struct log_line line;

	log_begin(&line, c->send->log, event);
	log_str(&line, "channel", c->name);
	if (text != NULL)
		log_text(&line, span_of(text));
	log_end(&line);
}

static void
again(struct channel *c)
{
	struct send *s = c->send;

	loop_timer_set(s->loop, &c->connect, clock_boot() + c->delay);
	c->delay = c->delay * 2 > DELAY_MOST ? DELAY_MOST : c->delay * 2;
}

static void
down(struct channel *c, const char *why, const char *event)
{
	c->tried = true;
	c->failed = clock_boot();
	if (c->since == 0)
		c->since = c->failed;
	snprintf(c->why, sizeof(c->why), "%s", why);
	if (!c->reported)
		report(c, event, why);
	c->reported = true;
	again(c);
}

static const char *
on_frame(void *arg, struct ctrl *ctrl, struct frame frame)
{
	struct channel *c = arg;

	(void)ctrl;
	if (frame.type == 'Y')
		return flight_alive(c, frame.value);
	if (frame.type != OUTCOME_DONE && frame.type != OUTCOME_LATER && frame.type != OUTCOME_NEVER)
		return "a frame of an unknown type";
	if (c->reported) {
		c->reported = false;
		report(c, "up", NULL);
	}
	c->delay = DELAY_LEAST;
	c->since = 0;
	c->outage.count = 0;
	c->to_sweep = 0;
	return flight_answer(c, frame);
}

static void
on_closed(void *arg, struct ctrl *ctrl, const char *why, bool broken)
{
	struct channel *c = arg;

	(void)ctrl;
	c->ctrl = NULL;
	flight_lost(c);
	/* One that breaks the rules, or dies with jobs in hand, is named each time. */
	if (broken)
		c->reported = false;
	down(c, why, broken ? "broken" : "down");
}

static const struct ctrl_ops ops = { .frame = on_frame, .closed = on_closed };

static void
on_connect(void *arg)
{
	struct channel *c = arg;
	int fd = ctrl_connect(c->path);

	if (fd < 0) {
		down(c, strerror(errno), "down");
		return;
	}
	c->ctrl = ctrl_new(c->send->hub, fd, &ops, c);
	if (c->ctrl == NULL) {
		down(c, strerror(errno), "down");
		return;
	}
	c->tried = true;
	c->served = false;
}

static void
on_stale(void *arg)
{
	struct channel *c = arg;
	struct send *s = c->send;

	loop_timer_set(s->loop, &c->stale, loop_now(s->loop) + s->job_timeout / 15);
	if (c->ctrl == NULL || list_empty(&c->jobs))
		return;
	if (loop_now(s->loop) - list_owner(c->jobs.after, struct job, order)->sent < s->job_timeout)
		return;
	c->reported = false;
	ctrl_close(c->ctrl);
}

struct span
channel_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct span name = span_of(slash != NULL ? slash + 1 : path);
	static const char ending[] = ".ctrl";
	size_t len = strlen(ending);

	if (name.len <= len || memcmp(name.data + name.len - len, ending, len) != 0)
		return (struct span){ "", 0 };
	name.len -= len;
	return name;
}

static int
start_one(struct send *s, struct channel *c, const char *path, size_t n, struct str *error)
{
	*c = (struct channel){ .send = s, .path = path, .name = channel_name(path), .delay = DELAY_LEAST, .bit = (uint64_t)1 << n };
	list_init(&c->jobs);
	if (c->name.len == 0 || memchr(c->name.data, ':', c->name.len) != NULL) {
		str_printf(error, "--out %s: expected a socket whose name ends in .ctrl", path);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (span_equal(s->channels.all[i].name, c->name)) {
			str_printf(error, "--out %s: there is one of this name already", path);
			return -1;
		}
	loop_timer_init(&c->connect, on_connect, c);
	loop_timer_init(&c->stale, on_stale, c);
	s->channels.count++;
	return 0;
}

int
channels_start(struct send *s, struct str *error)
{
	static const char *const standard[] = { "local.ctrl" };
	size_t count = 0;

	while (count < 32 && stage_out(s->stage, count) != NULL)
		count++;
	s->channels.all = calloc(count > 0 ? count : 1, sizeof(struct channel));
	if (s->channels.all == NULL)
		return -1;
	for (size_t n = 0; n < (count > 0 ? count : 1); n++)
		if (start_one(s, &s->channels.all[n], count > 0 ? stage_out(s->stage, n) : standard[0], n, error) < 0)
			return -1;
	for (size_t n = 0; n < s->channels.count; n++) {
		loop_timer_set(s->loop, &s->channels.all[n].connect, 0);
		loop_timer_set(s->loop, &s->channels.all[n].stale, clock_boot() + s->job_timeout / 15);
	}
	return 0;
}

void
channels_free(struct send *s)
{
	for (size_t n = 0; n < s->channels.count; n++) {
		struct channel *c = &s->channels.all[n];

		queue_free(&c->queue);
		loop_timer_clear(s->loop, &c->connect);
		loop_timer_clear(s->loop, &c->stale);
		while (!list_empty(&c->jobs)) {
			struct job *job = list_owner(c->jobs.after, struct job, order);

			list_remove(&job->order);
			if (--job->mail->jobs == 0)
				mail_free(job->mail);
			free(job);
		}
	}
	free(s->channels.all);
	s->channels = (struct channels){ NULL, 0 };
}

struct channel *
channel_find(struct send *s, struct span drop)
{
	struct span name, rest;

	if (!plan_split(drop, &name, &rest))
		return NULL;
	for (size_t n = 0; n < s->channels.count; n++)
		if (span_equal(s->channels.all[n].name, name))
			return &s->channels.all[n];
	return NULL;
}

bool
channel_has_room(const struct channel *c, bool with_fd)
{
	if (c->ctrl == NULL || c->send->draining || c->send->earlier.passing || c->job_count >= CHANNEL_WINDOW || c->batch >= CHANNEL_BATCH
	    || ctrl_unsent(c->ctrl) >= CTRL_OUT_PAUSE)
		return false;
	return !with_fd || (c->clear && c->fds < FDS_TURN);
}

uint64_t
channel_away(const struct channel *c)
{
	return c->ctrl == NULL && c->since > 0 ? c->failed - c->since : 0;
}

int
channel_wait(struct channel *c, struct entry *e)
{
	if ((e->queued & c->bit) != 0)
		return 0;
	if (queue_push(&c->queue, e) < 0) {
		log_errno(c->send->log, "queue a message");
		return -1;
	}
	e->queued |= c->bit;
	return 0;
}

/* While nothing can be handed out, what has waited for as long as its fallback or its end allows is looked for. */
static void
want_sweep(struct send *s, struct channel *c)
{
	if (!waiting_may_end(s, waiting_away(&c->outage, channel_away(c)), c->swept))
		return;
	c->swept = loop_now(s->loop);
	c->to_sweep = c->queue.len;
}

/* Hands out from the head of the queue.  True where room and messages are left. */
static bool
pump(struct send *s, struct channel *c)
{
	size_t tries = c->queue.len < 2 * CHANNEL_BATCH ? c->queue.len : 2 * CHANNEL_BATCH;
	bool moved = false, taken = false;

	while (tries-- > 0 && (channel_has_room(c, false) || c->to_sweep > 0)) {
		struct entry *e = queue_pop(&c->queue);
		unsigned batch = c->batch;

		if (e == NULL)
			break;
		e->queued &= ~c->bit;
		c->to_sweep -= c->to_sweep > 0;
		if ((e->flags & ENTRY_GONE) != 0) {
			table_drop(&s->table, e);
			moved = true;
		} else if (takeoff_entry(s, e, c) < 0) {
			/* Not now: its file cannot take outcomes, or memory is full.  Others may be better off. */
			channel_wait(c, e);
			if (!send_has_room(s))
				break;
		} else {
			taken = true;
		}
		moved |= c->batch != batch;
	}
	if (c->to_sweep > 0)
		return taken;
	return moved && c->queue.len > 0 && c->job_count < CHANNEL_WINDOW && c->ctrl != NULL && ctrl_unsent(c->ctrl) < CTRL_OUT_PAUSE;
}

bool
channels_pump(struct send *s)
{
	bool more = false;

	for (size_t n = 0; n < s->channels.count; n++) {
		struct channel *c = &s->channels.all[n];

		c->batch = c->fds = 0;
		c->clear = c->ctrl != NULL && ctrl_unsent(c->ctrl) == 0;
		if (s->draining || s->mark_failed || s->earlier.passing)
			continue;
		want_sweep(s, c);
		more |= pump(s, c);
	}
	return more;
}

void
channels_flush(struct send *s)
{
	for (size_t n = 0; n < s->channels.count; n++)
		if (s->channels.all[n].ctrl != NULL && s->channels.all[n].batch > 0)
			ctrl_flush(s->channels.all[n].ctrl);
}

bool
channels_want_more(const struct send *s)
{
	bool busy = false;

	if (s->earlier.passing)
		return true;
	for (size_t n = 0; n < s->channels.count; n++) {
		const struct channel *c = &s->channels.all[n];

		if (c->ctrl == NULL)
			continue;
		if (c->queue.len == 0 && channel_has_room(c, false))
			return true;
		busy = true;
	}
	/* All that is up is busy: what is read now would only be read again.  With all down, the journal is read on for those that wait for nothing. */
	return !busy;
}

bool
channels_idle(const struct send *s)
{
	for (size_t n = 0; n < s->channels.count; n++)
		if (s->channels.all[n].queue.len > 0 && (s->channels.all[n].ctrl != NULL || !s->channels.all[n].tried))
			return false;
	return true;
}

size_t
channels_queued(const struct send *s)
{
	size_t queued = 0;

	for (size_t n = 0; n < s->channels.count; n++)
		queued += s->channels.all[n].queue.len;
	return queued;
}
