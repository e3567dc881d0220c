/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctrl_internal.h"

/* The rules of when to read and deliver */

bool ctrl_blocked(const struct ctrl *c)
{
	return c->paused || c->closing || c->gone || ctrl_unsent(c) >= CTRL_OUT_PAUSE;
}

/* At the cap a connection that waits for the rest of a frame is read on: that frees memory, and it holds one frame at most. */
bool ctrl_may_read(const struct ctrl *c)
{
	if (c->ended || c->backlog || ctrl_blocked(c))
		return false;
	return !ctrl_share_capped(c) || (c->in.len > 0 && ctrl_unsent(c) == 0);
}

void ctrl_work(struct ctrl *c)
{
	if (c->in_work || c->finished)
		return;
	c->in_work = true;
	c->next_work = NULL;
	*c->hub->work_end = c;
	c->hub->work_end = &c->next_work;
}

void ctrl_doom(struct ctrl *c, const char *why, bool broken)
{
	if (c->gone)
		return;
	c->gone = true;
	c->broken = broken;
	snprintf(c->why, sizeof(c->why), "%s", why);
	ctrl_work(c);
}

/* Connections */

static int set_up(struct ctrl *c)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
		return -1;
	c->peer = (struct ctrl_peer){ credentials.pid, credentials.uid, credentials.gid };
	if (str_add_span(&c->out, str_span(&c->hub->hello)) < 0)
		return -1;
	return loop_watch(c->hub->loop, c->fd, LOOP_READ, ctrl_io_ready, c, &c->watch);
}

struct ctrl *ctrl_open(struct ctrl_hub *hub, int fd, const struct ctrl_ops *ops, void *arg)
{
	struct ctrl *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->hub = hub;
	c->fd = fd;
	c->ops = ops;
	c->arg = arg;
	c->in = (struct str)STR_INIT(CTRL_READ_SIZE + FRAME_MAX + 16);
	c->out = (struct str)STR_INIT(2 * CTRL_OUT_MAX);
	c->progress = loop_now(hub->loop);
	if (set_up(c) < 0) {
		int saved = errno;

		str_free(&c->out);
		free(c);
		errno = saved;
		return NULL;
	}
	c->next = hub->all;
	c->link = &hub->all;
	if (c->next != NULL)
		c->next->link = &c->next;
	hub->all = c;
	ctrl_account(c);
	ctrl_work(c);
	return c;
}

struct ctrl *ctrl_new(struct ctrl_hub *hub, int fd, const struct ctrl_ops *ops, void *arg)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return NULL;
	return ctrl_open(hub, fd, ops, arg);
}

/* Whether a frame may be added now.  A connection with a hole in its stream is of no use: where memory ends, it ends. */
static int may_send(struct ctrl *c)
{
	if (c->gone || c->closing || c->deaf) {
		errno = EPIPE;
		return -1;
	}
	if (ctrl_unsent(c) + FRAME_MAX + 8 > CTRL_OUT_MAX) {
		ctrl_doom(c, "the peer takes no output", false);
		errno = ENOBUFS;
		return -1;
	}
	return 0;
}

static int added(struct ctrl *c, int result)
{
	if (result < 0 && errno != EMSGSIZE) {
		int saved = errno;

		ctrl_doom(c, strerror(saved), false);
		errno = saved;
	}
	if (result < 0)
		return -1;
	ctrl_account(c);
	if (ctrl_unsent(c) >= CTRL_OUT_PAUSE)
		c->full = true;
	ctrl_work(c);
	return 0;
}

int ctrl_send(struct ctrl *c, char type, struct span value)
{
	return may_send(c) < 0 ? -1 : added(c, frame_put(&c->out, type, value));
}

int ctrl_printf(struct ctrl *c, char type, const char *format, ...)
{
	va_list args;
	int result;

	if (may_send(c) < 0)
		return -1;
	va_start(args, format);
	result = frame_vprintf(&c->out, type, format, args);
	va_end(args);
	return added(c, result);
}

int ctrl_send_fd(struct ctrl *c, char type, struct span value, int fd)
{
	size_t before = c->out.len;

	if (may_send(c) < 0)
		return -1;
	if (c->passing_count == CTRL_FDS_MAX) {
		c->full = true;
		errno = EAGAIN;
		return -1;
	}
	if (added(c, frame_put(&c->out, type, value)) < 0)
		return -1;
	if (ctrl_fds_add(c, fd) < 0) {
		str_cut(&c->out, before);
		return added(c, -1);
	}
	return 0;
}

void ctrl_flush(struct ctrl *c)
{
	if (!c->finished)
		ctrl_io_flush(c);
}

size_t ctrl_unsent(const struct ctrl *c)
{
	return c->out.len - c->out_done;
}

void ctrl_pause(struct ctrl *c, bool paused)
{
	c->paused = paused;
	ctrl_work(c);
}

void ctrl_close(struct ctrl *c)
{
	c->closing = true;
	ctrl_work(c);
}

struct ctrl_peer ctrl_peer(const struct ctrl *c)
{
	return c->peer;
}

struct span ctrl_peer_stage(const struct ctrl *c)
{
	return span_of(c->stage);
}

void *ctrl_arg(const struct ctrl *c)
{
	return c->arg;
}

void ctrl_set_arg(struct ctrl *c, void *arg)
{
	c->arg = arg;
}
