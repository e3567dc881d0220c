/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stream_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX 16384
#define OUTPUT_MAX 65536
#define TEXT_MAX TLS_ERROR_MAX

static int set_nonblocking(struct stream_side *side)
{
	int flags = fcntl(side->fd, F_GETFL);

	if (flags < 0)
		return -1;
	if (flags & O_NONBLOCK)
		return 0;
	side->was_blocking = true;
	return fcntl(side->fd, F_SETFL, flags | O_NONBLOCK);
}

struct stream *stream_new(struct loop *loop, int in, int out, const struct stream_handler *handler, void *arg, const struct stream_limits *limits)
{
	static const struct stream_limits usual;
	struct stream *stream = calloc(1, sizeof(*stream));
	int saved;

	if (stream == NULL) {
		close(in);
		if (out != in)
			close(out);
		errno = ENOMEM;
		return NULL;
	}
	if (limits == NULL)
		limits = &usual;
	stream->loop = loop;
	stream->handler = handler;
	stream->arg = arg;
	stream->input_max = limits->input_max > 0 ? limits->input_max : INPUT_MAX;
	stream->output_max = limits->output_max > 0 ? limits->output_max : OUTPUT_MAX;
	stream->output_low = limits->output_low > 0 ? limits->output_low : stream->output_max / 4;
	stream->in.fd = in;
	stream->out.fd = out;
	stream->input = (struct str)STR_INIT(stream->input_max);
	stream->output = (struct str)STR_INIT(stream->output_max);
	stream->text = (struct str)STR_INIT(TEXT_MAX);
	stream->progress = loop_now(loop);
	if (set_nonblocking(&stream->in) == 0 && (in == out || set_nonblocking(&stream->out) == 0) && stream_watch_start(stream) == 0)
		return stream;
	saved = errno;
	stream_watch_close(stream);
	stream_io_destroy(stream);
	errno = saved;
	return NULL;
}

void stream_free(struct stream *stream)
{
	if (stream == NULL || stream->dead)
		return;
	stream_watch_close(stream);
	if (stream->busy)
		stream->dead = true;	/* its turn is not over yet */
	else
		stream_io_destroy(stream);
}

/* Input */

struct span stream_input(const struct stream *stream)
{
	return span_skip(str_span(&stream->input), stream->taken);
}

void stream_take(struct stream *stream, size_t len)
{
	size_t waiting = stream->input.len - stream->taken;
	bool full = waiting == stream->input_max;

	stream->taken += len < waiting ? len : waiting;
	/* a full buffer had stopped the reading, perhaps with bytes inside of TLS that no event will tell of */
	if (full && len > 0) {
		stream->read_on = true;
		stream_watch_wake(stream);
	}
}

int stream_line(struct stream *stream, struct span *line)
{
	struct span input = stream_input(stream);
	const char *end = input.len > 0 ? memchr(input.data, '\n', input.len) : NULL;

	if (end != NULL) {
		*line = (struct span){ input.data, (size_t)(end - input.data) + 1 };
		stream_take(stream, line->len);
		return 1;
	}
	if (input.len < stream->input_max)
		return 0;
	errno = EMSGSIZE;
	return -1;
}

void stream_pause(struct stream *stream, bool pause)
{
	bool on = stream->paused && !pause;

	stream->paused = pause;
	if (on) {
		stream->offer = stream->read_on = true;
		stream_watch_wake(stream);
	}
}

/* Output */

size_t stream_waiting(const struct stream *stream)
{
	return stream->output.len - stream->sent;
}

size_t stream_room(const struct stream *stream)
{
	if (stream->failed || stream->over || stream->finishing || stream->out_error != 0)
		return 0;
	return stream->output_max - stream_waiting(stream);
}

/* Makes sure that all the room there is lies at the end. */
static int open_output(struct stream *stream, size_t len)
{
	if (stream->failed || stream->over || stream->finishing || stream->out_error != 0) {
		errno = EPIPE;
		return -1;
	}
	if (stream->sent > 0 && (stream->sent == stream->output.len || len > stream->output_max - stream->output.len)) {
		str_shift(&stream->output, stream->sent);
		stream->sent = 0;
	}
	return 0;
}

int stream_write(struct stream *stream, const void *data, size_t len)
{
	return open_output(stream, len) < 0 ? -1 : str_append(&stream->output, data, len);
}

int stream_add(struct stream *stream, const char *text)
{
	return stream_write(stream, text, strlen(text));
}

int stream_printf(struct stream *stream, const char *format, ...)
{
	va_list args;
	int result = open_output(stream, stream->output_max);	/* the length is not known: take all there is */

	va_start(args, format);
	if (result == 0)
		result = str_vprintf(&stream->output, format, args);
	va_end(args);
	return result;
}

void stream_flush(struct stream *stream)
{
	if (stream->over)
		return;
	stream_io_flush(stream);
	if (stream->busy)
		return;
	if (stream->drained || stream->failed || stream->out_error != 0)
		stream_watch_wake(stream);
	stream_watch_settle(stream);
}

void stream_secret(struct stream *stream, bool secret)
{
	stream->secret = secret;
	/* what is in the buffers now stays what it is until they are given back */
	stream->input.secret = stream->input.secret || secret;
	stream->output.secret = stream->output.secret || secret;
}

void stream_finish(struct stream *stream)
{
	if (stream->over || stream->finishing)
		return;
	stream->finishing = true;
	stream_watch_wake(stream);
}

/* TLS */

int stream_secure(struct stream *stream, struct tls *tls)
{
	int wrong = 0;

	if (stream->failed || stream->over || stream->finishing || stream->eof || stream->out_error != 0)
		wrong = EPIPE;
	else if (stream->phase != STREAM_PLAIN)
		wrong = EALREADY;
	else if (stream->taken < stream->input.len)
		wrong = EPROTO;
	else if (tls_attach(tls, stream->in.fd, stream->out.fd) < 0)
		wrong = ENOMEM;
	if (wrong != 0) {
		tls_free(tls);
		errno = wrong;
		return -1;
	}
	stream->tls = tls;
	stream->phase = STREAM_SWITCHING;
	stream->plain_left = stream_waiting(stream);
	stream_watch_wake(stream);
	return 0;
}

const struct tls *stream_tls(const struct stream *stream)
{
	return stream->phase == STREAM_SECURE ? stream->tls : NULL;
}

uint64_t stream_progress(const struct stream *stream)
{
	return stream->progress;
}

/* tcp_info as far as its bytes_acked, which not every libc knows; the kernel fills in what it is given room for.  What is no TCP has none. */
struct acknowledged {
	unsigned char others[120];
	uint64_t bytes;
};

void stream_look(struct stream *stream)
{
	struct acknowledged now;
	socklen_t size = sizeof now;

	if (getsockopt(stream->out.fd, IPPROTO_TCP, TCP_INFO, &now, &size) < 0 || size < sizeof now || now.bytes <= stream->acknowledged)
		return;
	stream->acknowledged = now.bytes;
	stream->progress = loop_now(stream->loop);
}

int stream_fd(const struct stream *stream)
{
	return stream->in.fd;
}
