/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hub: what is done for its connections once a turn, and where they end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctrl_internal.h"

/* The end of a connection */

static void unlink_connection(struct ctrl *c)
{
	c->finished = true;
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	loop_unwatch(c->watch);
	close(c->fd);
	ctrl_fds_close(c);
	str_free(&c->in);
	str_free(&c->out);
	c->out_done = 0;
	ctrl_account(c);
	ctrl_share_leave(c);
}

static void finish(struct ctrl *c)
{
	struct ctrl_listener *listener = c->listener;

	if (!c->gone)
		snprintf(c->why, sizeof(c->why), "closed");
	c->gone = true;
	unlink_connection(c);
	if (!c->silent) {
		c->hub->called = true;
		c->ops->closed(c->arg, c, c->why, c->broken);
	}
	free(c);
	if (listener != NULL)
		ctrl_listen_gone(listener);
}

/* The hub's part of a turn */

static void set_interest(struct ctrl *c)
{
	unsigned events = c->ended ? LOOP_HANGUP : 0;

	if (ctrl_may_read(c))
		events |= LOOP_READ;
	if (c->stuck && ctrl_unsent(c) > 0)
		events |= LOOP_WRITE;
	if (loop_change(c->watch, events) < 0)
		ctrl_doom(c, strerror(errno), false);
}

static void settle(struct ctrl *c)
{
	if (c->backlog && !ctrl_blocked(c))
		ctrl_io_backlog(c);
	ctrl_io_flush(c);
	if (c->full && ctrl_unsent(c) < CTRL_OUT_PAUSE && c->passing_count < CTRL_FDS_MAX && !c->gone && !c->closing) {
		c->full = false;
		if (c->ops->writable != NULL) {
			c->hub->called = true;
			c->ops->writable(c->arg, c);
		}
	}
	if (c->gone || c->closing) {
		/* what happened just now may have put it on the list again: then that is where it ends */
		if (!c->in_work)
			finish(c);
		return;
	}
	/* the flush may have made room for frames that wait */
	if (c->backlog && !ctrl_blocked(c))
		ctrl_work(c);
	set_interest(c);
}

static void settle_work(struct ctrl_hub *hub)
{
	struct ctrl *list = hub->work;

	hub->work = NULL;
	hub->work_end = &hub->work;
	while (list != NULL) {
		struct ctrl *c = list;

		list = c->next_work;
		c->in_work = false;
		settle(c);
	}
}

static void drop_stalled(void *arg)
{
	struct ctrl_hub *hub = arg;
	uint64_t now = loop_now(hub->loop);

	if (!ctrl_share_any_capped(hub))
		return;
	for (struct ctrl *c = hub->all; c != NULL; c = c->next)
		if (ctrl_share_capped(c) && c->counted > 0 && !c->paused && now - c->progress >= CTRL_STALL)
			ctrl_doom(c, "no progress while the buffers are full", false);
	if (loop_timer_set(hub->loop, &hub->stall, now + CTRL_STALL) < 0)
		hub->flipped = true;	/* tried again in the next turn */
}

static void tell_cap(struct ctrl_hub *hub)
{
	hub->flipped = false;
	for (struct ctrl *c = hub->all; c != NULL; c = c->next)
		set_interest(c);
	if (!ctrl_share_any_capped(hub))
		loop_timer_clear(hub->loop, &hub->stall);
	else if (!loop_timer_is_set(&hub->stall) && loop_timer_set(hub->loop, &hub->stall, loop_now(hub->loop) + CTRL_STALL) < 0)
		hub->flipped = true;
}

static bool turn(void *arg)
{
	struct ctrl_hub *hub = arg;

	hub->called = false;
	settle_work(hub);
	if (hub->flipped)
		tell_cap(hub);
	/* what the callbacks left to the stage's hooks must be seen to before the loop waits */
	return hub->called || hub->work != NULL;
}

static bool is_stage_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= CTRL_STAGE_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

struct ctrl_hub *ctrl_hub_new(struct loop *loop, const char *stage, size_t buffer_cap)
{
	struct ctrl_hub *hub;

	if (!is_stage_name(stage)) {
		errno = EINVAL;
		return NULL;
	}
	hub = calloc(1, sizeof(*hub));
	if (hub == NULL)
		return NULL;
	hub->loop = loop;
	hub->cap = buffer_cap;
	hub->work_end = &hub->work;
	hub->hello = (struct str)STR_INIT(64);
	loop_timer_init(&hub->stall, drop_stalled, hub);
	hub->buffer = malloc(CTRL_READ_SIZE);
	if (hub->buffer == NULL || frame_printf(&hub->hello, 'H', "%s %d", stage, CTRL_VERSION) < 0 ||
	    loop_turn_last(loop, turn, hub) < 0) {
		int saved = errno;

		str_free(&hub->hello);
		free(hub->buffer);
		free(hub);
		errno = saved;
		return NULL;
	}
	return hub;
}

void ctrl_hub_free(struct ctrl_hub *hub)
{
	if (hub == NULL)
		return;
	while (hub->all != NULL) {
		struct ctrl *c = hub->all;

		unlink_connection(c);
		free(c);
	}
	while (hub->listeners != NULL)
		ctrl_listen_free(hub->listeners);
	loop_timer_clear(hub->loop, &hub->stall);
	loop_turn_remove(hub->loop, turn, hub);
	str_free(&hub->hello);
	free(hub->buffer);
	free(hub);
}

size_t ctrl_hub_buffered(const struct ctrl_hub *hub)
{
	return hub->buffered;
}
