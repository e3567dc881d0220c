/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of session share; nobody else includes it. */
#ifndef DEADDROP_IMAP_SESSION_INTERNAL_H
#define DEADDROP_IMAP_SESSION_INTERNAL_H

#include "answers.h"
#include "clock.h"
#include "conceal.h"
#include "mailbox.h"
#include "response.h"
#include "sasl.h"
#include "session.h"
#include "stream.h"

#define SESSION_INPUT_MAX (64U * 1024)
#define SESSION_CAPABILITIES_MAX 8192
#define SESSION_UIDS_MAX (64U * 1024)
#define SESSION_OUTPUT_MAX (256U * 1024)
#define SESSION_FLIGHTS_MAX 64			/* commands that are not answered */
#define SESSION_ITEMS_MAX 2048			/* items under way: what a fast server stores in the time that its answers take */
#define SESSION_GROUP_MAX 256			/* items in one MULTIAPPEND … */
#define SESSION_GROUP_BYTES (2U * 1024 * 1024)	/* … and their bytes */
#define SESSION_GROUP_SPLIT 16			/* a group that is refused is tried again in that many parts */
#define SESSION_GROUP_LEAST 4			/* fewer are sent one by one */
#define SESSION_LITERAL_PLUS_MAX (4U * 1024 * 1024)	/* beyond, it is worth asking before sending */
#define SESSION_BREAKS_MAX 1			/* connections that a message may break before it is put off */

#define SESSION_HOLD (10000U)			/* microseconds that a small group may wait to grow, behind others */
#define SESSION_CONNECT_WAIT (30 * CLOCK_SECOND)
#define SESSION_GREETING_WAIT (60 * CLOCK_SECOND)
#define SESSION_COMMAND_WAIT (60 * CLOCK_SECOND)
#define SESSION_WARNING_WAIT (30 * CLOCK_SECOND)	/* behind an untagged NO or BAD, where the tagged answer may never come */
#define SESSION_PATIENCES 8				/* that often over, bytes or not, ends what brings nothing about */
#define SESSION_LOGOUT_WAIT (5 * CLOCK_SECOND)

enum session_capability {
	SESSION_STARTTLS = 1, SESSION_LOGINDISABLED = 2, SESSION_SASL_IR = 4, SESSION_LITERAL_PLUS = 8, SESSION_LITERAL_MINUS = 16,
	SESSION_MULTIAPPEND = 32, SESSION_UIDPLUS = 64, SESSION_NAMESPACE = 128, SESSION_BINARY = 256, SESSION_UTF8 = 512, SESSION_ID = 1024,
	SESSION_IMAP4 = 2048, SESSION_ENABLE = 4096, SESSION_APPENDLIMIT = 8192,
};

typedef void session_state(struct session *s, const struct response *response);

struct session_flight {			/* an APPEND with its items */
	struct session_flight *next;
	char tag[16];
	struct item *items;
	size_t count;
	bool begun;			/* bytes of a message were sent: without an answer it is unclear */
	const struct answers_meaning *meaning;	/* of the answer that came while its bytes were still being sent, or NULL */
	char text[OUTCOME_REASON_MAX];
};

struct session {
	const struct session_host *host;
	const struct account *account;
	const struct session_ops *ops;
	void *arg;

	/* life */
	unsigned pending;		/* answers of the keeper that will come */
	bool gone;			/* over was told; freed when pending is 0 */
	bool leaving, ready, login_failed;
	bool farewell;			/* LOGOUT was sent */
	struct loop_timer timer;
	uint64_t since, patience;	/* the deadline restarts at each progress */
	uint64_t moved;			/* the progress that its jobs were told of */
	uint64_t useful;		/* when last something came about: that bytes come is not enough for ever */
	const char *waiting_for;
	struct stream_connect *connect;
	struct stream *stream;
	struct loop_watch *watch;	/* a command's output */
	int watch_fd;
	uint32_t tunnel;
	bool has_tunnel;

	/* protocol */
	session_state *state;
	struct response_parser parser;
	unsigned tags;
	char tag[16];			/* of the command that is waited for, outside of appends */
	unsigned capabilities;
	bool capabilities_told;		/* since the last greeting, STARTTLS or login */
	uint64_t append_limit;		/* of all mailboxes, or of the one in limited; 0: none is known */
	struct str limited;		/* the mailbox whose limit was asked for */
	struct str mechanisms;		/* of AUTH=, between blanks */
	struct str capability_text;
	struct str secret;		/* a token or password that was read for this login */
	struct sasl_client *sasl;
	const struct sasl_mechanism *mechanism;
	struct str initial;		/* its first message */
	struct conceal conceal;		/* what is not to be shown of it */
	bool secret_line;		/* the next line out is not to be traced */
	bool unbound;			/* it offers a channel binding that it then refuses */
	char separator;
	struct str prefix;
	bool utf8;

	/* appends */
	struct session_flight *flights, **flights_end;
	size_t flight_count, item_count;
	struct loop_timer hold;		/* until a group that may grow goes as it is */
	uint64_t held_since;		/* when what waits began to wait for that; 0: it does not */
	struct session_flight *writing;	/* whose bytes are being sent, or wait for "+" */
	struct item *writing_item;
	bool wait_plus;
	struct outcome warned;		/* by an untagged NO, BAD or BYE that refuses a message */
	bool has_warning;
	struct str create;		/* mailbox to be made when nothing is under way */
	struct str created;		/* the last that was made */

	/* looking */
	struct item *look;		/* all for one mailbox */
	struct str examined;		/* wire name, or empty */
	uint64_t exists;
	bool there, too_many;		/* the mailbox, by LIST; hits, which are kept until they are fetched: */
	struct str uids;
	struct session_survey *survey;	/* the owner's, while it is being made */
};

/* session.c */
void session_wait(struct session *s, session_state *state, const char *what, uint64_t patience);
void session_set_stream(struct session *s, int in, int out, bool secure);
void session_fail(struct session *s, const char *status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void session_end(struct session *s, const struct outcome *why);
void session_release(struct session *s);		/* an answer of the keeper came */

/* session_output.c */
/* A tagged command: sent at once.  0, or -1: the session has failed. */
int session_command(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int session_line(struct session *s, struct span line, bool secret);		/* a line as it stands, CRLF is added */
int session_secret(struct session *s, const char *prefix, struct span bytes);	/* a line of a login: prefix and base 64 of the bytes, which are shown nowhere */
int session_quoted_secret(struct session *s, struct str *line, struct span password);	/* appends it between quotes; -1: it has other bytes than can stand there */
void session_next_tag(struct session *s, char tag[static 16]);
bool session_is_answer(const struct session *s, const struct response *response);	/* to the last command */
/* A line of the log about the account; of a login's secrets nothing is shown. */
void session_log(struct session *s, const char *event, const char *what, struct span text);
void session_trace(struct session *s, const char *direction, struct span line);
bool session_quoted(struct session *s, struct str *out, const char *mailbox);	/* the wire name, quoted; false: it cannot be had */
void session_say(const struct response *response, struct str *out);		/* "NO [CODE arg] text" */

/* session_capabilities.c */
void session_capabilities(struct session *s, struct span list);	/* in place of what was known */

/* session_connect.c */
void session_connect_begin(struct session *s);
void session_connect_drop(struct session *s);		/* what is being tried */

/* session_login.c */
session_state session_login_greeting;
void session_login_secured(struct session *s);

/* session_names.c: take what concerns them from any response */
void session_names_namespace(struct session *s, const struct response *response);
void session_names_list(struct session *s, const struct response *response);

/* session_append.c */
void session_append_pump(struct session *s);
void session_append_lost(struct session *s);		/* the connection is gone: gives the items back */

/* Takes it out of those under way; it is the caller's to free. */
struct session_flight *session_append_remove(struct session *s, struct session_flight *flight);
void session_append_give_back(struct session *s, struct item *items);
size_t session_append_part(const struct session_flight *flight);	/* how many of a flight that failed go together when they are tried again */
void session_append_settle(struct session *s, struct session_flight *flight, const struct outcome *outcome);

/* session_answer.c */
session_state session_answer_state;
/* A flight that was refused while its bytes were being sent has been sent. */
void session_answer_finish(struct session *s, struct session_flight *flight);
/* An untagged NO, BAD or BYE while something is under way: it may be the only answer that there will be. */
void session_answer_warning(struct session *s, const struct response *response);

/* session_create.c */
void session_create_begin(struct session *s);

/* session_survey.c */
void session_survey_created(struct session *s);		/* the mailbox was made, or refused */

/* session_limit.c */
bool session_limit_is_due(const struct session *s, const struct item *item);		/* its mailbox may have a limit of its own */
void session_limit_begin(struct session *s, const struct item *item);

/* session_look.c */
void session_look_begin(struct session *s);		/* the next item that waits is unclear */
void session_look_lost(struct session *s);
void session_look_close(struct session *s);		/* leave the mailbox that was looked at */

#endif
