/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A buffered stream of bytes over non-blocking descriptors, plain or with TLS, in the loop.  Both buffers are bounded: a full input buffer stops
 * reading until something is taken, a full output buffer refuses.
 *
 * Callbacks run from the loop only, never from within a call of the user's; any of them may free the stream.  Deadlines are the user's: a loop timer that looks at
 * stream_progress.
 */
#ifndef DEADDROP_STREAM_H
#define DEADDROP_STREAM_H

#include <sys/socket.h>

#include "loop.h"
#include "str.h"
#include "tls.h"

struct stream;

enum stream_end {
	STREAM_EOF,		/* the peer will send no more.  Once; all input was offered before.  Writing may go on, stream_finish says when it is out */
	STREAM_DONE,		/* after stream_finish: all was sent */
	STREAM_ERROR,		/* a descriptor failed, or TLS within the conversation: text says why */
	STREAM_TLS,		/* the handshake or the verification failed: text says with whom and why */
};				/* nothing is called after the last three, nor after EOF once finished */

struct stream_handler {		/* const, static; any may be NULL but input and closed */
	void (*input)(void *arg);	/* the input has grown: take what is complete.  What is left is offered again with the next bytes */
	void (*drained)(void *arg);	/* something was sent and at most output_low bytes wait: write on */
	void (*secured)(void *arg);	/* TLS stands and the peer is verified */
	void (*closed)(void *arg, enum stream_end why, const char *text);
};

struct stream_limits {
	size_t input_max;	/* bytes kept; also the longest line.  0: 16384 */
	size_t output_max;	/* 0: 65536.  stream_write beyond it: -1 EMSGSIZE */
	size_t output_low;	/* 0: a quarter of output_max */
};

/*
 * in and out are the same for a socket, two for pipes.  The stream owns them from now on (on failure too) and closes them; they are made non-blocking.
 * A regular file or /dev/null may be one of them (by-hand runs).  Buffers are allocated when they are used and given back when empty and the stream is idle.  NULL with errno.
 */
struct stream *stream_new(struct loop *loop, int in, int out, const struct stream_handler *handler, void *arg, const struct stream_limits *limits);
void stream_free(struct stream *stream);	/* at once: what waits is not sent.  NULL is allowed; also from callbacks */

/* Input: views of the buffer, valid until the callback returns (or, outside, until the loop is returned to), also of what was taken. */
struct span stream_input(const struct stream *stream);
void stream_take(struct stream *stream, size_t len);	/* drop the first len bytes: they are dealt with */
/* Takes the next line, with its LF (and the CR before it, if there is one).  1; 0: there is no whole line yet; -1 EMSGSIZE: the buffer is full without one. */
int stream_line(struct stream *stream, struct span *line);
void stream_pause(struct stream *stream, bool pause);	/* stop reading and offering input (a peer is answered first); false: on, and what is buffered is offered */

/* Output.  stream_write only buffers: it goes out when the callback returns that wrote it, all in one write.  Outside a callback of this stream call stream_flush after the last write. */
int stream_write(struct stream *stream, const void *data, size_t len);		/* 0, or -1: EMSGSIZE, ENOMEM, EPIPE (it is closed) with nothing taken */
int stream_add(struct stream *stream, const char *text);
int stream_printf(struct stream *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t stream_room(const struct stream *stream);	/* bytes that stream_write would take */
size_t stream_waiting(const struct stream *stream);	/* bytes not sent yet */
void stream_flush(struct stream *stream);		/* write now what the descriptor takes; failure is told by closed, from the loop */
/* While on, what passes through the buffers is wiped when it has passed: for logins. */
void stream_secret(struct stream *stream, bool secret);
void stream_finish(struct stream *stream);		/* no more input or writes: send what waits, end TLS, then closed(STREAM_DONE) */

/*
 * Switch to TLS: what waits is sent in plain, then the handshake is made, then secured is called.  The session is the stream's from now on (on failure too).
 * -1 EPROTO: plain bytes are buffered behind the command that asked for TLS: somebody injects; drop the connection.  What arrives later is the handshake's and fails there.
 * Call it before any byte for implicit TLS.  Read what is known of the session with stream_tls from secured on; what the protocol learnt before is to be forgotten.
 */
int stream_secure(struct stream *stream, struct tls *tls);
const struct tls *stream_tls(const struct stream *stream);	/* NULL: plain, or the handshake is not done */

uint64_t stream_progress(const struct stream *stream);	/* clock_boot time when bytes last went or came (at first: of stream_new) */
/*
 * Asks the kernel whether the peer has taken more of what it was given: then that is progress, too.  The kernel holds megabytes, which on a slow line go for minutes after the
 * last write.  Worth a call of the system now and then, not at each event.
 */
void stream_look(struct stream *stream);
int stream_fd(const struct stream *stream);		/* the input's, for getpeername and the like */

/*
 * Connecting to one of several addresses (RFC 8305): they are tried in order, families alternating, each STREAM_STAGGER after the last or at once when that has
 * failed; the first that stands wins and the others are closed.
 */
#define STREAM_STAGGER UINT64_C(250000)		/* microseconds */
#define STREAM_ADDRESSES_MAX 16

struct stream_connect;
/* fd is the caller's, non-blocking, TCP_NODELAY, with the address that won; or -1 with text ("192.0.2.1:25: Connection refused; [2001:db8::1]:25: …").  Called once, from the loop;
 * the object is gone then.  There is no limit of time but the kernel's: the user's timer cancels. */
typedef void stream_connect_fn(void *arg, int fd, const struct sockaddr_storage *address, const char *text);
/* Addresses are copied; at most STREAM_ADDRESSES_MAX are used; AF_INET, AF_INET6 and AF_UNIX.  NULL with errno (EINVAL: none). */
struct stream_connect *stream_connect_new(struct loop *loop, const struct sockaddr_storage *addresses, size_t count, stream_connect_fn *fn, void *arg);
void stream_connect_cancel(struct stream_connect *attempt);	/* closes all; fn is not called.  Not after fn was called; NULL is allowed */
/* "192.0.2.1:25", "[2001:db8::1]:25", a socket's path: for logs.  Appends. */
int stream_connect_text(struct str *out, const struct sockaddr_storage *address);

#endif
