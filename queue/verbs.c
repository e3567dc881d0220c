/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "verbs.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "clock.h"

#define RECHECK_SPACE (1024U * 1024)	/* bytes of a large message between two looks at the room */

/* ---- helpers ---- */

static const char *bad_key(void)
{
	return "a key is not 32 hexadecimal digits";
}

/* Ends the message at hand without an answer. */
static void drop_current(struct peer *peer)
{
	struct submission *s = peer->current;

	peer->current = NULL;
	if (s)
		intake_forget(peer->intake, peer, s);
}

static void log_refusal(const struct peer *peer, const char *why)
{
	const struct submission *s = peer->current;
	struct log_line line;

	log_begin(&line, peer->intake->log, "refuse");
	if (s) {
		log_address(&line, "from", str_span(&s->envelope.sender));
		log_num(&line, "nrcpt", s->envelope.count);
		log_num(&line, "size", s->size);
	}
	log_word(&line, "via", peer->origin.word);
	log_num(&line, "uid", peer->origin.uid);
	log_text(&line, span_of(why));
	log_end(&line);
}

void verbs_refuse(struct peer *peer, char type, const char *why)
{
	log_refusal(peer, why);
	(void)answer_say(peer, type, peer->key, why);
	drop_current(peer);
	peer->state = PEER_SKIP;
}

/* The same where memory or room ran out, or the client went over a limit: errno says which. */
static const char *refuse_errno(struct peer *peer, const char *invalid, const char *too_large)
{
	if (errno == EINVAL)
		verbs_refuse(peer, 'X', invalid);
	else if (errno == EMSGSIZE)
		verbs_refuse(peer, 'X', too_large);
	else
		verbs_refuse(peer, 'Z', strerror(errno));
	return NULL;
}

static bool has_room(struct peer *peer, uint64_t size)
{
	struct intake *intake = peer->intake;

	return limits_space_allows(&intake->space, intake->limits, peer->origin.uid, size, intake->bytes, loop_now(intake->loop));
}

/* ---- the verbs ---- */

static const char *verb_message(struct peer *peer, struct span value)
{
	struct intake *intake = peer->intake;
	struct keys_entry *entry;

	if (keys_parse(value, &peer->key))
		return bad_key();
	entry = keys_find(intake->keys, peer->key);
	if (entry && entry->state != KEYS_REFUSED) {
		peer->state = PEER_KNOWN;
		return NULL;
	}
	if (entry && entry->owner != peer->serial)
		verbs_refuse(peer, 'Z', "this key was given up");
	else if (intake->draining)
		verbs_refuse(peer, 'Z', "the queue is closing down");
	else if (!has_room(peer, 0))
		verbs_refuse(peer, 'Z', "no space in the spool");
	else if (!(peer->current = submission_new(peer->key, &peer->origin)))
		verbs_refuse(peer, 'Z', "out of memory");
	if (!peer->current)
		return NULL;
	peer->current->owner = peer;
	peer->state = PEER_ENVELOPE;
	peer->begun = loop_now(intake->loop);
	intake_account(intake, peer);
	intake_watch(intake);
	return NULL;
}

static const char *verb_sender(struct peer *peer, struct span value)
{
	if (envelope_set_sender(&peer->current->envelope, value))
		return refuse_errno(peer, "the sender is no address", "the sender's address is too long");
	peer->current->has_sender = true;
	return NULL;
}

static const struct {
	const char *name;
	bool trusted;			/* believed only on sockets given with --in-trust */
	bool stored;
} attributes[] = {
	{ "body", false, true }, { "smtputf8", false, true }, { "ret", false, true }, { "envid", false, true },
	{ "client", true, true }, { "helo", true, true }, { "proto", true, true }, { "tls", true, true }, { "auth", true, true },
	{ "groups", true, true },
	{ "received", true, false },
};

static const char *verb_attribute(struct peer *peer, struct span value)
{
	struct submission *s = peer->current;
	struct span name, rest = value;

	if (!memchr(value.data, '=', value.len) || !span_word(&rest, '=', &name))
		return "an attribute without =";
	for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
		if (!span_is(name, attributes[i].name))
			continue;
		/* once each: what is repeated could fill the envelope */
		if ((attributes[i].trusted && !peer->trusted) || s->attributes & (1U << i))
			break;
		s->attributes |= 1U << i;
		if (!attributes[i].stored)
			s->hide = span_is(rest, "hide");
		else if (envelope_add_attribute(&s->envelope, name, rest))
			return refuse_errno(peer, "an attribute's value is not allowed", "an attribute is too long");
		break;
	}
	return NULL;
}

static const char *verb_recipient(struct peer *peer, struct span value)
{
	struct submission *s = peer->current;

	if (!value.len) {
		verbs_refuse(peer, 'X', "a recipient is empty");
		return NULL;
	}
	if (s->envelope.count >= peer->intake->limits->recipients) {
		verbs_refuse(peer, 'X', "too many recipients");
		return NULL;
	}
	if (envelope_add_recipient(&s->envelope, value))
		return refuse_errno(peer, "a recipient is no address", "a recipient's address is too long, or the envelope is");
	s->recipient_attributes = 0;
	intake_account(peer->intake, peer);
	return NULL;
}

static const char *const recipient_attributes[] = { "notify", "orcpt" };

static const char *verb_recipient_attribute(struct peer *peer, struct span value)
{
	struct submission *s = peer->current;
	struct span name, rest = value;

	if (!memchr(value.data, '=', value.len) || !span_word(&rest, '=', &name))
		return "an attribute without =";
	if (!s->envelope.count)
		return "an attribute of no recipient";
	for (size_t i = 0; i < sizeof recipient_attributes / sizeof recipient_attributes[0]; i++) {
		/* once each: a deliverer takes only so many for a job */
		if (!span_is(name, recipient_attributes[i]) || s->recipient_attributes & (1U << i))
			continue;
		s->recipient_attributes |= 1U << i;
		if (envelope_add_recipient_attribute(&s->envelope, name, rest))
			return refuse_errno(peer, "a recipient's attribute is not allowed", "a recipient's attribute is too long, or the envelope is");
		intake_account(peer->intake, peer);
	}
	return NULL;
}

/* A file of its own spares memory, but costs more writes, and a sync that is shared with few: it is for what is large, and for when memory is short. */
static bool outgrows(const struct intake *intake, const struct submission *s)
{
	return s->body.len > SUBMISSION_SHARED || (s->body.len > SUBMISSION_SMALL && intake->bytes > intake->limits->buffer / 2);
}

/* The message outgrows memory: it goes on in a file of its own. */
static void begin_stream(struct peer *peer)
{
	struct intake *intake = peer->intake;

	if (large_begin(&intake->large, peer->current)) {
		verbs_refuse(peer, 'Z', strerror(errno));
		return;
	}
	peer->current->streams = true;
	intake->streams++;
	peer->user->streams++;
}

void verbs_resume(struct peer *peer)
{
	if (!peer->current || !limits_stream_allowed(peer->user, peer->intake->streams))
		return;
	peer->waits = false;
	begin_stream(peer);
	if (peer->current)
		intake_account(peer->intake, peer);
}

static void take_body(struct peer *peer, struct span bytes)
{
	struct intake *intake = peer->intake;
	struct submission *s = peer->current;
	uint64_t before = s->size;

	if (str_add_span(&s->body, bytes)) {
		/* EMSGSIZE here is memory as well: a client that is paused has sent this before it noticed */
		verbs_refuse(peer, 'Z', "too many large messages at once");
		return;
	}
	s->size += bytes.len;
	if (s->large && before / RECHECK_SPACE != s->size / RECHECK_SPACE && !has_room(peer, RECHECK_SPACE)) {
		verbs_refuse(peer, 'Z', "no space in the spool");
		return;
	}
	if (!s->large && !peer->waits && outgrows(intake, s)) {
		if (limits_stream_allowed(peer->user, intake->streams))
			begin_stream(peer);
		else
			intake_wait(peer);
	} else if (s->large && large_write(s)) {
		verbs_refuse(peer, 'Z', strerror(errno));
	}
}

static const char *verb_body(struct peer *peer, struct span value)
{
	struct intake *intake = peer->intake;

	peer->state = PEER_BODY;
	if (value.len > intake->limits->size - peer->current->size) {
		char text[80];
		struct str why = STR_INIT(sizeof text);

		(void)str_printf(&why, "message larger than %llu bytes", (unsigned long long)intake->limits->size);
		verbs_refuse(peer, 'X', why.data);
		str_free(&why);
		return NULL;
	}
	take_body(peer, value);
	intake_account(intake, peer);
	return NULL;
}

/* What keeps a complete message from being stored.  *type is Z or X. */
static const char *objection(const struct peer *peer, const struct keys_entry *entry, char *type)
{
	const struct submission *s = peer->current;

	*type = 'X';
	if (!s->has_sender)
		return "no sender";
	if (!s->envelope.count)
		return "no recipients";
	*type = 'Z';
	if (entry && entry->state == KEYS_REFUSED && entry->owner != peer->serial)
		return "this key was given up";
	return NULL;
}

/* Hands the message at hand, complete and with a key of its own, to the journal. */
static const char *complete(struct peer *peer)
{
	struct intake *intake = peer->intake;
	struct submission *s = peer->current;

	if (!s->large && (peer->waits || s->body.len > SUBMISSION_SHARED)) {
		/* it waited for its turn to stream and ended before it came; that is as well here */
		begin_stream(peer);
		if (!peer->current)
			return NULL;
	}
	if (!s->large && !has_room(peer, s->body.len)) {
		verbs_refuse(peer, 'Z', "no space in the spool");
		return NULL;
	}
	s->entry = keys_begin(intake->keys, s->key);
	if (!s->entry) {
		verbs_refuse(peer, 'Z', "out of memory");
		return NULL;
	}
	peer->current = NULL;
	peer->refs++;
	peer->pending++;
	intake->pending++;
	if (s->large) {
		large_end(s);
	} else {
		s->arrival = clock_wall();
		journal_add(intake->journal, s);
	}
	return NULL;
}

static const char *verb_end(struct peer *peer, struct span value)
{
	struct keys_entry *entry = keys_find(peer->intake->keys, peer->key);
	enum peer_state state = peer->state;
	const char *why;
	char type;

	if (value.len)
		return "E has no value";
	peer->state = PEER_BETWEEN;
	if (state == PEER_SKIP)
		return NULL;
	if (entry && entry->state != KEYS_REFUSED) {
		/* known when it began, or completed by somebody else meanwhile */
		drop_current(peer);
		answer_known(peer, entry, false);
		return NULL;
	}
	if (state == PEER_KNOWN) {
		(void)answer_say(peer, 'Z', peer->key, "this key was given up");
		return NULL;
	}
	why = objection(peer, entry, &type);
	if (why)
		verbs_refuse(peer, type, why);
	else
		complete(peer);
	peer->state = PEER_BETWEEN;
	return NULL;
}

static const char *verb_cancel(struct peer *peer, struct span value)
{
	if (value.len)
		return "C has no value";
	drop_current(peer);
	peer->state = PEER_BETWEEN;
	return NULL;
}

static const char *verb_question(struct peer *peer, struct span value)
{
	struct keys_entry *entry;
	struct keys_key key;

	if (keys_parse(value, &key))
		return bad_key();
	entry = keys_find(peer->intake->keys, key);
	if (entry && entry->state != KEYS_REFUSED)
		answer_known(peer, entry, true);
	else
		answer_unknown(peer, key);
	return NULL;
}

/* ---- the table ---- */

#define PASSED (PEER_SKIP | PEER_KNOWN)
#define MESSAGE (PEER_ENVELOPE | PEER_BODY)

static const struct verb {
	char type;
	const char *(*run)(struct peer *peer, struct span value);
	unsigned when;			/* states it is allowed in */
	unsigned passed;		/* states it is passed over in */
} verbs[] = {
	{ 'B', verb_body, MESSAGE, PASSED },
	{ 'E', verb_end, MESSAGE | PASSED, 0 },
	{ 'M', verb_message, PEER_BETWEEN, 0 },
	{ 'S', verb_sender, PEER_ENVELOPE, PASSED },
	{ 'R', verb_recipient, PEER_ENVELOPE, PASSED },
	{ 'A', verb_attribute, PEER_ENVELOPE, PASSED },
	{ 'r', verb_recipient_attribute, PEER_ENVELOPE, PASSED },
	{ 'C', verb_cancel, MESSAGE | PASSED, 0 },
	{ 'Q', verb_question, PEER_BETWEEN | MESSAGE | PASSED, 0 },
};

const char *verbs_frame(struct peer *peer, struct frame frame)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (verbs[i].type != frame.type)
			continue;
		if (verbs[i].when & peer->state)
			return verbs[i].run(peer, frame.value);
		return verbs[i].passed & peer->state ? NULL : "a frame out of order";
	}
	return "an unknown frame";
}
