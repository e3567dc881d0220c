/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "deliver_internal.h"
#include "envelope.h"
#include "text.h"

/* ---- the verbs: each returns NULL, or why the peer is to be dropped ---- */

enum { IDLE = 1, HEAD = 2, BODY = 4, FILED = 8 };	/* between jobs; before, in and behind the message's bytes */

static const char no_memory[] = "no memory for its job";

static const char *verb_job(struct deliver_peer *peer, struct span value)
{
	struct deliver_job *job = deliver_job_new();

	if (!job)
		return no_memory;
	peer->job = job;
	if (id_parse_key(value, &job->key) < 0)
		return "J: no key";
	id_key_text(job->key, job->key_text);
	peer->state = HEAD;
	return NULL;
}

static const char *verb_drop(struct deliver_peer *peer, struct span value)
{
	if (peer->job->target.len || !value.len || !text_is_clean(value, DELIVER_TARGET_MAX))
		return "D: a second or no proper drop";
	return str_set(&peer->job->target, value) < 0 ? no_memory : NULL;
}

static const char *verb_sender(struct deliver_peer *peer, struct span value)
{
	if (!text_is_clean(value, ENVELOPE_ADDRESS_MAX))
		return "S: no proper address";
	return str_set(&peer->job->sender, value) < 0 ? no_memory : NULL;
}

static bool is_attribute(struct span value)
{
	return text_is_clean(value, ENVELOPE_NAME_MAX + 1 + ENVELOPE_VALUE_MAX) && memchr(value.data, '=', value.len);
}

static const char *keep_attribute(struct str *list, struct span value)
{
	if (str_reserve(list, value.len + 1) < 0)
		return errno == EMSGSIZE ? "too many attributes" : no_memory;
	str_add_span(list, value);
	str_add_char(list, '\0');
	return NULL;
}

/* Attributes that are not known belong to later versions, or to other kinds of deliverer: they are kept. */
static const char *verb_attribute(struct deliver_peer *peer, struct span value)
{
	struct span rest = value, name;

	if (!is_attribute(value))
		return "A: no proper attribute";
	span_word(&rest, '=', &name);
	if (span_is(name, "arrival"))
		return span_decimal(rest, INT64_MAX, &peer->job->arrival) < 0 || !peer->job->arrival ? "A: no proper arrival" : NULL;
	if (!span_is(name, "unclear"))
		return keep_attribute(&peer->job->attributes, value);
	peer->job->unclear = span_is(rest, "1");
	return NULL;
}

static const char *verb_recipient(struct deliver_peer *peer, struct span value)
{
	if (!text_is_clean(value, ENVELOPE_ADDRESS_MAX))
		return "R: no proper address";
	if (peer->job->count == DELIVER_RECIPIENTS_MAX)
		return "R: too many recipients";
	return deliver_job_add_recipient(peer->job, value) < 0 ? no_memory : NULL;
}

static const char *verb_recipient_attribute(struct deliver_peer *peer, struct span value)
{
	struct str *list = &peer->job->recipient_attributes;

	if (!peer->job->count || !is_attribute(value))
		return "r: no recipient or no proper attribute";
	if (str_reserve(list, value.len + 8) < 0)
		return errno == EMSGSIZE ? "too many attributes" : no_memory;
	str_printf(list, "%zu ", peer->job->count - 1);
	return keep_attribute(list, value);
}

static const char *verb_bytes(struct deliver_peer *peer, struct span value)
{
	peer->state = BODY;
	if (!str_add_span(&peer->job->head, value))
		return NULL;
	return errno == EMSGSIZE ? "B: too many inline bytes" : no_memory;
}

static const char *verb_file(struct deliver_peer *peer, struct span value)
{
	struct deliver_job *job = peer->job;
	struct span offset, rest = value;
	uint64_t from;
	struct stat info;

	if (!span_word(&rest, ' ', &offset) || span_decimal(offset, INT64_MAX, &from) < 0 || span_decimal(rest, INT64_MAX, &job->length) < 0)
		return "F: no offset and length";
	job->fd = ctrl_take_fd(peer->c);
	if (job->fd < 0 || fstat(job->fd, &info) < 0 || !S_ISREG(info.st_mode))
		return "F: no regular file";
	if (from > (uint64_t)info.st_size || job->length > (uint64_t)info.st_size - from)
		return "F: beyond the file's end";
	job->offset = (off_t)from;
	peer->state = FILED;
	return NULL;
}

static const char *verb_end(struct deliver_peer *peer, struct span value)
{
	struct deliver *deliver = peer->deliver;
	struct deliver_job *job = peer->job;

	if (value.len || !job->target.len || !job->count || !job->arrival)
		return "E: drop, recipients or arrival are missing";
	peer->job = NULL;
	peer->state = IDLE;
	job->peer = peer;
	peer->pending++;
	deliver_add(deliver, job);
	return NULL;
}

static const struct verb {
	char type;
	unsigned when;			/* states in which it may come */
	const char *(*handle)(struct deliver_peer *peer, struct span value);
} verbs[] = {
	{ 'J', IDLE, verb_job },
	{ 'D', HEAD, verb_drop },
	{ 'S', HEAD, verb_sender },
	{ 'A', HEAD, verb_attribute },
	{ 'R', HEAD, verb_recipient },
	{ 'r', HEAD, verb_recipient_attribute },
	{ 'B', HEAD | BODY, verb_bytes },
	{ 'F', HEAD | BODY, verb_file },
	{ 'E', HEAD | BODY | FILED, verb_end },
};

/* ---- connections ---- */

static const char *peer_frame(void *arg, struct ctrl *c, struct frame frame)
{
	struct deliver_peer *peer = arg;

	(void)c;
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (verbs[i].type == frame.type)
			return verbs[i].when & peer->state ? verbs[i].handle(peer, frame.value) : "a frame out of place";
	return "an unknown frame";
}

static bool peer_ended(void *arg, struct ctrl *c)
{
	struct deliver_peer *peer = arg;

	(void)c;
	peer->ended = true;
	return peer->pending > 0;
}

static void peer_closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct deliver_peer *peer = arg, **at;
	struct deliver *deliver = peer->deliver;

	deliver_known_forget_peer(deliver->known, peer);
	for (at = &deliver->peers; *at != peer; at = &(*at)->next)
		;
	*at = peer->next;
	deliver->connections--;
	deliver_job_free(peer->job);
	free(peer);
	if (deliver->ops->ended)
		deliver->ops->ended(deliver->arg, ctrl_peer(c), ctrl_peer_stage(c), why, broken);
}

void *deliver_peer_accepted(void *arg, struct ctrl_peer who, struct ctrl *c)
{
	struct deliver *deliver = arg;
	struct deliver_peer *peer = calloc(1, sizeof *peer);

	(void)who;
	if (!peer)
		return NULL;
	peer->deliver = deliver;
	peer->c = c;
	peer->state = IDLE;
	peer->next = deliver->peers;
	deliver->peers = peer;
	deliver->connections++;
	if (deliver->full)
		ctrl_pause(c, true);
	return peer;
}

const struct ctrl_ops deliver_peer_ops = { .frame = peer_frame, .closed = peer_closed, .ended = peer_ended };

void deliver_peer_pause_all(struct deliver *deliver, bool pause)
{
	for (struct deliver_peer *peer = deliver->peers; peer; peer = peer->next)
		ctrl_pause(peer->c, pause);
}

/* Connections that are open still are the hub's to close. */
void deliver_peer_free_all(struct deliver *deliver)
{
	for (struct deliver_peer *next, *peer = deliver->peers; peer; peer = next) {
		next = peer->next;
		deliver_job_free(peer->job);
		free(peer);
	}
	deliver->peers = NULL;
}

/* An answer that cannot be sent means later to the other side, which asks again. */
void deliver_peer_answer(struct deliver *deliver, const struct deliver_job *job)
{
	struct deliver_peer *peer = job->peer;

	if (!peer)
		return;
	for (uint32_t n = 0; n < job->count; n++) {
		const struct outcome *outcome = deliver_job_outcome(job, n);

		str_cut(&deliver->value, 0);
		if (!outcome_value(&deliver->value, job->key, n, outcome))
			ctrl_send(peer->c, (char)outcome->verdict, str_span(&deliver->value));
	}
	peer->answered = true;
	peer->pending--;
}

static void say_alive(const struct deliver_job *job)
{
	if (!job->peer)
		return;
	ctrl_send(job->peer->c, 'Y', span_of(job->key_text));
	job->peer->answered = true;
}

void deliver_alive(struct deliver_job *job)
{
	uint64_t now = clock_boot(), patience = deliver_job_patience(job);

	/* Who does not say how long he waits does not know of it. */
	if (patience == CLOCK_NEVER)
		return;
	if (!job->alive)
		job->alive = now;
	if (now - job->alive < patience / 8)
		return;
	job->alive = now;
	say_alive(job);
	for (const struct deliver_job *joined = job->joined; joined; joined = joined->next)
		say_alive(joined);
}
