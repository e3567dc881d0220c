/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages on their way to queue.ctrl (deaddrop-control(7)), for a program with a loop.
 *
 * The protocol is sequential on a connection.  So a message is collected, and if it stays small (HANDOVER_SMALL) it goes out in one piece on a connection
 * that all share; a larger one gets a connection of its own and streams, as fast as queue takes it.
 *
 * A queue that is away is waited for.  After a connection that broke behind an E, queue is asked by the key what became of the message; a small one is sent again
 * where it was not stored.  So done says K only for what is on stable storage, and one message never becomes two.
 */
#ifndef DEADDROP_SMTPD_HANDOVER_H
#define DEADDROP_SMTPD_HANDOVER_H

#include "ctrl.h"
#include "log.h"

#define HANDOVER_SMALL (64U * 1024)
#define HANDOVER_STREAMS 64U		/* large messages at once; more wait */

struct handover;
struct handover_mail;

struct handover_setup {
	struct loop *loop;
	struct ctrl_hub *hub;
	struct log *log;
	const char *path;		/* of queue.ctrl; kept */
	uint64_t wait;			/* microseconds for a queue that is away */
	uint64_t buffer;		/* bytes of all messages in memory */
};

struct handover_ops {
	/* Once: K with the id, Z or X with a reason.  The mail is gone then.  It may come before handover_end; never from within a call. */
	void (*done)(void *arg, char verdict, struct span text);
	void (*room)(void *arg);	/* handover_full is over */
};

struct handover *handover_new(const struct handover_setup *setup);
void handover_free(struct handover *h);			/* without callbacks */
size_t handover_count(const struct handover *h);	/* mails that are under way */

/* NULL: ENOBUFS (the buffer's limit), ENOMEM, or no random numbers. */
struct handover_mail *handover_begin(struct handover *h, const struct handover_ops *ops, void *arg);
/* The frames S, A, R and r, in any number; then the body; then the end.  0, or -1 (ENOBUFS, ENOMEM): cancel it and say later. */
int handover_put(struct handover_mail *mail, char type, struct span value);
int handover_body(struct handover_mail *mail, struct span bytes);
bool handover_full(struct handover_mail *mail);	/* give it nothing more until room() */
void handover_end(struct handover_mail *mail);
/* Before the end: it is forgotten.  After it: it goes on its way, but nobody is told. */
void handover_leave(struct handover_mail *mail);

#endif
