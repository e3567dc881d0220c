/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream's engine.  A turn (stream_io_turn) follows an event or a wake-up: handshake, read, offer, write, tell.  It alone calls back, so that no
 * callback is nested in a call of the user's, and it looks after each one whether the stream was freed in it.
 */
#include "stream_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 8		/* of one turn: then others have theirs */

void stream_io_fail(struct stream *stream, enum stream_end why, const char *text)
{
	if (stream->failed)
		return;
	stream->failed = true;
	stream->why = why;
	(void)str_set(&stream->text, span_of(text));
}

/* One descriptor's worth of bytes */

/* TLS_OK with what came, or why nothing did; a failed plain read is TLS_FAILED with errno. */
static enum tls_result read_some(struct stream *stream, void *data, size_t size, size_t *len)
{
	ssize_t n;

	if (stream->phase == STREAM_SECURE)
		return tls_read(stream->tls, data, size, len);
	do
		n = read(stream->in.fd, data, size);
	while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return TLS_OK;
	if (n == 0)
		return TLS_CLOSED;
	return errno == EAGAIN || errno == EWOULDBLOCK ? TLS_WANT_READ : TLS_FAILED;
}

static enum tls_result write_some(struct stream *stream, const void *data, size_t size, size_t *len)
{
	ssize_t n;

	if (stream->phase == STREAM_SECURE)
		return tls_write(stream->tls, data, size, len);
	do
		n = write(stream->out.fd, data, size);
	while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return TLS_OK;
	return errno == EAGAIN || errno == EWOULDBLOCK ? TLS_WANT_WRITE : TLS_FAILED;
}

static const char *why_failed(const struct stream *stream, int saved)
{
	return stream->phase == STREAM_SECURE ? tls_error(stream->tls) : strerror(saved);
}

/* Writing */

/* What may go out now. */
size_t stream_io_sendable(const struct stream *stream)
{
	if (stream->failed || stream->over || stream->out_error != 0 || stream->phase == STREAM_HANDSHAKE)
		return 0;
	return stream->phase == STREAM_SWITCHING ? stream->plain_left : stream_waiting(stream);
}

void stream_io_flush(struct stream *stream)
{
	size_t want;

	while ((want = stream_io_sendable(stream)) > 0) {
		size_t n = 0;
		enum tls_result result = write_some(stream, stream->output.data + stream->sent, want, &n);

		stream->blocked = result == TLS_WANT_READ || result == TLS_WANT_WRITE;
		if (result == TLS_OK) {
			stream->sent += n;
			stream->plain_left -= stream->phase == STREAM_SWITCHING ? n : 0;
			stream->progress = loop_now(stream->loop);
			stream->drained = stream->handler->drained != NULL && stream_waiting(stream) <= stream->output_low;
			/* the rest of a plain short write would come to nothing now */
			stream->blocked = n < want && stream->phase != STREAM_SECURE;
		} else if (!stream->blocked) {
			stream->out_error = errno != 0 ? errno : EPIPE;
			(void)str_set(&stream->text, span_of(why_failed(stream, stream->out_error)));
			stream->sent = stream->output.len;
			stream->plain_left = 0;
		}
		if (stream->blocked)
			return;
	}
	stream->blocked = false;
}

static void put_out(struct stream *stream)
{
	for (int round = 0; round < ROUNDS; round++) {
		stream_io_flush(stream);
		if (!stream->drained)
			return;
		stream->drained = false;
		if (stream->finishing || stream->failed || stream->out_error != 0 || stream->phase == STREAM_SWITCHING)
			return;
		stream->handler->drained(stream->arg);
		if (stream->dead)
			return;
	}
}

/* Reading */

bool stream_io_may_read(const struct stream *stream)
{
	return !stream->eof && !stream->paused && !stream->finishing && !stream->failed &&
		(stream->phase == STREAM_PLAIN || stream->phase == STREAM_SECURE) && stream->input.len - stream->taken < stream->input_max;
}

/* True where something came. */
static bool read_once(struct stream *stream)
{
	enum tls_result result;
	size_t n = 0;

	if (stream->taken > 0) {
		str_shift(&stream->input, stream->taken);
		stream->taken = 0;
	}
	if (str_reserve(&stream->input, stream->input_max - stream->input.len) < 0) {
		stream_io_fail(stream, STREAM_ERROR, strerror(errno));
		return false;
	}
	result = read_some(stream, stream->input.data + stream->input.len, stream->input_max - stream->input.len, &n);
	stream->tls_wants_write = stream->phase == STREAM_SECURE && result == TLS_WANT_WRITE;
	if (result == TLS_OK) {
		stream->input.len += n;
		stream->input.data[stream->input.len] = '\0';
		stream->progress = loop_now(stream->loop);
		stream->offer = true;
		return true;
	}
	if (result == TLS_CLOSED)
		stream->eof = true;
	else if (result == TLS_FAILED)
		stream_io_fail(stream, STREAM_ERROR, why_failed(stream, errno));
	return false;
}

static void offer_input(struct stream *stream)
{
	if (!stream->offer || stream->paused || stream->finishing || stream->phase == STREAM_SWITCHING || stream->phase == STREAM_HANDSHAKE)
		return;
	stream->offer = false;
	if (stream->taken < stream->input.len)
		stream->handler->input(stream->arg);
}

/* Plain: one read, for the loop tells if there is more.  TLS: until its own buffer is empty, for that nobody tells. */
static void take_in(struct stream *stream, bool readable)
{
	offer_input(stream);
	for (int round = 0; round < ROUNDS && !stream->dead && readable && stream_io_may_read(stream); round++) {
		bool some = read_once(stream);

		if (some)
			offer_input(stream);
		if (stream->dead || !some || stream->phase != STREAM_SECURE || !tls_pending(stream->tls))
			return;
		stream->read_on = round == ROUNDS - 1;
	}
}

/* TLS */

static void shake(struct stream *stream)
{
	enum tls_result result;

	if (stream->phase == STREAM_SWITCHING && stream->plain_left == 0 && stream->out_error == 0)
		stream->phase = STREAM_HANDSHAKE;
	if (stream->phase != STREAM_HANDSHAKE || stream->failed || stream->finishing)
		return;
	result = tls_handshake(stream->tls);
	stream->tls_wants_write = result == TLS_WANT_WRITE;
	if (result == TLS_FAILED) {
		stream_io_fail(stream, STREAM_TLS, tls_error(stream->tls));
	} else if (result == TLS_OK) {
		stream->phase = STREAM_SECURE;
		stream->progress = loop_now(stream->loop);
		stream->read_on = true;		/* the first records may have come with the handshake's last */
		if (stream->handler->secured != NULL)
			stream->handler->secured(stream->arg);
	}
}

/* The end */

/* What a peer sent that nobody will read makes close() send a reset, which can overtake the last reply. */
static void discard(const struct stream *stream)
{
	char waste[4096];

	(void)shutdown(stream->out.fd, SHUT_WR);
	for (int i = 0; i < 16 && !stream->eof; i++)
		if (read(stream->in.fd, waste, sizeof(waste)) <= 0)
			break;
	if (stream->input.secret)
		explicit_bzero(waste, sizeof(waste));
}

static void finish(struct stream *stream)
{
	if (!stream->finishing || stream->failed || stream_waiting(stream) > 0)
		return;
	if (stream->phase == STREAM_SECURE && tls_close(stream->tls) == TLS_WANT_WRITE) {
		stream->tls_wants_write = stream->blocked = true;
		return;
	}
	discard(stream);
	stream_io_fail(stream, STREAM_DONE, "");
}

/* The peer may have said why before it closed: read that, then tell. */
static void write_failed(struct stream *stream)
{
	for (int round = 0; round < ROUNDS && stream_io_may_read(stream); round++) {
		if (!read_once(stream))
			break;
		offer_input(stream);
		if (stream->dead)
			return;
	}
	if (!stream->failed) {
		stream->failed = true;
		stream->why = STREAM_ERROR;	/* text was set when it happened */
	}
}

static void tell(struct stream *stream)
{
	if (stream->eof && !stream->eof_told && !stream->failed && !stream->finishing && !stream->paused) {
		stream->eof_told = true;
		stream->handler->closed(stream->arg, STREAM_EOF, "the other side closed the connection");
	}
	if (!stream->dead && stream->failed && !stream->over) {
		stream->over = true;
		stream->handler->closed(stream->arg, stream->why, stream->text.data);
	}
}

static void give_back(const struct stream *stream, struct str *buffer, size_t *used)
{
	if (buffer->len > *used)
		return;
	str_free(buffer);
	buffer->secret = stream->secret;
	*used = 0;
}

void stream_io_turn(struct stream *stream, bool readable)
{
	if (stream->over)
		return;
	stream->busy = true;
	readable = readable || stream->read_on || stream->in.always;
	stream->read_on = false;
	stream_io_flush(stream);
	shake(stream);
	if (!stream->dead)
		take_in(stream, readable || stream->read_on);
	if (!stream->dead)
		put_out(stream);
	if (!stream->dead)
		shake(stream);		/* the reply to STARTTLS may have gone out just now */
	/* what was written in the meantime (also from secured) */
	if (!stream->dead)
		stream_io_flush(stream);
	if (!stream->dead && stream->out_error != 0)
		write_failed(stream);
	if (!stream->dead)
		finish(stream);
	if (!stream->dead)
		tell(stream);
	if (!stream->dead)
		stream_io_flush(stream);	/* a last word after the peer's end */
	stream->busy = false;
	if (stream->dead) {
		stream_io_destroy(stream);
		return;
	}
	give_back(stream, &stream->input, &stream->taken);
	give_back(stream, &stream->output, &stream->sent);
	stream_watch_settle(stream);
}

void stream_io_destroy(struct stream *stream)
{
	tls_free(stream->tls);
	str_free(&stream->input);
	str_free(&stream->output);
	str_free(&stream->text);
	free(stream);
}
