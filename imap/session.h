/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session with an IMAP server: one connection from its making to LOGOUT.  It connects, logs in, and then takes items from its owner as long as there are some:
 * appends them, pipelined; looks for those that an earlier attempt may have stored already.  Each state is one function that is given a response.
 */
#ifndef DEADDROP_IMAP_SESSION_H
#define DEADDROP_IMAP_SESSION_H

#include "account.h"
#include "body.h"
#include "log.h"
#include "loop.h"

struct item {				/* a message for an account; the owner's */
	struct item *next;
	struct deliver_job *job;
	struct deliver_job *note;	/* what is stored in its place (pool_note.h), or NULL */
	struct body body;
	struct str mailbox;		/* UTF-8, as configured */
	const char *flags;		/* in place of the account's; NULL: those.  The owner's */
	uint64_t date;			/* the internal date in place of its arrival; 0: that */
	bool dated;			/* its arrival is the internal date, whatever the account says */
	bool unclear;			/* it may be there already: look before it is appended */
	bool found, searched;		/* while it is looked for */
	bool created;			/* its mailbox was made for it */
	bool alone;			/* not with others in one command */
	size_t together;		/* otherwise with at most that many; 0: as many as go */
	unsigned breaks;		/* connections that broke while it was the oldest under way */
};

struct session;

struct session_ops {			/* const, static; from the loop or from session_work */
	bool own_mailbox;		/* all items are for the account's mailbox, with or without its argument */
	/* The next item that waits, or NULL; it stays where it is. */
	struct item *(*peek)(void *arg);
	/* Takes it: it is the session's until settled or given back. */
	void (*take)(void *arg, struct item *item);
	void (*settle)(void *arg, struct item *item, const struct outcome *outcome);
	void (*back)(void *arg, struct item *item);		/* to the head of what waits */
	/* Logged in; once. */
	void (*ready)(void *arg, struct session *session);
	/* The whole account is to be left alone: why.  The session goes on. */
	void (*overload)(void *arg, const struct outcome *why);
	/* May be NULL without session_probe: whether the mailbox is there; text: why that cannot be told, or empty. */
	void (*probed)(void *arg, struct session *session, bool there, const char *text);
	/* The session has ended, all items were given back or settled; it is freed by the session itself.  why: NULL after a LOGOUT of ours or where an idle connection was closed. */
	void (*over)(void *arg, struct session *session, const struct outcome *why, bool login);
};

struct session_host {			/* outlives its sessions */
	struct loop *loop;
	struct log *log;		/* may be NULL */
	struct keeper *keeper;		/* NULL: nothing to be had from it */
	unsigned verbose;		/* 2: a trace of the protocol */
};

/* Begins to connect; what comes of it is told from the loop.  NULL: no memory. */
struct session *session_new(const struct session_host *host, const struct account *account, const struct session_ops *ops, void *arg);
/* The same over a connection that stands already (tests). */
struct session *session_new_over(const struct session_host *host, const struct account *account, const struct session_ops *ops, void *arg, int in, int out);
void session_work(struct session *session);		/* there may be items */
void session_leave(struct session *session);		/* finish what is under way, LOGOUT, over */
void session_abort(struct session *session);		/* at once; items are given back, over is not called */
bool session_is_ready(const struct session *session);
bool session_is_busy(const struct session *session);	/* items are under way */
/* Whether bytes came or went since this was last asked: then the jobs of the items under way are told to be alive. */
bool session_alive(struct session *session);

/* For --check, from ready(): asks whether a mailbox is there. */
void session_probe(struct session *session, const char *mailbox);
/* For --check: what is known of a session that is ready, in lines for people. */
int session_describe(const struct session *session, struct str *out);

#endif
