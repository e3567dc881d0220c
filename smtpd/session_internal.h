/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of session share. */
#ifndef DEADDROP_SMTPD_SESSION_INTERNAL_H
#define DEADDROP_SMTPD_SESSION_INTERNAL_H

#include "lookup.h"
#include "session.h"
#include "stream.h"

enum session_state {
	SESSION_PROXY,			/* a header of the PROXY protocol comes first */
	SESSION_LOOKUP,			/* the client's name is being asked for */
	SESSION_OPEN,
	SESSION_LINGER			/* all is said; the client may still be sending, and must get the time to read */
};

struct session {
	struct session *next, **link;
	struct server *server;
	struct stream *stream;
	struct engine *engine;
	struct handover_mail *mail;
	struct lookup *lookup;
	struct loop_timer timer;
	enum session_state state;
	struct peer peer;		/* the client; behind a proxy whom that names */
	struct login login;
	struct rules_client client;
	uint64_t begun, since;		/* boot time: of the session; of the last thing that counts against its deadline */
	unsigned commands;		/* engine_commands then */
	bool socket;			/* it can be shut down, and bytes ahead of the greeting seen */
	bool starttls;			/* asked for, not yet decided */
	bool draining;
	bool end_of_input;
	const char *caller;		/* who runs us, or NULL */
	uint64_t size;			/* engine_size then */
};

/* session.c */
void session_go_on(struct session *s);		/* takes more input if there is reason to; not from within the engine's events */
void session_say(struct session *s);		/* what the engine has to say, now */
void session_arm(struct session *s, uint64_t due);
void session_refuse(struct session *s, const struct engine_answer *answer);	/* says it, logs it, and ends the session */

/* session_time.c */
void session_mark(struct session *s);		/* after input: what counts as progress moves the deadline */
uint64_t session_deadline(const struct session *s);
void session_expired(void *arg);

/* session_ops.c */
extern const struct engine_ops session_ops;
void session_give_up(struct session *s);	/* on a queue that is there but does not answer: 451 */
void session_update_client(struct session *s);	/* groups and what follows from them */

/* session_log.c */
void session_log_refused(struct session *s, struct span verb, struct span argument, const struct engine_answer *answer);
void session_log_accepted(struct session *s, struct span id);
void session_log_event(struct session *s, const char *event, struct span text);
void session_log_trace(struct session *s, const char *event, struct span text);

#endif
