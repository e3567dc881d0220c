/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The message's bytes: behind DATA, or in chunks (BDAT). */
#include "session_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 32768U			/* bytes of the message that are read at once: one chunk */
#define WIRE_MAX (PIECE * DOTS_GROWTH + DOTS_EXTRA + 64)	/* what becomes of them */

_Static_assert(WIRE_MAX <= SESSION_ROOM / 2, "the transport's buffer holds a piece and what is left of the last one");

void session_begin_body(struct session *session)
{
	dots_free(&session->dots);
	dots_init(&session->dots);
	session->dots.stuff = !session->chunked;
	session->offset = 0;
	session_set_state(session, session->chunked ? SESSION_CHUNK : SESSION_BODY);
	session_pump_body(session);
}

/* The next piece to session->body.  1: there is more; 0: that was the last; -1 with errno. */
static int make_piece(struct session *session)
{
	char *piece = malloc(PIECE);
	ssize_t got;
	int result = -1;

	if (!piece)
		return -1;
	str_cut(&session->body, 0);
	got = deliver_job_read(session->mail->job, session->offset, piece, PIECE);
	if (got > 0) {
		session->offset += (uint64_t)got;
		result = dots_write(&session->dots, &session->body, (struct span){ piece, (size_t)got }) < 0 ? -1 : 1;
	} else if (!got) {
		result = dots_end(&session->dots, &session->body);
	}
	free(piece);
	return result;
}

static int write_bytes(struct session *session)
{
	if (!session->body.len || !session->ops->write(session->arg, session->body.data, session->body.len))
		return 0;
	session_no_memory(session);
	return -1;
}

static int write_chunk(struct session *session, bool last)
{
	if (!session->body.len && !last)
		return 0;
	session->chunks++;
	if (session_command(session, NULL, "BDAT %zu%s", session->body.len, last ? " LAST" : "") < 0)
		return -1;
	return write_bytes(session);
}

static bool may_write(const struct session *session)
{
	if (session->complete || session->ops->room(session->arg) < WIRE_MAX)
		return false;
	return session->state == SESSION_BODY || (session->state == SESSION_CHUNK && (session->pipelined || !session->chunks));
}

/* A message that cannot be read to its end must not look whole to the server: the connection is given up before the end. */
static void cannot_read(struct session *session)
{
	struct outcome outcome;

	deliver_job_trouble(&outcome, errno, "reading the message");
	mail_settle_rest(session->mail, &outcome);
	session_end(session, SESSION_QUIT, "%s", outcome.text);
}

void session_pump_body(struct session *session)
{
	while (may_write(session)) {
		int more = make_piece(session);

		if (more < 0) {
			cannot_read(session);
			return;
		}
		session->complete = !more;
		if ((session->chunked ? write_chunk(session, !more) : write_bytes(session)) < 0)
			return;
		if (!more && !session->chunked)
			session_set_state(session, SESSION_ANSWER);
	}
	if (!session->complete)
		return;
	str_free(&session->body);
	if (session->chunked && session->chunks == 1)
		session_set_state(session, SESSION_ANSWER);
}

/* The message is not whole there, and never will be: this answer is final for all. */
static void refused_midway(struct session *session)
{
	struct mail *mail = session->mail;
	struct outcome outcome;

	session_outcome(session, &outcome, NULL);
	for (size_t n = 0; (n = mail_find(mail, n, MAIL_ACCEPTED)) < mail->job->count; n++)
		mail_settle(mail, n, &outcome);
	session_end(session, SESSION_QUIT, "%s", session_said(session));
}

/* Nothing was asked yet: it has had enough of the message. */
void session_on_early(struct session *session)
{
	if (session->reply.code >= 400)
		refused_midway(session);
	else
		session_end(session, SESSION_BROKEN, "%s before it had the whole message", session_said(session));
}

/* Of a chunk that is not the last. */
void session_on_chunk(struct session *session)
{
	if (!session->chunks) {
		session_on_early(session);
		return;
	}
	session->chunks--;
	if (session->reply.code >= 400)
		refused_midway(session);
	else if (session->reply.code / 100 == 3)
		session_end(session, SESSION_BROKEN, "%s, out of place", session_said(session));
	else
		session_pump_body(session);
}
