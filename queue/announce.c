/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "announce.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define RETRY_LEAST (CLOCK_SECOND / 5)
#define RETRY_MOST (2 * CLOCK_SECOND)

struct announce {
	struct loop *loop;
	struct ctrl_hub *hub;
	struct log *log;
	const char *path;
	void (*connected)(void *arg);
	void *arg;
	struct ctrl *ctrl;		/* NULL while send is away */
	struct loop_timer retry;
	uint64_t wait;
	bool said;			/* that send is away */
};

static const char *frame(void *arg, struct ctrl *c, struct frame received)
{
	(void)arg;
	(void)c;
	(void)received;
	return "send has nothing to say here";
}

static void again(struct announce *a)
{
	(void)loop_timer_set(a->loop, &a->retry, clock_boot() + a->wait);
	a->wait = a->wait * 2 < RETRY_MOST ? a->wait * 2 : RETRY_MOST;
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct announce *a = arg;

	/* a connection that never heard send's hello is one more failed try, not a loss */
	if (broken || ctrl_peer_stage(c).len) {
		log_event(a->log, "send-lost", "%s", why);
		a->wait = RETRY_LEAST;
	}
	a->ctrl = NULL;
	again(a);
}

static const struct ctrl_ops ops = { .frame = frame, .closed = closed };

static void try(void *arg)
{
	struct announce *a = arg;
	int fd = ctrl_connect(a->path);

	if (fd >= 0) {
		a->ctrl = ctrl_new(a->hub, fd, &ops, a);
		if (!a->ctrl)
			close(fd);
	}
	if (!a->ctrl) {
		if (!a->said)
			log_event(a->log, "send-away", "connect to %s: %s", a->path, strerror(errno));
		a->said = true;
		again(a);
		return;
	}
	a->said = false;
	if (a->connected)
		a->connected(a->arg);
}

struct announce *announce_new(struct loop *loop, struct ctrl_hub *hub, struct log *log, const char *path, void (*connected)(void *arg), void *arg)
{
	struct announce *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	*a = (struct announce){ .loop = loop, .hub = hub, .log = log, .path = path, .connected = connected, .arg = arg, .wait = RETRY_LEAST };
	loop_timer_init(&a->retry, try, a);
	if (path)
		(void)loop_timer_set(loop, &a->retry, clock_boot());
	return a;
}

void announce_free(struct announce *a)
{
	if (!a)
		return;
	loop_timer_clear(a->loop, &a->retry);
	free(a);
}

static void say(struct announce *a, char type, struct id_name name, const uint64_t *length)
{
	char text[ID_NAME_LEN + 1];

	/* send looks into the directory by a timer too: what it is too slow to hear it finds there */
	if (!a->ctrl || ctrl_unsent(a->ctrl) > CTRL_OUT_PAUSE)
		return;
	id_name_text(name, text);
	if (length)
		(void)ctrl_printf(a->ctrl, type, "%s %" PRIu64, text, *length);
	else
		(void)ctrl_send(a->ctrl, type, span_of(text));
	ctrl_flush(a->ctrl);
}

void announce_committed(struct announce *a, struct id_name name, uint64_t length)
{
	say(a, 'C', name, &length);
}

void announce_ended(struct announce *a, struct id_name name, uint64_t length)
{
	say(a, 'E', name, &length);
}

void announce_unasked(struct announce *a, struct id_name oldest)
{
	say(a, 'U', oldest, NULL);
}
