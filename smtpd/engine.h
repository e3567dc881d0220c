/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's side of SMTP (RFC 5321) and LMTP (RFC 2033) as a pure state machine: bytes in, replies and events out.  It has no descriptor, no
 * clock and no log.  Whole, byte by byte and split anywhere, the same bytes give the same replies and events.
 *
 * A driver greets (engine_greet), feeds what it reads, sends what is in engine_out, and does what the events ask for.  Events that are
 * answered by a call (end, starttls, auth) stop the feeding until that call, which may come from within the event.
 *
 * A command line ends in LF, with or without a CR.  A message given by DATA ends at CRLF.CRLF and nowhere else; a bare CR or LF within a message
 * ends the session with 550, or becomes a line end where engine_set_normalise said so.  After such an end, and after every
 * other reply that closes, no byte is taken for a command any more.
 *
 * Extensions: PIPELINING, SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), ENHANCEDSTATUSCODES (2034), DSN (3461), CHUNKING (3030), STARTTLS (3207),
 * AUTH (4954), LIMITS (9422), and XCLIENT for peers that may use it.
 */
#ifndef DEADDROP_SMTPD_ENGINE_H
#define DEADDROP_SMTPD_ENGINE_H

#include "envelope.h"

#define ENGINE_LINE_MAX 2048U		/* bytes of a command line; RFC 5321's 512 and what its extensions add */
#define ENGINE_AUTH_LINE_MAX 12288U	/* of a line of an AUTH dialogue (RFC 4954) */
#define ENGINE_OUT_PAUSE (16U * 1024)	/* replies that wait beyond this stop the feeding */
#define ENGINE_TEXT_MAX 400		/* bytes of a reply's text */

/* What is said to a command or message.  Given to an event preset to yes. */
struct engine_answer {
	unsigned code;			/* 250, 451, 550, …; 421 and 521 close */
	char status[12];		/* RFC 3463, or "" for that of the code's class */
	char text[ENGINE_TEXT_MAX + 1];
};

enum engine_limit { ENGINE_LIMIT_SIZE, ENGINE_LIMIT_RECIPIENTS, ENGINE_LIMIT_COMMANDS, ENGINE_LIMIT_UNKNOWN, ENGINE_LIMIT_FAILED, ENGINE_LIMIT_ASCII, ENGINE_LIMITS };

struct engine_setup {			/* the same for all sessions; kept, not copied */
	const char *name;		/* ours */
	uint64_t size;			/* largest message, in bytes on the wire */
	unsigned recipients;		/* of a message */
	unsigned commands;		/* since the last message that was stored */
	unsigned unknown, failed;	/* commands that are not known, that got a 5xx; one more brings a 421 */
	bool lmtp;
	bool utf8;			/* SMTPUTF8; without it a command has ASCII only */
	bool tls;			/* STARTTLS is possible */
	const char *mechanisms;		/* of AUTH, as EHLO lists them; NULL: there is no AUTH */
	struct engine_answer limit_answers[ENGINE_LIMITS];	/* in place of our own, where code is not 0; that of the error counts and of commands close */
};

void engine_answer_set(struct engine_answer *answer, unsigned code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

struct engine_ops {
	/* May this sender, this recipient?  Both plain addresses; the sender's may be empty. */
	void (*mail)(void *arg, struct span sender, struct engine_answer *answer);
	void (*recipient)(void *arg, struct span recipient, struct engine_answer *answer);
	/* A message: begin; if that was not refused, body any number of times, then either end or cancel.  Lines end in LF. */
	void (*begin)(void *arg, struct engine_answer *answer);
	void (*body)(void *arg, struct span bytes);
	void (*end)(void *arg);					/* answered by engine_settle */
	void (*cancel)(void *arg);
	void (*starttls)(void *arg);				/* answered by engine_starttls */
	/* A dialogue begins; initial is what came with the command, data NULL if nothing did ("=" is an empty response).  Or a further line of it.
	 * Both are base64 as they came, and answered by engine_auth_…. */
	void (*auth)(void *arg, struct span mechanism, struct span initial);
	void (*auth_line)(void *arg, struct span line);
	void (*auth_cancel)(void *arg);				/* "*" */
	/* An attribute of XCLIENT, decoded; empty: unavailable.  Then xclient_end, and the session begins anew. */
	void (*xclient)(void *arg, struct span name, struct span value);
	void (*xclient_end)(void *arg);
	/* A reply of 400 and above is about to be given to this command and its argument. */
	void (*refused)(void *arg, struct span verb, struct span argument, const struct engine_answer *answer);
	void (*command)(void *arg, struct span line);		/* for a trace; not called with lines of an AUTH dialogue; may be NULL */
};

struct engine;

struct engine *engine_new(const struct engine_setup *setup, const struct engine_ops *ops, void *arg);	/* NULL: no memory */
void engine_free(struct engine *e);

void engine_greet(struct engine *e);					/* 220 */
void engine_refuse(struct engine *e, const struct engine_answer *answer);	/* says this, whatever is going on, and closes */

/* Takes bytes and returns how many: fewer than len while an answer is awaited or too many replies wait.  All of them, unseen, after the close. */
size_t engine_feed(struct engine *e, const char *data, size_t len);
struct str *engine_out(struct engine *e);				/* replies; the driver cuts off what it has sent */
bool engine_waits(const struct engine *e);				/* for one of the calls below */
bool engine_closes(const struct engine *e);				/* after what is in engine_out */

/* The answer to end.  After cancel or a refused begin it is not called. */
void engine_settle(struct engine *e, const struct engine_answer *answer);
/* Between begin and end: the message will not be stored; the rest of it is read and passed over (no cancel comes), then this is said. */
void engine_discard(struct engine *e, const struct engine_answer *answer);
/* The answer to starttls.  ready: says 220, and all that the session knew is forgotten: EHLO comes next.  Not ready, because bytes came behind
 * the command that nobody protected: says 451 and closes. */
void engine_starttls(struct engine *e, bool ready);
void engine_auth_challenge(struct engine *e, struct span base64);	/* may be empty */
void engine_auth_done(struct engine *e);
void engine_auth_failed(struct engine *e, const struct engine_answer *answer);	/* 535, 501, 454 */

/* What the driver knows.  To be set before the greeting, or in xclient_end. */
void engine_set_normalise(struct engine *e, bool normalise);
void engine_set_auth_allowed(struct engine *e, bool allowed);	/* passwords may be sent on this connection (loopback); TLS allows it by itself */
void engine_set_authenticated(struct engine *e);
void engine_set_xclient(struct engine *e, bool allowed);

const struct envelope *engine_envelope(const struct engine *e);	/* from begin to engine_settle */
struct span engine_helo(const struct engine *e);
bool engine_is_authenticated(const struct engine *e);
const char *engine_protocol(const struct engine *e);		/* for Received: SMTP, ESMTPSA, UTF8SMTP, LMTP, … (RFC 3848, 6531) */
uint64_t engine_size(const struct engine *e);			/* of the message at hand so far, on the wire */
uint64_t engine_bare(const struct engine *e);			/* bare CR and LF in it that became line ends */
unsigned engine_commands(const struct engine *e);		/* lines so far: a driver's deadline is for each */

#endif
