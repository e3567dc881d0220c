/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes in and out of control connections.  Frames are parsed where they were read, in the hub's buffer; a connection copies only the
 * incomplete last one, and completes it with as many of the next bytes as it needs.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "ctrl_internal.h"

/* H: the stage's name, a blank, the version */
static const char *take_hello(struct ctrl *c, struct frame frame)
{
	struct span rest = frame.value, name;
	uint64_t version;

	if (frame.type != 'H' || !span_word(&rest, ' ', &name) || name.len == 0 || name.len > CTRL_STAGE_MAX)
		return "no hello";
	for (size_t i = 0; i < name.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", name.data[i]) == NULL || name.data[i] == '\0')
			return "no hello";
	if (span_decimal(rest, UINT32_MAX, &version) < 0)
		return "no hello";
	if (version != CTRL_VERSION)
		return "unknown protocol version";
	memcpy(c->stage, name.data, name.len);
	c->stage[name.len] = '\0';
	c->greeted = true;
	return NULL;
}

static void handle(struct ctrl *c, struct frame frame)
{
	const char *why;

	if (c->greeted) {
		c->hub->called = true;
		why = c->ops->frame(c->arg, c, frame);
	} else {
		why = take_hello(c, frame);
	}
	if (why != NULL)
		ctrl_doom(c, why, true);
}

/* Delivers whole frames from the head of data until one is incomplete or delivery must stop.  How many bytes it used. */
static size_t deliver(struct ctrl *c, const char *data, size_t len)
{
	size_t used = 0;

	while (!ctrl_blocked(c)) {
		struct frame frame;
		size_t taken;
		enum frame_result result = frame_take(data + used, len - used, &frame, &taken);

		if (result == FRAME_BAD)
			ctrl_doom(c, "bad frame", true);
		if (result != FRAME_WHOLE)
			break;
		used += taken;
		handle(c, frame);
	}
	return used;
}

static void drop_empty(struct str *s)
{
	if (s->len == 0 && s->cap > CTRL_KEEP)
		str_free(s);
}

/* After a delivery: what is left waits for bytes, or for being allowed on */
static void delivered(struct ctrl *c)
{
	if (c->gone || c->closing)
		str_free(&c->in);
	c->backlog = c->in.len > 0 && ctrl_blocked(c);
	drop_empty(&c->in);
	ctrl_account(c);
	ctrl_work(c);
	if (!c->backlog && c->greeted && !c->gone && !c->closing && c->ops->idle != NULL) {
		c->hub->called = true;
		c->ops->idle(c->arg, c);
	}
}

/* Completes the frame that c->in holds the begin of.  How many of the new bytes that took; all, if it is still incomplete. */
static size_t complete(struct ctrl *c, const char *data, size_t len)
{
	size_t used = 0;

	while (used < len && c->in.len > 0 && !c->gone) {
		size_t size = frame_size(c->in.data, c->in.len), n = size > 0 ? size - c->in.len : 1;

		if (n > len - used)
			n = len - used;
		if (str_append(&c->in, data + used, n) < 0) {
			ctrl_doom(c, strerror(errno), false);
			break;
		}
		used += n;
		str_shift(&c->in, deliver(c, c->in.data, c->in.len));
	}
	return used;
}

static void take(struct ctrl *c, const char *data, size_t len)
{
	size_t used = complete(c, data, len);

	if (c->in.len == 0)
		used += deliver(c, data + used, len - used);
	if (!c->gone && !c->closing && str_append(&c->in, data + used, len - used) < 0)
		ctrl_doom(c, strerror(errno), false);
	delivered(c);
}

void ctrl_io_backlog(struct ctrl *c)
{
	str_shift(&c->in, deliver(c, c->in.data, c->in.len));
	delivered(c);
}

static void take_end(struct ctrl *c)
{
	c->ended = true;
	c->hub->called = true;
	if (c->deaf || c->in.len > 0 || c->ops->ended == NULL || !c->ops->ended(c->arg, c))
		ctrl_doom(c, "end of file", false);
	ctrl_work(c);
}

/* Once: if there is more, the loop says so again after the others had their turn */
static void read_once(struct ctrl *c)
{
	union ctrl_fds_space space;
	struct iovec part = { c->hub->buffer, CTRL_READ_SIZE };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof(space),
	};
	ssize_t n = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const char *why;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			ctrl_doom(c, strerror(errno), false);
		return;
	}
	why = ctrl_fds_receive(c, &message);
	if (why != NULL) {
		ctrl_doom(c, why, true);
		return;
	}
	c->progress = loop_now(c->hub->loop);
	if (n == 0)
		take_end(c);
	else
		take(c, c->hub->buffer, (size_t)n);
}

void ctrl_io_ready(void *arg, unsigned events)
{
	struct ctrl *c = arg;

	if (events & LOOP_WRITE) {
		c->stuck = false;
		ctrl_work(c);
	}
	if (c->gone || c->closing)
		return;
	if (c->ended && (events & LOOP_HANGUP))
		ctrl_doom(c, "end of file", false);
	else if ((events & (LOOP_READ | LOOP_HANGUP)) && ctrl_may_read(c))
		read_once(c);
}

/* The peer takes no more.  Its last answers may still wait to be read, and they count. */
static void stop_sending(struct ctrl *c, int error)
{
	c->deaf = true;
	str_free(&c->out);
	c->out_done = 0;
	ctrl_fds_close_outgoing(c);
	ctrl_work(c);
	if (c->ended || (error != EPIPE && error != ECONNRESET))
		ctrl_doom(c, strerror(error), false);
}

static void sent(struct ctrl *c, size_t n, bool attached)
{
	c->progress = loop_now(c->hub->loop);
	c->sent += n;
	c->out_done += n;
	if (c->passing_count > 0)
		ctrl_fds_sent(c, attached);
	if (c->out_done < c->out.len) {
		c->stuck = true;
		if (c->out_done < c->out.len / 2)
			return;
	}
	str_shift(&c->out, c->out_done);
	c->out_done = 0;
	drop_empty(&c->out);
}

void ctrl_io_flush(struct ctrl *c)
{
	union ctrl_fds_space space;
	struct iovec part = { c->out.data + c->out_done, c->out.len - c->out_done };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	bool attached = false;
	ssize_t n;

	if (part.iov_len == 0 || c->stuck || c->deaf)
		return;
	if (c->passing_count > 0) {
		memset(&space, 0, sizeof(space));
		message.msg_control = &space;
		attached = ctrl_fds_attach(c, &message) > 0;
	}
	do
		n = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		sent(c, (size_t)n, attached);
	else if (errno == EAGAIN)
		c->stuck = true;
	else
		stop_sending(c, errno);
	ctrl_account(c);
}
