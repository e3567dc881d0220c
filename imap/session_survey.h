/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a mailbox holds: asked before an import, which leaves out what is there.  Only between appends: nothing is under way. */
#ifndef DEADDROP_IMAP_SESSION_SURVEY_H
#define DEADDROP_IMAP_SESSION_SURVEY_H

#include "session.h"

struct session_survey_message {		/* spans are valid in the call alone */
	uint32_t uid;
	uint64_t size;
	struct span date;		/* the internal one, as IMAP writes it */
	struct span header;		/* the fields that were asked for, or their beginning */
};

struct session_survey {			/* filled in by the owner, and his */
	const char *mailbox;		/* UTF-8 */
	const char *fields;		/* names, between blanks */
	bool count_only;
	void *arg;
	void (*message)(void *arg, const struct session_survey_message *message);
	/* there: it is, or was made as the account says, and now holds so many.  text: why that cannot be told, or that it could not be made; or empty. */
	void (*done)(void *arg, struct session *session, bool there, uint64_t exists, const char *text);
	struct str bytes;		/* of the piece that was asked for */
	void (*piece)(void *arg, struct session *session, bool good);
	/* the session's */
	bool has_piece, made, listed;
};

void session_survey(struct session *session, struct session_survey *survey);
/* After a survey of it: bytes of a message, from offset, up to length of them, fewer at its end; then piece(). */
void session_survey_piece(struct session *session, struct session_survey *survey, uint32_t uid, uint64_t offset, size_t length);

#endif
