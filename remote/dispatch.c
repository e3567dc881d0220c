/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dispatch_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"

#define LOSSES_MAX 3			/* connections in a row that broke within a message */
#define WAIT_SHARE 3			/* a message is begun within the first third of its time, so that the rest suffices for the dialogue */

static void work(void *arg);

/* Everything that is to be done is done from the timer: callbacks of links only say that there is something. */
static void wake(struct dispatch *dispatch)
{
	(void)loop_timer_set(dispatch->world->loop, &dispatch->timer, loop_now(dispatch->world->loop));
}

struct dispatch *dispatch_new(const struct link_world *world, const struct route *route, dispatch_fn *done, void *arg)
{
	struct dispatch *dispatch = calloc(1, sizeof *dispatch);

	if (!dispatch)
		return NULL;
	*dispatch = (struct dispatch){ .world = world, .route = route, .done = done, .arg = arg, .text = STR_INIT(DISPATCH_TEXT_MAX) };
	dispatch->last = &dispatch->first;
	dispatch->limit = route->connections;
	loop_timer_init(&dispatch->timer, work, dispatch);
	return dispatch;
}

static void free_lane(struct lane *lane)
{
	struct lane **at = &lane->dispatch->lanes;

	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	lane->dispatch->lane_count--;
	link_free(lane->link);
	free(lane);
}

void dispatch_free(struct dispatch *dispatch)
{
	if (!dispatch)
		return;
	while (dispatch->lanes) {
		mail_free(dispatch->lanes->mail);
		free_lane(dispatch->lanes);
	}
	for (struct mail *next, *mail = dispatch->first; mail; mail = next) {
		next = mail->next;
		mail_free(mail);
	}
	loop_timer_clear(dispatch->world->loop, &dispatch->timer);
	str_free(&dispatch->text);
	free(dispatch);
}

size_t dispatch_pending(const struct dispatch *dispatch)
{
	return dispatch->pending;
}

size_t dispatch_connections(const struct dispatch *dispatch)
{
	return dispatch->lane_count;
}

/* ---- messages ---- */

static void append(struct dispatch *dispatch, struct mail *mail)
{
	mail->next = NULL;
	*dispatch->last = mail;
	dispatch->last = &mail->next;
}

static void put_first(struct dispatch *dispatch, struct mail *mail)
{
	mail->next = dispatch->first;
	if (!dispatch->first)
		dispatch->last = &mail->next;
	dispatch->first = mail;
}

static struct mail *take_first(struct dispatch *dispatch)
{
	struct mail *mail = dispatch->first;

	dispatch->first = mail->next;
	if (!dispatch->first)
		dispatch->last = &dispatch->first;
	return mail;
}

static void finish(struct dispatch *dispatch, struct mail *mail)
{
	struct deliver_job *job = mail->job;

	dispatch->pending--;
	dispatch_log_mail(dispatch, mail);
	mail_free(mail);
	dispatch->done(dispatch->arg, job);
}

static void finish_with(struct dispatch *dispatch, struct mail *mail, const struct outcome *outcome)
{
	mail->job->result = *outcome;
	mail_settle_rest(mail, outcome);
	finish(dispatch, mail);
}

static void finish_waiting(struct dispatch *dispatch, const struct outcome *outcome)
{
	struct mail *mail = dispatch->first;

	/* What is added while the jobs are given back waits for the next turn. */
	dispatch->first = NULL;
	dispatch->last = &dispatch->first;
	for (struct mail *next; mail; mail = next) {
		next = mail->next;
		finish_with(dispatch, mail, outcome);
	}
}

void dispatch_add(struct dispatch *dispatch, struct deliver_job *job)
{
	struct mail *mail = mail_new(job);

	if (!mail || dispatch->draining) {
		mail_free(mail);
		outcome_set(&job->result, OUTCOME_LATER, "4.3.2", dispatch->draining ? "deaddrop-remote is being stopped" : "no memory for the message");
		dispatch->done(dispatch->arg, job);
		return;
	}
	dispatch->limit = deliver_job_connections(job, dispatch->route->connections);
	mail->due = loop_now(dispatch->world->loop) + dispatch->route->deadline;
	dispatch->pending++;
	append(dispatch, mail);
	wake(dispatch);
}

/* ---- connections ---- */

static void on_ready(void *arg)
{
	struct lane *lane = arg;

	if (!lane->up)
		dispatch_worked(lane->dispatch, lane->relay);
	lane->up = true;
	wake(lane->dispatch);
}

static void on_sent(void *arg, struct mail *mail)
{
	struct lane *lane = arg;

	lane->mail = NULL;
	if (mail_count(mail, MAIL_WAITING)) {
		put_first(lane->dispatch, mail);
	} else {
		if (!(mail->notes & MAIL_UNCLEAR))
			lane->dispatch->losses = 0;
		finish(lane->dispatch, mail);
	}
	wake(lane->dispatch);
}

/*
 * The connection ended with a message that it had begun, and that was put first by on_sent.  One that was old already may have been given up by the server at that
 * very moment: another is worth a try.  A message that breaks connections must not stop the others: only several in a row speak against the server.
 */
static void forgive_or_blame(struct lane *lane, struct mail *mail, enum session_end why, const char *text)
{
	struct dispatch *dispatch = lane->dispatch;
	bool old = link_count(lane->link) > 1, loss = why == SESSION_LOST || why == SESSION_BROKEN || why == SESSION_TROUBLE;
	struct outcome outcome;

	if (why == SESSION_QUIT || (old && why == SESSION_LOST && !mail->tries++))
		return;
	dispatch_note(dispatch, why, text);
	dispatch_outcome(dispatch, &outcome);
	if (loss && dispatch->route->relay_count == 1 && ++dispatch->losses < LOSSES_MAX) {
		finish_with(dispatch, take_first(dispatch), &outcome);
		return;
	}
	dispatch_failed(dispatch, lane->relay, why, text);
	if (dispatch_is_closed(dispatch)) {
		dispatch_raise(dispatch);
		finish_with(dispatch, take_first(dispatch), &outcome);
	}
}

static void on_over(void *arg, enum session_end why, const char *text)
{
	struct lane *lane = arg;
	struct dispatch *dispatch = lane->dispatch;
	struct mail *mail = lane->up ? dispatch->first : NULL;

	if (mail && mail->lane == lane)
		forgive_or_blame(lane, mail, why, text);
	else if (!lane->up || (why != SESSION_QUIT && dispatch->first))
		dispatch_failed(dispatch, lane->relay, why, text);
	free_lane(lane);
	wake(dispatch);
}

static const struct link_ops link_ops = { .ready = on_ready, .sent = on_sent, .over = on_over };

static bool open_lane(struct dispatch *dispatch, size_t relay)
{
	struct lane *lane = calloc(1, sizeof *lane);

	if (!lane)
		return false;
	lane->dispatch = dispatch;
	lane->relay = relay;
	lane->link = link_new(dispatch->world, dispatch->route, relay, &link_ops, lane);
	if (!lane->link) {
		free(lane);
		return false;
	}
	lane->next = dispatch->lanes;
	dispatch->lanes = lane;
	dispatch->lane_count++;
	return true;
}

/* ---- work ---- */

static struct lane *find_ready(struct dispatch *dispatch)
{
	for (struct lane *lane = dispatch->lanes; lane; lane = lane->next)
		if (!lane->mail && link_is_ready(lane->link))
			return lane;
	return NULL;
}

static void quit(struct lane *lane)
{
	lane->leaving = true;
	link_quit(lane->link);
}

/* Idle ones, where there are more than there may be now. */
static void quit_surplus(struct dispatch *dispatch)
{
	size_t count = 0;
	struct lane *lane;

	for (lane = dispatch->lanes; lane; lane = lane->next)
		count += !lane->leaving;
	while (count > dispatch->limit && (lane = find_ready(dispatch))) {
		quit(lane);
		count--;
	}
}

static size_t count_lanes(const struct dispatch *dispatch, bool up)
{
	size_t count = 0;

	for (const struct lane *lane = dispatch->lanes; lane; lane = lane->next)
		count += lane->up == up;
	return count;
}

/* Reading it fails for reasons of this host, or of this message. */
static void send_one(struct dispatch *dispatch, struct lane *lane)
{
	struct mail *mail = take_first(dispatch);
	struct outcome outcome;

	if (mail_survey(mail) < 0) {
		deliver_job_trouble(&outcome, errno, "reading the message");
		finish_with(dispatch, mail, &outcome);
		return;
	}
	dispatch->window_count++;
	lane->mail = mail;
	mail->lane = lane;
	link_send(lane->link, mail);
}

static void send_all(struct dispatch *dispatch, uint64_t *when)
{
	struct lane *lane;

	while (dispatch->first && (lane = find_ready(dispatch))) {
		if (link_count(lane->link) >= dispatch->route->messages) {
			quit(lane);
			continue;
		}
		if (!dispatch_rate(dispatch, when))
			return;
		send_one(dispatch, lane);
	}
}

/* As many attempts at once as there are messages without a connection; one alone where nothing has worked lately. */
static void open_lanes(struct dispatch *dispatch)
{
	size_t relay, waiting = 0;
	uint64_t when;

	if (!dispatch_rate(dispatch, &when))
		return;
	for (const struct mail *mail = dispatch->first; mail && waiting < dispatch->limit; mail = mail->next)
		waiting++;
	while (dispatch->lane_count < dispatch->limit && count_lanes(dispatch, false) < waiting) {
		if ((dispatch->down && dispatch->lane_count) || !dispatch_pick(dispatch, &relay, &when) || !open_lane(dispatch, relay))
			return;
	}
}

/* With a connection that works, those that could not be had in addition do not matter. */
static void give_up_on_closed(struct dispatch *dispatch)
{
	struct outcome outcome;

	if (!dispatch->first || dispatch->lane_count || !dispatch_is_closed(dispatch))
		return;
	dispatch_raise(dispatch);
	dispatch_outcome(dispatch, &outcome);
	outcome.drop_down = true;
	finish_waiting(dispatch, &outcome);
}

/* Those in front have waited longest. */
static void give_up_on_late(struct dispatch *dispatch, uint64_t *when)
{
	uint64_t now = loop_now(dispatch->world->loop), rest = dispatch->route->deadline - dispatch->route->deadline / WAIT_SHARE;
	struct outcome outcome;

	while (dispatch->first && dispatch->first->due <= now + rest) {
		outcome_set(&outcome, OUTCOME_LATER, "4.3.2", "%s is busy: its turn did not come", dispatch->route->name);
		finish_with(dispatch, take_first(dispatch), &outcome);
	}
	if (dispatch->first && dispatch->first->due - rest < *when)
		*when = dispatch->first->due - rest;
}

static void give_up_on_all(struct dispatch *dispatch)
{
	struct outcome outcome;

	outcome_set(&outcome, OUTCOME_LATER, "4.3.2", "deaddrop-remote is being stopped");
	finish_waiting(dispatch, &outcome);
}

static void leave(struct dispatch *dispatch)
{
	struct lane *lane;

	give_up_on_all(dispatch);
	while ((lane = find_ready(dispatch)))
		quit(lane);
}

static void work(void *arg)
{
	struct dispatch *dispatch = arg;
	uint64_t when = CLOCK_NEVER;

	if (dispatch->draining)
		leave(dispatch);
	quit_surplus(dispatch);
	send_all(dispatch, &when);
	if (when != CLOCK_NEVER && !dispatch->first)
		when = CLOCK_NEVER;
	open_lanes(dispatch);
	give_up_on_closed(dispatch);
	give_up_on_late(dispatch, &when);
	if (when != CLOCK_NEVER && dispatch->first && (!loop_timer_is_set(&dispatch->timer) || dispatch->timer.due > when))
		(void)loop_timer_set(dispatch->world->loop, &dispatch->timer, when);
}

void dispatch_drain(struct dispatch *dispatch)
{
	dispatch->draining = true;
	leave(dispatch);
	for (struct lane *next, *lane = dispatch->lanes; lane; lane = next) {
		next = lane->next;
		if (!lane->up)
			free_lane(lane);
	}
}
