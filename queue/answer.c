/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define LOOK_EVERY (CLOCK_SECOND / 20)
#define DEBTS_ROOM 4U
#define WAITING_MAX 4096U	/* complete messages and questions of one peer, beyond which it gets no answer but a later one */

struct waiter {				/* for a pending key */
	struct waiter *next;
	struct peer *peer;
	bool question;			/* asked by Q; otherwise it handed the same message in */
};

int answer_say(struct peer *peer, char type, struct keys_key key, const char *text)
{
	char key_text[KEYS_TEXT + 1];

	if (!peer->ctrl)
		return -1;
	keys_text(key, key_text);
	return ctrl_printf(peer->ctrl, type, "%s %s", key_text, text);
}

/* Whether what was sent to it is lost.  Nothing is sent by asking: a frame that is too long is refused, but for a connection that ends with another error. */
static bool is_lost(struct peer *peer)
{
	static const char byte;

	return !peer->ctrl || ctrl_send(peer->ctrl, 'K', (struct span){ &byte, FRAME_MAX + 1 }) == 0 || errno != EMSGSIZE;
}

/* Remembers that segment waits for what peer was sent.  Without memory for that it is kept as if the peer were gone, which is always right. */
static void owe(struct peer *peer, struct segment *segment)
{
	struct intake *intake = peer->intake;

	if (peer->debt_count && peer->debts[peer->debt_count - 1] == segment)
		return;
	if (peer->debt_count == peer->debt_room) {
		size_t room = peer->debt_room ? peer->debt_room * 2 : DEBTS_ROOM;
		struct segment **debts = realloc(peer->debts, room * sizeof(struct segment *));

		if (!debts) {
			segment_keep(segment);
			return;
		}
		peer->debts = debts;
		peer->debt_room = room;
	}
	peer->debts[peer->debt_count++] = segment;
	segment_hold(segment);
	if (peer->owing)
		return;
	peer->owing = true;
	peer->owing_since = loop_now(intake->loop);
	peer->refs++;
	peer->next_owing = intake->owing;
	intake->owing = peer;
}

/* K.  segment: where the message is, if it was stored just now. */
static void say_stored(struct peer *peer, struct keys_key key, struct id id, struct segment *segment)
{
	char id_chars[ID_TEXT_MAX];

	id_text(id, id_chars);
	if (answer_say(peer, 'K', key, id_chars)) {
		if (segment)
			segment_keep(segment);
	} else if (segment) {
		owe(peer, segment);
	}
}

void answer_unknown(struct peer *peer, struct keys_key key)
{
	struct intake *intake = peer->intake;
	char key_text[KEYS_TEXT + 1];

	/* N is a promise, and one that cannot be remembered must not be made: "later" leaves the asker asking */
	if (keys_refuse(intake->keys, key, peer->serial, clock_boot())) {
		(void)answer_say(peer, 'Z', key, "out of memory");
		return;
	}
	keys_text(key, key_text);
	if (peer->ctrl)
		(void)ctrl_send(peer->ctrl, 'N', span_of(key_text));
}

void answer_known(struct peer *peer, struct keys_entry *entry, bool question)
{
	struct waiter *waiter;

	if (entry->state == KEYS_STORED) {
		say_stored(peer, entry->key, entry->id, NULL);
		return;
	}
	/* while the disk is busy nothing else stops who asks without end */
	waiter = peer->pending < WAITING_MAX ? calloc(1, sizeof *waiter) : NULL;
	if (!waiter) {
		(void)answer_say(peer, 'Z', entry->key, peer->pending < WAITING_MAX ? "out of memory" : "too much at once");
		return;
	}
	*waiter = (struct waiter){ entry->waiters, peer, question };
	entry->waiters = waiter;
	peer->refs++;
	peer->pending++;
	peer->intake->pending++;
}

/* A peer that sends no more is let go as soon as it has its answers. */
static void close_ended(struct peer *peer)
{
	if (peer->ended && peer->ctrl && !peer->pending && !peer->owing)
		ctrl_close(peer->ctrl);
}

static void no_longer_pending(struct peer *peer)
{
	peer->pending--;
	peer->intake->pending--;
	close_ended(peer);
	intake_unref(peer);
}

static void log_outcome(struct intake *intake, const struct submission *s, const char *why)
{
	struct log_line line;

	log_begin(&line, intake->log, why ? "refuse" : "accept");
	if (!why)
		log_id(&line, s->id);
	log_address(&line, "from", str_span(&s->envelope.sender));
	log_num(&line, "nrcpt", s->envelope.count);
	log_num(&line, "size", s->size);
	log_word(&line, "via", s->origin.word);
	log_num(&line, "uid", s->origin.uid);
	if (why)
		log_text(&line, span_of(why));
	log_end(&line);
}

/* A commit may end behind the hub's flush of this turn, and nothing may wake the loop soon. */
static void flush(struct peer *peer)
{
	if (peer->ctrl)
		ctrl_flush(peer->ctrl);
}

/* Those who waited for a message that was stored, or was not: a question is then answered N, the same message from elsewhere Z. */
static void answer_waiters(struct waiter *waiter, const struct submission *s, struct segment *segment, const char *why)
{
	while (waiter) {
		struct waiter *next = waiter->next;

		if (segment)
			say_stored(waiter->peer, s->key, s->id, segment);
		else if (!waiter->question)
			(void)answer_say(waiter->peer, 'Z', s->key, why);
		else if (waiter->peer->ctrl)
			answer_unknown(waiter->peer, s->key);
		if (!segment)
			flush(waiter->peer);
		no_longer_pending(waiter->peer);
		free(waiter);
		waiter = next;
	}
}

void answer_settled(void *arg, struct submission *s, struct segment *segment, const char *why)
{
	struct intake *intake = arg;
	struct peer *peer = s->owner;
	struct waiter *waiters = s->entry->waiters;

	log_outcome(intake, s, why);
	s->entry->waiters = NULL;
	if (segment) {
		keys_store(intake->keys, s->entry, s->id, clock_boot());
		say_stored(peer, s->key, s->id, segment);
	} else {
		/* an N that was said for this key still binds */
		if (s->entry->owner)
			(void)keys_refuse(intake->keys, s->key, s->entry->owner, clock_boot());
		else
			keys_forget(intake->keys, s->entry);
		(void)answer_say(peer, 'Z', s->key, why);
		flush(peer);
	}
	answer_waiters(waiters, s, segment, why);
	intake_forget(intake, peer, s);
	no_longer_pending(peer);
}

static void pay(struct peer *peer, bool keep)
{
	for (size_t i = 0; i < peer->debt_count; i++) {
		if (keep)
			segment_keep(peer->debts[i]);
		segment_release(peer->debts[i]);
	}
	peer->debt_count = 0;
	if (peer->debt_room > DEBTS_ROOM) {
		free(peer->debts);
		peer->debts = NULL;
		peer->debt_room = 0;
	}
}

/* True: the peer is owed nothing any more; its answers have left, or cannot. */
static bool is_settled(struct peer *peer)
{
	if (is_lost(peer))
		pay(peer, true);
	else if (!ctrl_unsent(peer->ctrl))
		pay(peer, false);
	return !peer->debt_count;
}

void answer_turn(struct intake *intake)
{
	struct peer **link = &intake->owing;

	while (*link) {
		struct peer *peer = *link;

		if (!is_settled(peer)) {
			link = &peer->next_owing;
			continue;
		}
		*link = peer->next_owing;
		peer->owing = false;
		close_ended(peer);
		intake_unref(peer);
	}
	if (intake->owing && !loop_timer_is_set(&intake->answers))
		(void)loop_timer_set(intake->loop, &intake->answers, clock_boot() + LOOK_EVERY);
}

void answer_committed(void *arg, const struct segment *segment)
{
	struct intake *intake = arg;

	for (struct peer *peer = intake->owing; peer; peer = peer->next_owing)
		flush(peer);
	answer_turn(intake);
	if (segment)
		intake->told(intake->told_arg, segment);
}

void answer_gone(struct peer *peer)
{
	pay(peer, true);
}
