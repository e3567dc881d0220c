/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control sockets (deaddrop-control(7)): UNIX stream sockets that carry frames.
 *
 * A hub holds all control connections of a stage: one cap on their buffers, one read buffer, one flush a turn (whatever a
 * turn's callbacks sent to a peer leaves in one sendmsg).  A connection keeps memory of its own only for an incomplete
 * frame and for output that the peer does not take.  Reading from a connection stops while its output is over
 * CTRL_OUT_PAUSE, or the hub's cap is reached, or it is paused.  At the cap, connections whose bytes did not move for 10 s are
 * dropped, so that those who do not read cannot hold the others for ever.
 *
 * Any callback may send on, pause and close any connection, its own included.  A connection's memory stays until its closed()
 * returned, which the hub calls at a turn's end and nowhere else, exactly once.
 */
#ifndef DEADDROP_CTRL_H
#define DEADDROP_CTRL_H

#include <sys/types.h>

#include "frame.h"
#include "loop.h"

#define CTRL_OUT_PAUSE (256U * 1024)	/* bytes of output that stop the reading */
#define CTRL_OUT_MAX (16U * 1024 * 1024)	/* a connection with more output than this is given up */
#define CTRL_FDS_MAX 64			/* descriptors that may wait on a connection, either way */
#define CTRL_VERSION 1

struct ctrl_hub;
struct ctrl;				/* one connection */

struct ctrl_peer {			/* from SO_PEERCRED */
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

struct ctrl_ops {
	/* A frame other than the peer's hello, which ctrl checks itself; none comes after ctrl_close, nor while c is paused.
	 * The value lives until the return.  Non-NULL: why the peer broke the protocol; the connection is closed, when what was
	 * sent has been flushed, and closed() is called with that text. */
	const char *(*frame)(void *arg, struct ctrl *c, struct frame frame);
	/* The connection is gone; c is freed after the return.  why is "end of file", a strerror text or frame's text.
	 * Also called after ctrl_close's flush.  broken is true where the peer broke the protocol. */
	void (*closed)(void *arg, struct ctrl *c, const char *why, bool broken);
	/* May be NULL.  The output fell below CTRL_OUT_PAUSE after having been above it, or ctrl_send_fd, which said EAGAIN,
	 * can be used again. */
	void (*writable)(void *arg, struct ctrl *c);
	/* May be NULL.  All frames that one read brought have been delivered. */
	void (*idle)(void *arg, struct ctrl *c);
	/* May be NULL.  The peer sends no more, but may still read (shutdown(2)).  True: keep the connection until ctrl_close
	 * or until the peer closes it; false, or no such function: closed() with "end of file". */
	bool (*ended)(void *arg, struct ctrl *c);
	bool refuse_fds;	/* no frame of this protocol brings a descriptor: a peer that sends one is dropped */
};

struct ctrl_hub *ctrl_hub_new(struct loop *loop, const char *stage, size_t buffer_cap);
/* Before the first connection: what those connections that one user other than root made to us hold counts against the cap up to so many
 * bytes, and beyond them only they are treated as at the cap. */
void ctrl_hub_share(struct ctrl_hub *hub, size_t bytes);
void ctrl_hub_free(struct ctrl_hub *hub);                       /* closes what is still open, without callbacks */
size_t ctrl_hub_buffered(const struct ctrl_hub *hub);

/* Takes over a connected descriptor, makes it non-blocking, sends the hello.  arg goes to the callbacks.
 * NULL with errno: fd is still the caller's. */
struct ctrl *ctrl_new(struct ctrl_hub *hub, int fd, const struct ctrl_ops *ops, void *arg);
/* 0, or -1: EMSGSIZE, the frame is too long, all else is as it was; EPIPE, the connection ends or the peer takes no more;
 * ENOBUFS, ENOMEM: the frame could not be kept, so the connection ends.  In the last three cases closed() comes by itself. */
int ctrl_send(struct ctrl *c, char type, struct span value);
int ctrl_printf(struct ctrl *c, char type, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Sends a frame and with it a duplicate-free pass of fd: on success c owns fd and closes it when it has been sent.
 * -1 with EAGAIN: CTRL_FDS_MAX are on their way; again after writable(). */
int ctrl_send_fd(struct ctrl *c, char type, struct span value, int fd);
int ctrl_take_fd(struct ctrl *c);                               /* the oldest received descriptor, close-on-exec; -1 if none */
void ctrl_flush(struct ctrl *c);                                /* now, instead of at the end of the turn */
size_t ctrl_unsent(const struct ctrl *c);
/* Stop reading and delivering; frames already read are kept, and delivered when it goes on. */
void ctrl_pause(struct ctrl *c, bool paused);
/* At the turn's end: flush what the peer takes at once, close, closed(). */
void ctrl_close(struct ctrl *c);
struct ctrl_peer ctrl_peer(const struct ctrl *c);
struct span ctrl_peer_stage(const struct ctrl *c);              /* from its hello; empty before */
void *ctrl_arg(const struct ctrl *c);
void ctrl_set_arg(struct ctrl *c, void *arg);

/* Listening.  ctrl_bind takes a lock on PATH.lock (EBUSY: somebody else listens), binds a new name beside the path, listens, sets mode
 * and group (-1: leave) on it and renames it over path.  The lock is held by *lock_fd.  EEXIST: path is something else than a socket. */
int ctrl_bind(const char *path, mode_t mode, uid_t uid, gid_t gid, int *fd, int *lock_fd);

struct ctrl_listener;
/* Called for each connection that was accepted; returns the arg for it, or NULL to refuse it (what was sent to it is flushed, it is closed,
 * closed() is not called). */
typedef void *ctrl_accept_fn(void *arg, struct ctrl_peer peer, struct ctrl *c);
/* Accepts up to 64 a turn, while fewer than max_connections are open on this listener; then waits for one to go.  arg of ops is
 * what accepted() returned.  fd stays the caller's, to be closed after ctrl_listener_close or ctrl_hub_free. */
struct ctrl_listener *ctrl_listen(struct ctrl_hub *hub, int fd, unsigned max_connections, const struct ctrl_ops *ops,
    ctrl_accept_fn *accepted, void *arg);
void ctrl_listener_close(struct ctrl_listener *l);              /* accepts no more; open connections live on */

int ctrl_connect(const char *path);     /* a non-blocking, connected descriptor, or -1 (EAGAIN: backlog full, try later) */

#endif
