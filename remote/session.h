/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A dialogue with an SMTP or LMTP server, as client (RFC 5321, RFC 2033; STARTTLS RFC 3207, AUTH RFC 4954, PIPELINING RFC 2920, CHUNKING RFC 3030, SIZE RFC 1870, DSN RFC 3461,
 * 8BITMIME RFC 6152, SMTPUTF8 RFC 6531): one function a state, over a transport that is injected, so that a socket, a pipe and a test's script serve alike.  No descriptor, no clock, no log.
 *
 * The transport feeds session_input and session_pump, and ends it with session_lost.  All that the session has to say is said through session_ops, from within the calls below; none of them may
 * free the session: over() is the last of them, after which the owner frees it when the call has returned.
 */
#ifndef DEADDROP_REMOTE_SESSION_H
#define DEADDROP_REMOTE_SESSION_H

#include "mail.h"
#include "offer.h"
#include "sasl.h"

#define SESSION_ROOM 262144U		/* bytes that the transport's output buffer has when empty: the commands for 100 recipients fit */
#define SESSION_INPUT_MAX 16384U	/* bytes of input that it should be able to hold */
#define SESSION_TEXT_MAX 1000

enum session_end {
	SESSION_QUIT,			/* as asked for, or the server was tired of a connection that it had served: nothing is wrong */
	SESSION_LOST,			/* the connection broke, or the server was silent */
	SESSION_REFUSED,		/* the server does not want us, or lacks what is demanded */
	SESSION_LOGIN,			/* the login was refused, or there is no way to log in */
	SESSION_BROKEN,			/* the server does not speak the protocol */
	SESSION_CONNECT,		/* (of the transport) there is no way to reach it */
	SESSION_TLS,			/* (of the transport) TLS failed, or the server is not the one wanted */
	SESSION_LOOP,			/* the server is ourselves */
	SESSION_TROUBLE,		/* of our own: no memory, message that cannot be read */
};

struct session_settings {		/* the owner's, for the life of the session */
	const char *peer;		/* what outcomes call the server: "smtp.example.net" */
	const char *name;		/* for EHLO and LHLO */
	bool lmtp;
	bool starttls;			/* demanded: a server without it is refused */
	bool login;			/* demanded */
	const char *mechanisms;		/* those allowed, between blanks; NULL: all */
	bool no_pipelining, no_chunking;
	bool refuse_eight_bit;		/* rather than sending it to a server without 8BITMIME */
	bool refuse_long_lines;
};

struct session_ops {			/* const, static */
	int (*write)(void *arg, const void *data, size_t len);	/* buffers it.  0 or -1 */
	size_t (*room)(void *arg);				/* bytes that write would take */
	/* TLS begins behind what was written; then session_secured or session_lost.  -1: error says why not (plain bytes wait behind the server's yes). */
	int (*secure)(void *arg, struct str *error);
	void (*identify)(void *arg);				/* who are we?  session_login, now or later */
	void (*ready)(void *arg);				/* session_send or session_quit, now or later */
	void (*sent)(void *arg, struct mail *mail);		/* no transaction goes on: recipients are settled, or waiting (for another session, if over follows) */
	void (*over)(void *arg, enum session_end why, const char *text);	/* send what waits, and close */
	void (*trace)(void *arg, char who, struct span line);	/* may be NULL.  'C' or 'S', without line end; secrets are masked */
};

struct session;

struct session *session_new(const struct session_settings *settings, const struct session_ops *ops, void *arg);
void session_free(struct session *session);	/* NULL is allowed.  A mail that it has is the owner's again */
/* Takes what it understands of the input; returns how many bytes.  Call it again with the rest and what came since. */
size_t session_input(struct session *session, struct span input);
void session_pump(struct session *session);	/* there is room in the output */
void session_secured(struct session *session);
/* Takes the identity (copies it).  NULL: it could not be found out, error says why. */
void session_login(struct session *session, const struct sasl_identity *identity, const char *error);
void session_send(struct session *session, struct mail *mail);
void session_quit(struct session *session);
/* The transport is gone, or was too slow: text says what happened.  over follows. */
void session_lost(struct session *session, enum session_end why, const char *text);

bool session_is_ready(const struct session *session);		/* a mail can be sent */
bool session_is_over(const struct session *session);
bool session_is_sending(const struct session *session);		/* the message is on its way, and its end is not written yet */
unsigned session_count(const struct session *session);		/* transactions so far */
/* Microseconds to wait for the server's next byte in this state (RFC 5321 4.5.3.2), and what is waited for. */
uint64_t session_patience(const struct session *session);
const char *session_waits_for(const struct session *session);
const struct offer *session_offer(const struct session *session);
const char *session_mechanism(const struct session *session);	/* of the login, or NULL */

#endif
