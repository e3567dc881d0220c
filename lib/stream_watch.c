/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stream in the loop: what it waits for, and when it needs a turn without an event. */
#include "stream_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void on_event(void *arg, unsigned events)
{
	struct stream *stream = arg;

	/* whatever TLS waits for may be what it needs to read on */
	stream_io_turn(stream, (events & (LOOP_READ | LOOP_HANGUP)) != 0 || stream->phase == STREAM_SECURE);
}

static void on_wake(void *arg)
{
	stream_io_turn(arg, false);
}

void stream_watch_wake(struct stream *stream)
{
	/* within a turn settle looks whether another one is needed */
	if (!stream->busy && !stream->over && loop_timer_set(stream->loop, &stream->wake, loop_now(stream->loop)) < 0)
		stream_io_fail(stream, STREAM_ERROR, strerror(ENOMEM));
}

static int watch_side(struct stream *stream, struct stream_side *side)
{
	if (loop_watch(stream->loop, side->fd, side == &stream->in ? LOOP_READ : LOOP_WRITE, on_event, stream, &side->watch) == 0)
		return 0;
	side->always = errno == EPERM;		/* epoll's word for files that are always ready */
	return side->always ? 0 : -1;
}

int stream_watch_start(struct stream *stream)
{
	loop_timer_init(&stream->wake, on_wake, stream);
	if (watch_side(stream, &stream->in) < 0)
		return -1;
	if (stream->in.fd == stream->out.fd)
		stream->out.always = stream->in.always;
	else if (watch_side(stream, &stream->out) < 0)
		return -1;
	stream_watch_settle(stream);
	return stream->failed ? -1 : 0;
}

/* Another turn is due without an event. */
static bool owes_turn(const struct stream *stream, bool read, bool write)
{
	return (read && (stream->in.always || stream->read_on)) || (write && stream->out.always) ||
		(stream->offer && !stream->paused && !stream->finishing && stream->taken < stream->input.len) || stream->failed || stream->drained ||
		(stream->eof && !stream->eof_told && !stream->paused) || (stream->finishing && stream_waiting(stream) == 0 && !stream->blocked) ||
		(stream->phase == STREAM_SWITCHING && stream->plain_left == 0) || stream->out_error != 0;
}

static int change(struct stream *stream, bool read, bool write)
{
	const bool one = stream->in.fd == stream->out.fd;
	unsigned events = (read ? LOOP_READ : 0) | (one && write ? LOOP_WRITE : 0);

	if (stream->in.watch != NULL && loop_change(stream->in.watch, events) < 0)
		return -1;
	return !one && stream->out.watch != NULL ? loop_change(stream->out.watch, write ? LOOP_WRITE : 0) : 0;
}

void stream_watch_settle(struct stream *stream)
{
	const bool tls = stream->phase == STREAM_SECURE || stream->phase == STREAM_HANDSHAKE;
	const bool ended = stream->over || stream->failed;
	bool read = stream_io_may_read(stream), write = stream->blocked || stream_io_sendable(stream) > 0;

	if (tls && stream->phase == STREAM_HANDSHAKE) {
		read = !stream->tls_wants_write;
		write = stream->tls_wants_write;
	} else if (tls && stream->tls_wants_write) {
		write = true;
	}
	if (change(stream, read && !ended, write && !ended) < 0)
		stream_io_fail(stream, STREAM_ERROR, strerror(errno));
	if (!stream->over && owes_turn(stream, read && !ended, write && !ended))
		stream_watch_wake(stream);
}

static void close_side(struct stream_side *side)
{
	int flags;

	loop_unwatch(side->watch);
	side->watch = NULL;
	if (side->fd < 0)
		return;
	if (side->was_blocking && (flags = fcntl(side->fd, F_GETFL)) >= 0)
		(void)fcntl(side->fd, F_SETFL, flags & ~O_NONBLOCK);
	close(side->fd);
	side->fd = -1;
}

void stream_watch_close(struct stream *stream)
{
	const bool one = stream->in.fd == stream->out.fd;

	loop_timer_clear(stream->loop, &stream->wake);
	close_side(&stream->in);
	if (one)
		stream->out.fd = -1;
	close_side(&stream->out);
}
