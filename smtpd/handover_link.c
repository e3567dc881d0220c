/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections to queue: frames out, answers in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover_internal.h"

#define CHUNK (32U * 1024)		/* bytes of a message in a frame */

/* ---- answers ---- */

/* Answers mostly come in the order of the messages, so this ends soon. */
static struct handover_mail *find(struct handover *h, struct span key)
{
	for (struct handover_mail *mail = h->first; mail; mail = mail->next)
		if (span_is(key, mail->key))
			return mail;
	return NULL;
}

/* Queue has not stored it, and will not unless this connection sends it. */
static void not_stored(struct handover_mail *mail)
{
	if (mail->state != HANDOVER_ASKED)
		return;
	if (mail->large) {
		handover_settle(mail, 'Z', span_of("the connection to the queue broke"));
		return;
	}
	mail->state = HANDOVER_READY;
	mail->since = clock_boot();
	handover_wake(mail->h);
}

static const char *frame(void *arg, struct ctrl *c, struct frame received)
{
	struct handover_link *link = arg;
	struct span rest = received.value, key;
	struct handover_mail *mail;

	(void)c;
	if (!received.type || !strchr("KZXN", received.type) || !span_word(&rest, ' ', &key))
		return "queue says what is no answer";
	mail = link->mail ? link->mail : find(link->h, key);
	if (!mail || !span_is(key, mail->key))
		return NULL;		/* its sender has given up */
	if (received.type == 'N')
		not_stored(mail);
	else if (received.type != 'K' || mail->state == HANDOVER_SENT || mail->state == HANDOVER_ASKED)
		handover_settle(mail, received.type, rest);
	return NULL;
}

static void writable(void *arg, struct ctrl *c)
{
	struct handover_link *link = arg;
	struct handover_mail *mail = link->mail;

	(void)c;
	if (mail && mail->told_full && !handover_full(mail)) {
		mail->told_full = false;
		if (mail->ops)
			mail->ops->room(mail->arg);
	} else if (!mail) {
		handover_wake(link->h);
	}
}

/* ---- the end of one ---- */

static void lost(struct handover_mail *mail, const char *why)
{
	if (mail->state == HANDOVER_SENT)
		mail->since = clock_boot();
	if (mail->state == HANDOVER_SENT || mail->state == HANDOVER_ASKED)
		mail->state = HANDOVER_LOST;
	else
		handover_settle(mail, 'Z', span_of(why));
}

static void own_closed(struct handover_link *link)
{
	struct handover *h = link->h;
	struct handover_mail *mail = link->mail;

	h->streams--;
	free(link);
	if (mail) {
		mail->own = NULL;
		lost(mail, "the connection to the queue broke");
	}
	handover_wake(h);
}

static void shared_closed(struct handover *h)
{
	for (struct handover_mail *mail = h->first; mail; mail = mail->next)
		if (!mail->own && (mail->state == HANDOVER_SENT || mail->state == HANDOVER_ASKED))
			lost(mail, "");
	handover_wake(h);
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct handover_link *link = arg;
	struct handover *h = link->h;

	(void)c;
	/* our own goodbye is no loss */
	if (broken || link->mail || (link == &h->shared && h->first))
		log_event(h->setup.log, "queue-lost", "%s", why);
	link->ctrl = NULL;
	if (link == &h->shared)
		shared_closed(h);
	else
		own_closed(link);
}

static const struct ctrl_ops ops = { .frame = frame, .closed = closed, .writable = writable, .refuse_fds = true };

int handover_link_open(struct handover *h, struct handover_link *link)
{
	int fd = ctrl_connect(h->setup.path);

	if (fd < 0)
		return -1;
	link->h = h;
	link->ctrl = ctrl_new(h->setup.hub, fd, &ops, link);
	if (link->ctrl)
		return 0;
	close(fd);
	return -1;
}

/* ---- what is said ---- */

/* What cannot be kept ends the connection, and closed() tells. */
static void say(struct handover_link *link, char type, struct span value)
{
	if (link->ctrl)
		(void)ctrl_send(link->ctrl, type, value);
}

void handover_link_body(struct handover_link *link, struct span bytes)
{
	while (bytes.len) {
		struct span piece = { bytes.data, bytes.len < CHUNK ? bytes.len : CHUNK };

		say(link, 'B', piece);
		bytes = span_skip(bytes, piece.len);
	}
}

static void say_frames(struct handover_link *link, struct span frames)
{
	struct frame frame;
	size_t used;

	while (frame_take(frames.data, frames.len, &frame, &used) == FRAME_WHOLE) {
		say(link, frame.type, frame.value);
		frames = span_skip(frames, used);
	}
}

void handover_link_mail(struct handover_link *link, struct handover_mail *mail, bool complete)
{
	say(link, 'M', span_of(mail->key));
	say_frames(link, str_span(&mail->frames));
	handover_link_body(link, str_span(&mail->body));
	if (complete)
		say(link, 'E', span_of(""));
}

void handover_link_ask(struct handover_link *link, struct handover_mail *mail)
{
	say(link, 'Q', span_of(mail->key));
}
