/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session's state, shared by its files. */
#ifndef DEADDROP_REMOTE_SESSION_INTERNAL_H
#define DEADDROP_REMOTE_SESSION_INTERNAL_H

#include "conceal.h"
#include "dots.h"
#include "session.h"

enum session_state {
	SESSION_GREETING, SESSION_EHLO, SESSION_HELO, SESSION_STARTTLS, SESSION_SECURING, SESSION_IDENTIFYING, SESSION_AUTH, SESSION_CANCEL,
	SESSION_READY, SESSION_MAIL, SESSION_RCPT, SESSION_DATA, SESSION_BODY, SESSION_CHUNK, SESSION_ANSWER, SESSION_RESET, SESSION_QUITTING, SESSION_OVER,
	SESSION_STATES
};

struct session {
	const struct session_settings *settings;
	const struct session_ops *ops;
	void *arg;
	enum session_state state;
	struct reply reply;
	struct offer offer;
	bool secure;			/* TLS stands */
	bool logged_in;
	struct str command;		/* the one that is being made */
	/* login */
	struct sasl_client *sasl;
	const char *mechanism;
	bool clear;			/* the server may see a password */
	bool unbound;			/* it has refused our channel binding */
	struct conceal conceal;		/* what is not to be shown of it */
	bool secret;			/* what passes is not for a trace */
	struct str answer;		/* our next message, in base 64 */
	bool answer_waits;		/* for the server to ask for it */
	struct str reason;		/* why it will fail */
	struct str error;
	/* the transaction */
	struct mail *mail;
	unsigned count;
	bool pipelined;			/* RCPT and DATA are out before MAIL is answered */
	bool chunked;			/* BDAT */
	bool mail_refused;
	size_t due;			/* answers to RCPT that are still to come */
	size_t at;			/* the recipient whose answer comes next */
	struct dots dots;
	struct str body;		/* a piece of it, as it goes on the wire */
	uint64_t offset;		/* of the message, read so far */
	size_t chunks;			/* BDAT commands without an answer */
	bool complete;			/* the end was written: from here on its fate is the server's */
	bool hollow;			/* the end was sent for nobody */
};

void session_set_state(struct session *session, enum session_state state);
/* Writes a command line (without its CRLF); mask: what a trace shows instead, or NULL. */
int session_command(struct session *session, const char *mask, const char *format, ...) __attribute__((format(printf, 3, 4)));
void session_end(struct session *session, enum session_end why, const char *format, ...) __attribute__((format(printf, 3, 4)));
void session_stop(struct session *session, enum session_end why, const char *text);	/* the same without settling a mail */
void session_proceed(struct session *session);	/* greeted, secured, logged in: whatever comes next */
void session_no_memory(struct session *session);
/* "PEER said: 550 5.1.1 No" in session->error. */
const char *session_said(struct session *session);

/* session_login.c */
void session_begin_login(struct session *session);
void session_on_auth(struct session *session);
void session_on_cancel(struct session *session);

/* session_mail.c */
void session_on_mail(struct session *session);
void session_on_rcpt(struct session *session);
void session_on_data(struct session *session);
void session_on_answer(struct session *session);
void session_on_reset(struct session *session);
void session_mail_lost(struct session *session, enum session_end why, const char *text);

/* session_body.c */
void session_begin_body(struct session *session);
void session_on_early(struct session *session);
void session_on_chunk(struct session *session);
void session_pump_body(struct session *session);

/* session_outcome.c */
void session_outcome(struct session *session, struct outcome *outcome, const char *status);	/* of the reply; status where it has none of its own */
bool session_is_full(const struct session *session);	/* the reply says: too many recipients in this transaction */
bool session_is_closing(const struct session *session);	/* 421 */
bool session_wants_login(const struct session *session);	/* the reply is about us, not about the mail */

/* session_envelope.c */
int session_put_mail(struct session *session);
int session_put_rcpt(struct session *session, size_t n);

#endif
