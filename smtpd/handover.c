/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handover_internal.h"
#include "id.h"

#define FRAMES_MAX (4U * 1024 * 1024)
#define BODY_MAX (512U * 1024)		/* HANDOVER_SMALL, and what a session may give before it notices that there is no room */
#define PIECE (32U * 1024)		/* of a large one, before it is sent on */
#define STEP_LEAST (CLOCK_SECOND / 20)
#define STEP_MOST CLOCK_SECOND
#define TICK (CLOCK_SECOND / 2)
#define ANSWER_WAIT (60 * CLOCK_SECOND)	/* on the connection that carried the message */
#define ASK_WAIT (90 * CLOCK_SECOND)	/* then; queue remembers keys for longer than both together */

/* ---- mails ---- */

static void account(struct handover_mail *mail)
{
	size_t now = mail->frames.cap + mail->body.cap;

	mail->h->bytes += now - mail->counted;
	mail->counted = now;
}

static void drop(struct handover_mail *mail)
{
	struct handover *h = mail->h;

	h->bytes -= mail->counted;
	h->count--;
	*mail->link = mail->next;
	if (mail->next)
		mail->next->link = mail->link;
	else
		h->last = mail->link;
	if (mail->own) {
		mail->own->mail = NULL;
		if (mail->own->ctrl)
			ctrl_close(mail->own->ctrl);
	}
	str_free(&mail->frames);
	str_free(&mail->body);
	free(mail);
}

void handover_settle(struct handover_mail *mail, char verdict, struct span text)
{
	const struct handover_ops *ops = mail->ops;
	void *arg = mail->arg;

	drop(mail);
	if (ops)
		ops->done(arg, verdict, text);
}

/* Random numbers are taken from the kernel for many keys at once. */
static int new_key(struct handover *h, char key[static HANDOVER_KEY + 1])
{
	struct str hex = STR_INIT(HANDOVER_KEY);
	int result = 0;

	if (!h->random_left) {
		result = id_random(h->random, sizeof h->random);
		h->random_left = result ? 0 : sizeof h->random;
	}
	for (size_t i = 0; i < HANDOVER_KEY / 2 && !result; i++)
		result = str_add_hex(&hex, h->random[--h->random_left], 2);
	if (!result)
		memcpy(key, hex.data, HANDOVER_KEY + 1);
	str_free(&hex);
	return result;
}

struct handover_mail *handover_begin(struct handover *h, const struct handover_ops *ops, void *arg)
{
	struct handover_mail *mail;

	if (h->bytes > h->setup.buffer) {
		errno = ENOBUFS;
		return NULL;
	}
	mail = calloc(1, sizeof *mail);
	if (!mail)
		return NULL;
	*mail = (struct handover_mail){ .h = h, .ops = ops, .arg = arg, .frames = STR_INIT(FRAMES_MAX), .body = STR_INIT(BODY_MAX) };
	if (new_key(h, mail->key)) {
		free(mail);
		return NULL;
	}
	mail->since = clock_boot();
	mail->link = h->last;
	*h->last = mail;
	h->last = &mail->next;
	h->count++;
	return mail;
}

int handover_put(struct handover_mail *mail, char type, struct span value)
{
	int result = frame_put(&mail->frames, type, value);

	account(mail);
	return result;
}

static void send_piece(struct handover_mail *mail)
{
	handover_link_body(mail->own, str_span(&mail->body));
	str_cut(&mail->body, 0);
}

int handover_body(struct handover_mail *mail, struct span bytes)
{
	bool streams = mail->own && mail->own->ctrl;

	if (!streams && mail->h->bytes > mail->h->setup.buffer) {
		errno = ENOBUFS;
		return -1;
	}
	if (str_add_span(&mail->body, bytes))
		return -1;
	account(mail);
	if (streams) {
		/* the body comes line by line: a frame each would be many */
		if (mail->body.len >= PIECE)
			send_piece(mail);
		return 0;
	}
	if (mail->body.len > HANDOVER_SMALL && !mail->large) {
		mail->large = true;
		mail->since = clock_boot();
		handover_wake(mail->h);
	}
	return 0;
}

bool handover_full(struct handover_mail *mail)
{
	mail->told_full = mail->large && (!mail->own || !mail->own->ctrl || ctrl_unsent(mail->own->ctrl) >= CTRL_OUT_PAUSE);
	return mail->told_full;
}

void handover_end(struct handover_mail *mail)
{
	mail->since = clock_boot();
	mail->state = HANDOVER_READY;
	if (mail->own && mail->own->ctrl) {
		send_piece(mail);
		(void)ctrl_send(mail->own->ctrl, 'E', span_of(""));
		mail->state = HANDOVER_SENT;
	}
	handover_wake(mail->h);
}

void handover_leave(struct handover_mail *mail)
{
	mail->ops = NULL;
	if (mail->state == HANDOVER_FILLING)
		drop(mail);
}

/* ---- going on ---- */

/* True once there is a shared connection. */
static bool connect_shared(struct handover *h)
{
	uint64_t now = clock_boot();

	if (h->shared.ctrl)
		return true;
	if (now < h->try_at)
		return false;
	if (!handover_link_open(h, &h->shared)) {
		h->step = STEP_LEAST;
		h->try_at = 0;
		if (h->away)
			log_event(h->setup.log, "queue-back", "%s", h->setup.path);
		h->away = false;
		return true;
	}
	if (!h->away)
		log_event(h->setup.log, "queue-away", "connect to %s: %s", h->setup.path, strerror(errno));
	h->away = true;
	h->try_at = now + h->step;
	h->step = h->step * 2 < STEP_MOST ? h->step * 2 : STEP_MOST;
	return false;
}

/* A large one begins to stream, or, complete meanwhile, goes as a whole. */
static void connect_own(struct handover_mail *mail)
{
	struct handover *h = mail->h;
	bool complete = mail->state == HANDOVER_READY;

	if (h->streams >= HANDOVER_STREAMS)
		return;
	mail->own = calloc(1, sizeof *mail->own);
	if (!mail->own)
		return;
	mail->own->mail = mail;
	if (handover_link_open(h, mail->own)) {
		free(mail->own);
		mail->own = NULL;
		return;
	}
	h->streams++;
	handover_link_mail(mail->own, mail, complete);
	str_free(&mail->body);
	account(mail);
	if (complete) {
		mail->state = HANDOVER_SENT;
		mail->since = clock_boot();
	} else if (mail->told_full && !handover_full(mail) && mail->ops) {
		mail->ops->room(mail->arg);
	}
}

static void send_small(struct handover_mail *mail)
{
	struct handover_link *link = &mail->h->shared;

	if (ctrl_unsent(link->ctrl) >= CTRL_OUT_PAUSE)
		return;
	if (mail->state == HANDOVER_LOST) {
		handover_link_ask(link, mail);
		mail->state = HANDOVER_ASKED;
	} else {
		handover_link_mail(link, mail, true);
		mail->state = HANDOVER_SENT;
		mail->since = clock_boot();
	}
}

static void go_on(struct handover_mail *mail)
{
	bool large = mail->large && (mail->state == HANDOVER_READY || mail->state == HANDOVER_FILLING);

	if (large && mail->own)
		return;
	if (!large && mail->state != HANDOVER_READY && mail->state != HANDOVER_LOST)
		return;
	/* the shared connection is also what tells whether queue is there */
	if (!connect_shared(mail->h))
		return;
	if (large)
		connect_own(mail);
	else
		send_small(mail);
}

/* ---- time ---- */

/* True: it was given up. */
static bool expire(struct handover_mail *mail, uint64_t now)
{
	struct handover *h = mail->h;
	uint64_t passed = now - mail->since;
	bool waits = mail->state == HANDOVER_READY || (mail->state == HANDOVER_FILLING && mail->large && !mail->own);

	if (waits && passed > h->setup.wait) {
		handover_settle(mail, 'Z', span_of(h->shared.ctrl ? "the queue is busy" : "the queue is away"));
		return true;
	}
	if ((mail->state == HANDOVER_LOST || mail->state == HANDOVER_ASKED) && passed > ASK_WAIT) {
		handover_settle(mail, 'Z', span_of("the queue did not say what became of the message"));
		return true;
	}
	if (mail->state == HANDOVER_SENT && passed > ANSWER_WAIT) {
		/* it hangs: a new connection may find a new process */
		struct handover_link *link = mail->own ? mail->own : &h->shared;

		mail->since = now;
		if (link->ctrl)
			ctrl_close(link->ctrl);
	}
	return false;
}

static void tick(void *arg)
{
	struct handover *h = arg;
	struct handover_mail *next;
	uint64_t now = clock_boot(), due;

	/* done and room may begin mails, at the end of the list, and end the one that they are about: never the next */
	for (struct handover_mail *mail = h->first; mail; mail = next) {
		next = mail->next;
		if (!expire(mail, now))
			go_on(mail);
	}
	if (!h->first || loop_timer_is_set(&h->tick))
		return;
	due = now + TICK;
	if (!h->shared.ctrl && h->try_at > now && h->try_at < due)
		due = h->try_at;
	(void)loop_timer_set(h->setup.loop, &h->tick, due);
}

void handover_wake(struct handover *h)
{
	if (h->first && (!loop_timer_is_set(&h->tick) || h->tick.due > loop_now(h->setup.loop)))
		(void)loop_timer_set(h->setup.loop, &h->tick, loop_now(h->setup.loop));
}

struct handover *handover_new(const struct handover_setup *setup)
{
	struct handover *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->setup = *setup;
	h->last = &h->first;
	h->shared.h = h;
	h->step = STEP_LEAST;
	loop_timer_init(&h->tick, tick, h);
	return h;
}

void handover_free(struct handover *h)
{
	if (!h)
		return;
	while (h->first) {
		struct handover_mail *mail = h->first;

		if (mail->own) {
			mail->own->mail = NULL;
			free(mail->own);
			mail->own = NULL;
		}
		drop(mail);
	}
	loop_timer_clear(h->setup.loop, &h->tick);
	free(h);
}

size_t handover_count(const struct handover *h)
{
	return h->count;
}
