/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of ctrl share; nobody else includes it.
 *
 * A connection's life: open; then either `closing` (ctrl_close: its output is flushed once more) or `gone` (end of file, error,
 * broken protocol), which both end in the hub's turn hook: closed() is called, the memory freed.  Nothing is freed anywhere
 * else, so that any callback may end any connection.  Whatever happens to a connection puts it on the hub's work list; the hook flushes, tells
 * and sets what to wait for, once a turn.
 */
#ifndef DEADDROP_CTRL_INTERNAL_H
#define DEADDROP_CTRL_INTERNAL_H

#include <sys/socket.h>

#include "ctrl.h"

#define CTRL_READ_SIZE (256U * 1024)
#define CTRL_STAGE_MAX 32
#define CTRL_WHY_MAX 160
#define CTRL_KEEP 4096U				/* an empty buffer up to this capacity is kept for the next turn */
#define CTRL_STALL (10 * UINT64_C(1000000))

struct ctrl_passing {				/* a descriptor on its way out */
	int fd;					/* -1: sent; the entry stays until its frame's end was sent too */
	uint64_t end;				/* where its frame ends, in bytes since the connection began */
};

struct ctrl {
	struct ctrl_hub *hub;
	struct ctrl_listener *listener;		/* NULL: made by ctrl_new */
	struct ctrl_user *user;			/* whose share it counts to; NULL: nobody's */
	struct ctrl *next, **link;		/* all of the hub */
	struct ctrl *next_work;
	const struct ctrl_ops *ops;
	void *arg;
	struct loop_watch *watch;
	int fd;
	struct ctrl_peer peer;
	struct str in;				/* an incomplete frame, or with backlog: any number of frames */
	struct str out;
	size_t out_done;			/* bytes of out that were sent */
	uint64_t sent;				/* bytes sent since the connection began */
	struct ctrl_passing *passing;		/* CTRL_FDS_MAX, allocated at first use */
	size_t passing_count;
	int *received;				/* the same for descriptors that came */
	size_t received_count;
	size_t counted;				/* its share of the hub's buffered */
	uint64_t progress;			/* when bytes last moved, either way */
	bool in_work, finished;
	bool backlog;				/* `in` holds frames whose delivery was stopped */
	bool greeted;				/* the peer's hello was right */
	bool paused, closing, gone, broken;
	bool ended;				/* the peer sends no more */
	bool deaf;				/* the peer takes no more; what it sent before is still read */
	bool stuck;				/* the peer's buffer is full: wait for room */
	bool full;				/* writable() is owed */
	bool silent;				/* refused by accepted(): no closed() */
	char stage[CTRL_STAGE_MAX + 1];
	char why[CTRL_WHY_MAX];
};

struct ctrl_hub {
	struct loop *loop;
	struct ctrl *all;
	struct ctrl *work, **work_end;
	struct ctrl_listener *listeners;
	struct str hello;			/* our first frame */
	char *buffer;				/* CTRL_READ_SIZE */
	size_t buffered, cap;			/* of a user's connections no more than the share is counted */
	size_t share;				/* 0: there are none */
	struct ctrl_user *users;
	bool capped;				/* from reaching the cap until three quarters of it */
	bool flipped;				/* capped changed, or a user's: all must be told */
	bool called;				/* a callback ran in the hook: its stage's own hooks must run before the wait */
	struct loop_timer stall;
};

/* ctrl.c */
struct ctrl *ctrl_open(struct ctrl_hub *hub, int fd, const struct ctrl_ops *ops, void *arg);	/* fd is non-blocking already */
void ctrl_work(struct ctrl *c);
void ctrl_doom(struct ctrl *c, const char *why, bool broken);
bool ctrl_blocked(const struct ctrl *c);	/* no frames may be delivered now */
bool ctrl_may_read(const struct ctrl *c);

/* ctrl_share.c */
void ctrl_account(struct ctrl *c);		/* after its buffers changed */
bool ctrl_share_capped(const struct ctrl *c);	/* the hub, or its user */
bool ctrl_share_any_capped(const struct ctrl_hub *hub);
int ctrl_share_join(struct ctrl *c);		/* one that was accepted; 0 or -1 ENOMEM */
void ctrl_share_leave(struct ctrl *c);		/* it holds nothing any more */

/* ctrl_io.c */
void ctrl_io_ready(void *arg, unsigned events);
void ctrl_io_backlog(struct ctrl *c);
void ctrl_io_flush(struct ctrl *c);

/* ctrl_fds.c */
int ctrl_fds_add(struct ctrl *c, int fd);
size_t ctrl_fds_attach(struct ctrl *c, struct msghdr *message);
void ctrl_fds_sent(struct ctrl *c, bool attached);
const char *ctrl_fds_receive(struct ctrl *c, struct msghdr *message);
void ctrl_fds_close(struct ctrl *c);
void ctrl_fds_close_outgoing(struct ctrl *c);

union ctrl_fds_space {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int) * CTRL_FDS_MAX)];
};

/* ctrl_listen.c */
void ctrl_listen_gone(struct ctrl_listener *l);	/* one of its connections was freed */
void ctrl_listen_free(struct ctrl_listener *l);

#endif
