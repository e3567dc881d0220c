/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Appends, pipelined.  A flight is one APPEND command with its items.  Its bytes are written as the stream takes them, the next flight's right behind; answers come later and
 * are told by their tags.  A message that is sent with a synchronising literal holds the line until "+" comes.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <stdlib.h>

#include "session_internal.h"

#define PIECE 32768
#define LITERAL_MINUS_MAX 4096

/* ---- giving items back ---- */

struct session_flight *session_append_remove(struct session *s, struct session_flight *flight)
{
	struct session_flight **at = &s->flights;

	while (*at != flight)
		at = &(*at)->next;
	*at = flight->next;
	if (!*at)
		s->flights_end = at;
	s->flight_count--;
	s->item_count -= flight->count;
	if (s->writing == flight) {
		s->writing = NULL;
		s->wait_plus = false;
	}
	return flight;
}

/* From the last, so that they keep their order. */
void session_append_give_back(struct session *s, struct item *items)
{
	struct item *turned = NULL;

	for (struct item *next; items; items = next) {
		next = items->next;
		items->next = turned;
		turned = items;
	}
	for (struct item *next; turned; turned = next) {
		next = turned->next;
		s->ops->back(s->arg, turned);
	}
}

size_t session_append_part(const struct session_flight *flight)
{
	return flight->count > 2 * SESSION_GROUP_SPLIT ? flight->count / SESSION_GROUP_SPLIT : 1;
}

void session_append_settle(struct session *s, struct session_flight *flight, const struct outcome *outcome)
{
	for (struct item *next, *item = flight->items; item; item = next) {
		next = item->next;
		s->ops->settle(s->arg, item, outcome);
	}
}

/* An untagged NO or BAD may be all that a server says of a message that it does not like: only what is never is believed, and only of the oldest. */
static bool settle_by_warning(struct session *s, struct session_flight *flight)
{
	if (!s->has_warning || flight != s->flights || flight->count != 1 || s->warned.verdict != OUTCOME_NEVER)
		return false;
	session_append_settle(s, session_append_remove(s, flight), &s->warned);
	free(flight);
	return true;
}

/* Answered before all of it was sent: the answer holds, but for a mailbox that cannot be made here any more. */
static bool settle_by_answer(struct session *s, struct session_flight *flight)
{
	if (!flight->meaning || flight->meaning->missing || flight->count != 1)
		return false;
	session_answer_finish(s, flight);
	return true;
}

void session_append_lost(struct session *s)
{
	struct item *all = NULL, **end = &all;
	bool oldest = true;

	while (s->flights) {
		struct session_flight *flight = s->flights;

		if (settle_by_warning(s, flight) || settle_by_answer(s, flight))
			continue;
		session_append_remove(s, flight);
		for (struct item *item = flight->items; item; item = item->next) {
			item->unclear = item->unclear || (flight->begun && !flight->meaning);
			if (oldest) {
				item->breaks += flight->count == 1;
				item->together = session_append_part(flight);
				item->alone = item->together == 1;
			}
			*end = item;
			end = &item->next;
		}
		oldest = false;
		free(flight);
	}
	*end = NULL;
	session_append_give_back(s, all);
}

/* ---- sending ---- */

static const char *literal_form(const struct session *s, const struct item *item, bool *synchronising)
{
	uint64_t length = item->body.length;

	*synchronising = !(length <= LITERAL_MINUS_MAX && (s->capabilities & SESSION_LITERAL_MINUS)) &&
	    !(length <= SESSION_LITERAL_PLUS_MAX && (s->capabilities & SESSION_LITERAL_PLUS));
	return *synchronising ? "" : "+";
}

/* " 7-Feb-1994 21:52:25 +0000": in UTC, which every server understands; the day has two columns. */
static int put_date(struct str *out, uint64_t arrival)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(arrival / CLOCK_SECOND);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year < 0 || tm.tm_year > 8000)
		return 0;
	return str_printf(out, "\"%2d-%s-%04d %02d:%02d:%02d +0000\" ", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int write_line(struct session *s, const struct str *line)
{
	session_trace(s, ">", str_span(line));
	if (!stream_write(s->stream, line->data, line->len))
		return 0;
	session_fail(s, "4.3.0", "sending: %s", strerror(errno));
	return -1;
}

/* The part of the command before a message's bytes. */
static int begin_item(struct session *s, struct item *item, bool first)
{
	struct str line = STR_INIT(8 * MAILBOX_MAX);
	const char *plus = literal_form(s, item, &s->wait_plus);
	int result;

	if (first) {
		str_printf(&line, "%s APPEND ", s->writing->tag);
		session_quoted(s, &line, item->mailbox.data);
	}
	str_printf(&line, " (%s) ", item->flags ? item->flags : s->account->flags);
	if (s->account->date_arrival || item->dated)
		put_date(&line, item->date ? item->date : item->job->arrival);
	str_printf(&line, "%s{%llu%s}\r\n", item->body.has_nul ? "~" : "", (unsigned long long)item->body.length, plus);
	body_rewind(&item->body);
	s->writing_item = item;
	s->writing->begun = s->writing->begun || !s->wait_plus;
	result = write_line(s, &line);
	str_free(&line);
	return result;
}

static void end_of_flight(struct session *s)
{
	struct session_flight *flight = s->writing;

	s->writing = NULL;
	s->writing_item = NULL;
	if (stream_add(s->stream, "\r\n") < 0) {
		session_fail(s, "4.3.0", "sending: %s", strerror(errno));
		return;
	}
	s->since = loop_now(s->host->loop);
	if (flight->meaning)
		session_answer_finish(s, flight);
}

/* Writes what the stream takes of the flight at hand.  False: it takes no more, or must wait. */
static bool write_on(struct session *s)
{
	char data[PIECE];
	ssize_t got;

	while (!s->wait_plus && stream_room(s->stream) >= 2 * PIECE) {
		got = body_read(&s->writing_item->body, data, sizeof data);
		if (got > 0 && !stream_write(s->stream, data, (size_t)got))
			continue;
		if (got) {
			session_fail(s, "4.3.0", "reading the message: %s", strerror(errno));
			return false;
		}
		session_trace(s, ">", span_of("(the message)"));
		if (s->writing_item->next) {
			if (begin_item(s, s->writing_item->next, false) < 0)
				return false;
			continue;
		}
		end_of_flight(s);
		return !s->gone;
	}
	return false;
}

/* What can be told without asking the server.  True: it was settled. */
static bool settle_before(struct session *s, struct item *item)
{
	uint64_t limit = s->account->limit && (!s->append_limit || s->account->limit < s->append_limit) ? s->account->limit : s->append_limit;
	struct str name = STR_INIT(8 * MAILBOX_MAX);
	struct outcome outcome = { .verdict = 0 };

	if (!session_quoted(s, &name, item->mailbox.data))
		outcome_set(&outcome, OUTCOME_LATER, "4.3.5", "mailbox %s: the server's names cannot hold it", item->mailbox.data);
	else if (limit && item->body.length > limit)
		outcome_set(&outcome, OUTCOME_NEVER, "5.3.4", "%llu bytes; the limit is %llu", (unsigned long long)item->body.length, (unsigned long long)limit);
	else if (item->body.has_nul && !(s->capabilities & SESSION_BINARY))
		outcome_set(&outcome, OUTCOME_NEVER, "5.6.0", "the message holds NUL bytes, which this server cannot store");
	else if (item->breaks > SESSION_BREAKS_MAX)
		outcome_set(&outcome, OUTCOME_LATER, "4.4.2", "the connection broke %u times over this message", item->breaks);
	str_free(&name);
	if (!outcome.verdict)
		return false;
	s->ops->take(s->arg, item);
	s->ops->settle(s->arg, item, &outcome);
	return true;
}

static bool fits_group(const struct session *s, const struct item *first, const struct item *item)
{
	bool synchronising;

	literal_form(s, item, &synchronising);
	return !synchronising && !item->alone && !item->unclear && !item->body.has_nul && !strcmp(first->mailbox.data, item->mailbox.data) &&
	    !(s->append_limit && item->body.length > s->append_limit) && !(s->account->limit && item->body.length > s->account->limit);
}

/* How many of those that wait go into one command; full: no more would, whatever comes. */
static size_t group_size(const struct session *s, const struct item *first, bool *full)
{
	size_t count = 0, most = first->together && first->together < SESSION_GROUP_MAX ? first->together : SESSION_GROUP_MAX;
	const struct item *item = first;
	uint64_t bytes = 0;

	*full = true;
	if (!(s->capabilities & SESSION_MULTIAPPEND))
		return 1;
	for (; item && count < most && fits_group(s, first, item); item = item->next) {
		bytes += item->body.length;
		if (count && bytes > SESSION_GROUP_BYTES)
			break;
		count++;
	}
	*full = item || count == most;
	return count < SESSION_GROUP_LEAST ? 1 : count;
}

static bool begin_flight(struct session *s, struct item *first)
{
	struct session_flight *flight = calloc(1, sizeof *flight);
	bool full;
	size_t count = group_size(s, first, &full);
	struct item **end;

	if (!flight) {
		session_fail(s, "4.3.0", "%s", strerror(ENOMEM));
		return false;
	}
	end = &flight->items;
	for (; count; count--) {
		struct item *item = s->ops->peek(s->arg);

		s->ops->take(s->arg, item);
		item->next = NULL;
		*end = item;
		end = &item->next;
		flight->count++;
	}
	session_next_tag(s, flight->tag);
	*s->flights_end = flight;
	s->flights_end = &flight->next;
	s->flight_count++;
	s->item_count += flight->count;
	s->writing = flight;
	s->held_since = 0;
	s->waiting_for = "the answer to APPEND";
	s->patience = s->account->timeout;
	s->since = loop_now(s->host->loop);
	if (s->flight_count == 1)
		s->useful = s->since;
	loop_timer_set(s->host->loop, &s->timer, s->since + s->patience);
	return begin_item(s, flight->items, true) == 0;
}

/*
 * Two commands keep the line busy: behind them it pays to let a group grow, for a server that makes each command durable by itself looks through the mailbox at each.
 * Not for long, for what waits may be the last; and the less is under way, the smaller a group is worth waiting for.
 */
static bool may_grow(struct session *s, const struct item *item)
{
	size_t enough = s->item_count < SESSION_GROUP_MAX ? SESSION_GROUP_MAX / 2 : SESSION_GROUP_MAX;
	bool busy = s->flight_count > 1 || s->item_count >= SESSION_GROUP_MAX / 2, full;
	uint64_t now;

	if (!busy || item->together || item->body.length > SESSION_GROUP_BYTES / SESSION_GROUP_LEAST || group_size(s, item, &full) >= enough || full)
		return false;
	now = clock_boot();
	if (!s->held_since)
		s->held_since = now;
	if (now >= s->held_since + SESSION_HOLD)
		return false;
	if (!loop_timer_is_set(&s->hold))
		loop_timer_set(s->host->loop, &s->hold, s->held_since + SESSION_HOLD);
	return true;
}

static bool may_begin(struct session *s, const struct item *item)
{
	if (s->create.len || s->look || s->leaving || s->flight_count >= SESSION_FLIGHTS_MAX || s->item_count >= SESSION_ITEMS_MAX)
		return false;
	if (s->flights && (item->unclear || item->breaks || s->flights->items->breaks))
		return false;
	if (stream_room(s->stream) < SESSION_OUTPUT_MAX / 2)
		return false;
	return !may_grow(s, item);
}

static void idle(struct session *s)
{
	s->waiting_for = NULL;
	s->patience = s->account->keep_alive;
	s->since = s->useful = loop_now(s->host->loop);
	loop_timer_set(s->host->loop, &s->timer, s->since + s->patience);
}

void session_append_pump(struct session *s)
{
	struct item *item;

	while (!s->gone && s->state == session_answer_state) {
		if (s->writing) {
			if (!write_on(s))
				return;
			continue;
		}
		item = s->leaving ? NULL : s->ops->peek(s->arg);
		if (!item || !may_begin(s, item))
			break;
		if (item->unclear) {
			session_look_begin(s);
			return;
		}
		if (s->examined.len) {
			session_look_close(s);
			return;
		}
		if (session_limit_is_due(s, item)) {
			if (s->flights)
				return;
			session_limit_begin(s, item);
			return;
		}
		if (settle_before(s, item))
			continue;
		if (!begin_flight(s, item))
			return;
	}
	if (s->gone || s->flights || s->state != session_answer_state)
		return;
	if (s->create.len)
		session_create_begin(s);
	else if (s->leaving)
		session_leave(s);
	else if (s->waiting_for)
		idle(s);
}
