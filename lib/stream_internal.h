/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stream's state, shared by stream.c (what users call), stream_io.c (the engine) and stream_watch.c (the loop). */
#ifndef DEADDROP_STREAM_INTERNAL_H
#define DEADDROP_STREAM_INTERNAL_H

#include "stream.h"

enum stream_phase {
	STREAM_PLAIN,
	STREAM_SWITCHING,	/* to TLS, once the plain output is out; nothing is read meanwhile */
	STREAM_HANDSHAKE,
	STREAM_SECURE,
};

struct stream_side {		/* a descriptor in the loop */
	int fd;
	struct loop_watch *watch;
	bool always;		/* a regular file: cannot be waited for and need not be */
	bool was_blocking;	/* set back at the end: others may share it */
};

struct stream {
	struct loop *loop;
	const struct stream_handler *handler;
	void *arg;
	size_t input_max, output_max, output_low;
	struct stream_side in, out;	/* a socket is in both, its watch in in.watch */
	struct str input, output;
	size_t taken, sent;		/* of their first bytes: dealt with, but still there */
	enum stream_phase phase;
	struct tls *tls;
	size_t plain_left;		/* while switching: bytes written before; what is written later must not go out in plain */
	bool tls_wants_write;		/* what the last handshake, read or close of TLS that did not come to an end waits for */
	bool paused, secret, finishing;
	bool eof, eof_told;
	bool failed, over;		/* why and text are known; and told */
	enum stream_end why;
	struct str text;
	int out_error;			/* writing failed; what the peer said before is still to be read */
	bool blocked;			/* the last write was not complete */
	bool offer, read_on, drained;	/* owed: offer the input, try to read, call drained */
	bool busy;			/* within stream_io_turn: all callbacks run there */
	bool dead;			/* freed by one of them */
	struct loop_timer wake;		/* a turn without an event */
	uint64_t progress;
	uint64_t acknowledged;		/* bytes, when the kernel was last asked */
};

/* stream_io.c: moving bytes, calling back */
void stream_io_turn(struct stream *stream, bool readable);
void stream_io_flush(struct stream *stream);
bool stream_io_may_read(const struct stream *stream);
size_t stream_io_sendable(const struct stream *stream);		/* bytes that may go out now */
void stream_io_fail(struct stream *stream, enum stream_end why, const char *text);
void stream_io_destroy(struct stream *stream);

/* stream_watch.c: the loop */
int stream_watch_start(struct stream *stream);		/* 0, or -1 with errno */
void stream_watch_settle(struct stream *stream);	/* wait for what there is to wait for */
void stream_watch_wake(struct stream *stream);		/* have a turn soon; within one it is had anyway */
void stream_watch_close(struct stream *stream);		/* out of the loop, and closed */

#endif
