/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the engine share; nobody else includes it. */
#ifndef DEADDROP_SMTPD_ENGINE_INTERNAL_H
#define DEADDROP_SMTPD_ENGINE_INTERNAL_H

#include "engine.h"

enum engine_state {			/* bits, for the verbs' table */
	ENGINE_START = 1,		/* no HELO yet */
	ENGINE_READY = 2,
	ENGINE_MAIL = 4,		/* has a sender */
	ENGINE_RCPT = 8,		/* and recipients */
	ENGINE_CHUNKS = 16		/* between two BDATs */
};
#define ENGINE_ANY (ENGINE_START | ENGINE_READY | ENGINE_MAIL | ENGINE_RCPT | ENGINE_CHUNKS)

enum engine_mode { ENGINE_COMMAND, ENGINE_SKIP_LINE, ENGINE_AUTH, ENGINE_DATA, ENGINE_BDAT, ENGINE_MODES };

enum engine_at {			/* where the next byte of a message stands */
	ENGINE_AT_LINE,			/* behind a true CRLF, or at the very begin */
	ENGINE_AT_SOFT_LINE,		/* behind a bare CR or LF that became a line end */
	ENGINE_AT_TEXT,
	ENGINE_AT_CR,			/* behind `crs` CRs that are not handed out yet */
	ENGINE_AT_DOT,			/* behind a dot at a line's begin, not handed out yet */
	ENGINE_AT_DOT_CR,
	ENGINE_AT_SOFT_DOT,
	ENGINE_AT_END
};

struct engine_command {			/* one line, cut in two */
	struct span verb, argument;
};

struct engine {
	const struct engine_setup *setup;
	const struct engine_ops *ops;
	void *arg;
	enum engine_state state;
	enum engine_mode mode;
	bool waits, closes;
	bool after_auth;		/* since AUTH no other verb has come: what is none may be a part of a login */
	bool esmtp, tls, authenticated, auth_allowed, xclient, normalise;
	unsigned lines, commands, unknown, failed;
	struct engine_command command;	/* at hand; its spans are gone after the verb's function, but for a verb that is a constant */
	struct str line;		/* an incomplete one */
	struct str out;
	struct str helo;
	/* the transaction */
	struct envelope envelope;
	bool utf8;			/* SMTPUTF8 was given */
	/* its message */
	enum engine_at at;
	unsigned crs;
	uint64_t size, bare;
	uint64_t chunk;			/* bytes of a BDAT that are still to come */
	uint64_t chunk_size;
	bool last;			/* of the BDATs */
	bool begun;			/* begin was accepted, neither end nor cancel yet */
	bool discards;			/* it is read, but not handed out; verdict says why */
	struct engine_answer verdict;
};

/* engine.c */
void engine_say(struct engine *e, unsigned code, const char *status, const char *format, ...) __attribute__((format(printf, 4, 5)));
void engine_answer(struct engine *e, const struct engine_answer *answer);
void engine_say_limit(struct engine *e, enum engine_limit limit, unsigned code, const char *status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));		/* unless the setup has another answer */
void engine_limit_answer(struct engine_answer *answer, const struct engine *e, enum engine_limit limit);	/* puts the setup's into answer, if it has one */
void engine_put_line(struct engine *e, unsigned code, bool more, struct span text);	/* one line of a reply, without status */
void engine_close(struct engine *e);
void engine_reset(struct engine *e);		/* forgets the transaction */
void engine_restart(struct engine *e);		/* and all that HELO said */
void engine_too_long(struct engine *e);		/* says so */
size_t engine_take_line(struct engine *e, const char *data, size_t len, size_t most, struct span *line, bool *whole, bool *over);

/* engine_verbs.c */
void engine_verbs_line(struct engine *e, struct span line);

/* engine_mail.c */
void engine_mail_from(struct engine *e, struct span argument);
void engine_mail_rcpt(struct engine *e, struct span argument);

/* engine_path.c: cuts FROM: or TO: and a path from the head of *rest.  path lies between the angle brackets, or is a bare word. */
bool engine_path_cut(struct span *rest, const char *keyword, struct span *path);
/* The plain address of a path that is not empty, with our name if it has no domain.  0, or the code of the reply that was given. */
unsigned engine_path_plain(struct engine *e, struct span path, bool utf8, struct str *out);

/* engine_params.c: 0, or the code of the reply that was given */
unsigned engine_params_mail(struct engine *e, struct span rest);
unsigned engine_params_rcpt(struct engine *e, struct span rest);
int engine_params_xtext(struct span text, struct str *out);	/* decodes; 0 or -1 */

/* engine_data.c */
void engine_data_verb(struct engine *e, struct span argument);
void engine_data_bdat(struct engine *e, struct span argument);
size_t engine_data_feed(struct engine *e, const char *data, size_t len);
size_t engine_data_feed_chunk(struct engine *e, const char *data, size_t len);
void engine_data_cancel(struct engine *e);

/* engine_body.c: takes message bytes up to the end of data, hands them out.  Returns how many it took; e->at says whether the end was among them. */
size_t engine_body_feed(struct engine *e, const char *data, size_t len, bool dots);
void engine_body_finish(struct engine *e);	/* at the end of the last chunk: hands out what was held back */

/* engine_auth.c */
void engine_auth_verb(struct engine *e, struct span argument);
size_t engine_auth_feed(struct engine *e, const char *data, size_t len);

/* engine_xclient.c */
void engine_xclient_verb(struct engine *e, struct span argument);

#endif
