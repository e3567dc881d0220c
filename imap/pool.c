/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pool_item.h"
#include "pool_note.h"
#include "pool_queue.h"

#define SESSIONS_MAX 16
#define BACKLOG_PER_SESSION 64			/* one more connection, where allowed, for each that many */
#define RETRY_FIRST (3 * CLOCK_SECOND)		/* after a connection broke that had worked: the server may still be storing */
#define BACKOFF_FIRST (15 * CLOCK_SECOND)
#define BACKOFF_OVERLOAD (300 * CLOCK_SECOND)
#define BACKOFF_LOGIN (300 * CLOCK_SECOND)
#define BACKOFF_MAX (900 * CLOCK_SECOND)
#define LEAVE_WAIT (8 * CLOCK_SECOND)
#define ALIVE CLOCK_SECOND			/* between looks at who wants to hear that it goes on */

struct lane {				/* an account at work */
	struct pool *pool;
	const struct account *account;
	struct pool_queue queue;	/* what waits */
	struct session *sessions[SESSIONS_MAX];
	size_t session_count, limit;	/* connections that there are, and may be */
	struct loop_timer retry;
	struct loop_timer settled;
	struct loop_timer alive;
	uint64_t unsettled;		/* until then the server may still be storing what is unclear: to look for it would be too early */
	uint64_t until;			/* left alone until then */
	struct outcome why;
	unsigned failures;		/* in a row */
	bool alarmed;
	bool due;			/* something came: the turn's end wakes it */
};

struct pool {
	const struct session_host *host;
	const struct account_table *accounts;
	struct deliver *deliver;
	struct lane *lanes;
	size_t lane_count;
	bool byhand, leaving;
	struct loop_timer leave;
	uint64_t begun;
};

static void wake(struct lane *lane);

/* ---- items ---- */

static void settle(struct lane *lane, struct item *item, const struct outcome *outcome)
{
	struct deliver_job *job = item->job;

	job->result = *outcome;
	if (item->note)
		pool_note_outcome(item, &job->result);
	job->result.clarity = item->unclear ? OUTCOME_UNCLEAR : OUTCOME_CLEAR;
	pool_item_free(item);
	deliver_done(lane->pool->deliver, job);
}

/* ---- what sessions ask ---- */

static struct item *on_peek(void *arg)
{
	struct lane *lane = arg;

	return lane->queue.unclear && loop_now(lane->pool->host->loop) >= lane->unsettled ? lane->queue.unclear : lane->queue.waiting;
}

static void unsettle(struct lane *lane, uint64_t since)
{
	uint64_t until = since + lane->account->settle;

	if (!lane->queue.unclear || until <= lane->unsettled || lane->pool->byhand)
		return;
	lane->unsettled = until;
	loop_timer_set(lane->pool->host->loop, &lane->settled, until);
}

static void on_take(void *arg, struct item *item)
{
	struct lane *lane = arg;

	pool_queue_take(&lane->queue, item);
}

static void on_settle(void *arg, struct item *item, const struct outcome *outcome)
{
	struct lane *lane = arg;

	if (outcome->verdict == OUTCOME_DONE)
		lane->failures = 0;
	if (lane->account->too_big_note && outcome->verdict == OUTCOME_NEVER && !strcmp(outcome->status, "5.3.4") && pool_note_make(item, outcome))
		pool_queue_insert(&lane->queue, item);
	else
		settle(lane, item, outcome);
}

static void on_back(void *arg, struct item *item)
{
	pool_queue_insert(&((struct lane *)arg)->queue, item);
}

static void on_ready(void *arg, struct session *session)
{
	struct lane *lane = arg;

	(void)session;
	if (lane->alarmed)
		log_event(lane->pool->host->log, "alarm-over", "account %s: logged in again", lane->account->name);
	lane->alarmed = false;
}

/* What is unclear is answered as that: whoever hands it out again says so. */
static void answer_later(struct lane *lane, const struct outcome *why)
{
	struct item *item;

	while ((item = lane->queue.unclear ? lane->queue.unclear : lane->queue.waiting)) {
		on_take(lane, item);
		settle(lane, item, why);
	}
}

static void leave_alone(struct lane *lane, const struct outcome *why, uint64_t time)
{
	lane->why = *why;
	lane->why.drop_down = true;
	lane->until = loop_now(lane->pool->host->loop) + time;
	answer_later(lane, &lane->why);
}

static void log_failure(struct lane *lane, const struct outcome *why, bool login, uint64_t pause)
{
	struct log_line line;

	if (login && lane->alarmed)
		return;
	lane->alarmed = lane->alarmed || login;
	log_begin(&line, lane->pool->host->log, login ? "alarm" : "account");
	log_word(&line, "name", lane->account->name);
	log_word(&line, "status", why->status);
	log_span(&line, "pause", pause);
	log_text(&line, span_of(why->text));
	log_end(&line);
}

static void on_overload(void *arg, const struct outcome *why)
{
	struct lane *lane = arg;

	if (loop_now(lane->pool->host->loop) >= lane->until)
		log_failure(lane, why, false, BACKOFF_OVERLOAD);
	leave_alone(lane, why, BACKOFF_OVERLOAD);
}

/* Without a connection there is no need for what TLS has set up. */
static void rest(const struct account *account)
{
	tls_context_rest(account->context);
	if (account->trust)
		tls_trust_rest(account->trust);
}

static void on_over(void *arg, struct session *session, const struct outcome *why, bool login)
{
	struct lane *lane = arg;
	bool worked = session_is_ready(session);
	uint64_t pause;
	size_t i = 0;

	while (lane->sessions[i] != session)
		i++;
	lane->sessions[i] = lane->sessions[--lane->session_count];
	if (!lane->session_count)
		rest(lane->account);
	if (!why) {
		wake(lane);
		return;
	}
	unsettle(lane, loop_now(lane->pool->host->loop));
	pause = login ? BACKOFF_LOGIN : BACKOFF_FIRST << (lane->failures < 6 ? lane->failures : 6);
	if (pause > BACKOFF_MAX)
		pause = BACKOFF_MAX;
	if (worked && lane->failures < 2)
		pause = RETRY_FIRST;
	lane->failures++;
	log_failure(lane, why, login, pause);
	if (lane->session_count)
		return;				/* the others go on with what this one gave back */
	if (worked && pause == RETRY_FIRST && !lane->pool->byhand)
		loop_timer_set(lane->pool->host->loop, &lane->retry, loop_now(lane->pool->host->loop) + pause);
	else
		leave_alone(lane, why, pause);
}

static const struct session_ops ops = {
	.own_mailbox = true,
	.peek = on_peek, .take = on_take, .settle = on_settle, .back = on_back, .ready = on_ready, .overload = on_overload, .over = on_over,
};

/* ---- lanes ---- */

static void open_session(struct lane *lane)
{
	struct outcome why;

	lane->sessions[lane->session_count] = session_new(lane->pool->host, lane->account, &ops, lane);
	if (lane->sessions[lane->session_count]) {
		lane->session_count++;
	} else {
		deliver_job_trouble(&why, errno, "a session");
		leave_alone(lane, &why, BACKOFF_FIRST);
	}
}

static bool wants_session(struct lane *lane)
{
	if (!on_peek(lane) || loop_timer_is_set(&lane->retry) || loop_now(lane->pool->host->loop) < lane->until)
		return false;
	return !lane->session_count || (lane->session_count < lane->limit && lane->queue.count > lane->session_count * BACKLOG_PER_SESSION);
}

/* The limit is lower than it was: those beyond it finish what they have.  From the last, for who leaves at once is no longer there. */
static void shed(struct lane *lane)
{
	for (size_t i = lane->session_count; i-- > lane->limit;)
		session_leave(lane->sessions[i]);
}

static bool is_idle(const struct lane *lane)
{
	for (size_t i = 0; i < lane->session_count; i++)
		if (session_is_busy(lane->sessions[i]))
			return false;
	return !lane->queue.count;
}

/* While bytes move, or the wait is one of ours, those too are worked on whose turn has not come. */
static void on_alive(void *arg)
{
	struct lane *lane = arg;
	struct loop *loop = lane->pool->host->loop;
	bool moves = loop_now(loop) < lane->unsettled;

	for (size_t i = 0; i < lane->session_count; i++)
		moves = session_alive(lane->sessions[i]) || moves;
	if (moves)
		pool_queue_alive(&lane->queue);
	if (!is_idle(lane))
		loop_timer_set(loop, &lane->alive, loop_now(loop) + ALIVE);
}

static void wake(struct lane *lane)
{
	if (wants_session(lane))
		open_session(lane);
	for (size_t i = 0; i < lane->session_count && lane->queue.count; i++)
		session_work(lane->sessions[i]);
}

static void on_retry(void *arg)
{
	wake(arg);
}

/* ---- jobs ---- */

static struct lane *find_lane(struct pool *pool, struct span name)
{
	for (size_t i = 0; i < pool->lane_count; i++)
		if (span_is(name, pool->lanes[i].account->name))
			return &pool->lanes[i];
	return NULL;
}

void pool_deliver(void *arg, struct deliver_job *job)
{
	struct pool *pool = arg;
	struct span name, argument;
	bool given = deliver_job_argument(job, &name, &argument);
	struct lane *lane = find_lane(pool, name);
	struct item *item = NULL;

	if (!lane)
		outcome_set(&job->result, OUTCOME_LATER, "4.3.5", "no drop named %.*s in %s", (int)name.len, name.data, pool->accounts->source);
	else
		item = pool_item_new(lane->account, job, given, argument);
	if (!item)
		deliver_done(pool->deliver, job);
	else if (loop_now(pool->host->loop) < lane->until && lane->why.verdict)
		settle(lane, item, &lane->why);
	else {
		pool_queue_insert(&lane->queue, item);
		lane->limit = deliver_job_connections(job, lane->account->connections);
		unsettle(lane, pool->begun);
		lane->due = true;	/* not woken for each: what came in one turn may go in one command */
	}
}

void pool_turn(struct pool *pool)
{
	for (size_t i = 0; i < pool->lane_count; i++)
		if (pool->lanes[i].due) {
			pool->lanes[i].due = false;
			wake(&pool->lanes[i]);
			shed(&pool->lanes[i]);
			if (!loop_timer_is_set(&pool->lanes[i].alive))
				on_alive(&pool->lanes[i]);
		}
}

/* ---- the pool ---- */

static void on_leave(void *arg)
{
	struct pool *pool = arg;
	struct outcome why;

	outcome_set(&why, OUTCOME_LATER, "4.3.2", "the stage is stopping");
	for (size_t i = 0; i < pool->lane_count; i++) {
		struct lane *lane = &pool->lanes[i];

		loop_timer_clear(pool->host->loop, &lane->retry);
		while (lane->session_count)		/* gives back what was under way */
			session_abort(lane->sessions[--lane->session_count]);
		lane->until = UINT64_MAX;
		lane->why = why;
		answer_later(lane, &why);
	}
}

struct pool *pool_new(const struct session_host *host, const struct account_table *accounts, bool byhand)
{
	struct pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->host = host;
	pool->accounts = accounts;
	pool->byhand = byhand;
	pool->begun = loop_now(host->loop);
	loop_timer_init(&pool->leave, on_leave, pool);
	for (const struct account *account = accounts->first; account; account = account->next)
		pool->lane_count++;
	pool->lanes = calloc(pool->lane_count ? pool->lane_count : 1, sizeof *pool->lanes);
	if (!pool->lanes) {
		free(pool);
		return NULL;
	}
	pool->lane_count = 0;
	for (const struct account *account = accounts->first; account; account = account->next) {
		struct lane *lane = &pool->lanes[pool->lane_count++];

		lane->pool = pool;
		lane->account = account;
		loop_timer_init(&lane->retry, on_retry, lane);
		loop_timer_init(&lane->settled, on_retry, lane);
		loop_timer_init(&lane->alive, on_alive, lane);
	}
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	loop_timer_clear(pool->host->loop, &pool->leave);
	for (size_t i = 0; i < pool->lane_count; i++) {
		struct lane *lane = &pool->lanes[i];

		while (lane->session_count)
			session_abort(lane->sessions[--lane->session_count]);
		loop_timer_clear(pool->host->loop, &lane->retry);
		loop_timer_clear(pool->host->loop, &lane->settled);
		loop_timer_clear(pool->host->loop, &lane->alive);
		pool_queue_free(&lane->queue);
	}
	free(pool->lanes);
	free(pool);
}

void pool_set_deliver(struct pool *pool, struct deliver *deliver)
{
	pool->deliver = deliver;
}

void pool_leave(struct pool *pool)
{
	pool->leaving = true;
	loop_timer_set(pool->host->loop, &pool->leave, loop_now(pool->host->loop) + LEAVE_WAIT);
}

/* Asked once a turn: sessions that have nothing to do any more log out. */
bool pool_is_over(const struct pool *pool)
{
	bool over = pool->leaving;

	if (!pool->leaving)
		return false;
	for (size_t i = 0; i < pool->lane_count; i++) {
		const struct lane *lane = &pool->lanes[i];

		for (size_t k = lane->session_count; k-- && is_idle(lane);)
			session_leave(lane->sessions[k]);
		over = over && !lane->session_count && !lane->queue.count;
	}
	return over;
}
