/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A transaction: MAIL, RCPT, DATA or BDAT, and who got what for an answer. */
#include "session_internal.h"

#include "address.h"
#include "message.h"

/* ---- before a word is said ---- */

/* What no server of ours could take, or this one not: told without asking it. */
static bool refuse_all(struct session *session, struct mail *mail, struct outcome *outcome)
{
	const struct session_settings *settings = session->settings;
	const struct offer *offer = &session->offer;
	struct span sender = str_span(&mail->job->sender);

	if (!address_is_valid(sender, true))
		outcome_set(outcome, OUTCOME_NEVER, "5.1.7", "the sender is no address that can be sent");
	else if (!mail_is_ascii(sender) && !(offer->flags & OFFER_SMTPUTF8))
		outcome_set(outcome, OUTCOME_NEVER, "5.6.7", "%s does not take addresses beyond ASCII like the sender's (SMTPUTF8)", settings->peer);
	else if (mail->hops > MAIL_HOPS_MAX)
		outcome_set(outcome, OUTCOME_NEVER, "5.4.6", "over %d Received fields: this is a loop", MAIL_HOPS_MAX);
	else if (offer->size && mail->size > offer->size)
		outcome_set(outcome, OUTCOME_NEVER, "5.3.4", "%s takes at most %llu octets, the message has %llu", settings->peer,
		    (unsigned long long)offer->size, (unsigned long long)mail->size);
	else if (settings->refuse_eight_bit && mail->eight_bit && !(offer->flags & OFFER_8BITMIME))
		outcome_set(outcome, OUTCOME_NEVER, "5.6.3", "%s does not offer 8BITMIME, and sending 8-bit text to it is not allowed here", settings->peer);
	else if (settings->refuse_long_lines && mail->longest > DOTS_LINE_MAX)
		outcome_set(outcome, OUTCOME_NEVER, "5.6.0", "a line of %llu octets, which is not allowed here", (unsigned long long)mail->longest);
	else
		return false;
	return true;
}

static void note_as_is(const struct session *session, struct mail *mail)
{
	if (mail->eight_bit && !(session->offer.flags & OFFER_8BITMIME))
		mail->notes |= MAIL_EIGHT_BIT_AS_IS;
	if (mail->longest > DOTS_LINE_MAX)
		mail->notes |= MAIL_LONG_LINES_AS_IS;
}

static void ask_for(struct session *session, struct mail *mail)
{
	struct outcome outcome;

	for (size_t n = 0; (n = mail_find(mail, n, MAIL_WAITING)) < mail->job->count; n++) {
		struct span address = span_of(mail_recipient(mail, n));

		mail->states[n] = MAIL_ASKED;
		if (!address.len || !address_is_valid(address, true))
			outcome_set(&outcome, OUTCOME_NEVER, "5.1.3", "no address that can be sent");
		else if (!mail_is_ascii(address) && !(session->offer.flags & OFFER_SMTPUTF8))
			outcome_set(&outcome, OUTCOME_NEVER, "5.6.7", "%s does not take addresses beyond ASCII (SMTPUTF8)", session->settings->peer);
		else
			continue;
		mail_settle(mail, n, &outcome);
	}
}

/* ---- the end of a transaction ---- */

static void give_back(struct session *session)
{
	struct mail *mail = session->mail;

	session->mail = NULL;
	mail_wait_again(mail);
	session->ops->sent(session->arg, mail);
}

static void be_ready(struct session *session)
{
	if (session->state == SESSION_OVER)
		return;
	session_set_state(session, SESSION_READY);
	session->ops->ready(session->arg);
}

/* The server still has an envelope that nothing came of. */
static void give_up(struct session *session)
{
	session_set_state(session, SESSION_RESET);
	if (session_command(session, NULL, "RSET") < 0)
		return;
	give_back(session);
}

void session_on_reset(struct session *session)
{
	if (session->reply.code / 100 == 2)
		be_ready(session);
	else
		session_end(session, SESSION_QUIT, "%s", session_said(session));
}

/*
 * The connection is of no more use.  Where the end of the message was sent, nobody knows what became of it: those that wait for an answer are to be tried again, which may
 * give them a second copy.  All others wait for another connection.
 */
void session_mail_lost(struct session *session, enum session_end why, const char *text)
{
	struct mail *mail = session->mail;
	struct outcome outcome;

	(void)why;
	if (session->complete && !session->hollow) {
		outcome_set(&outcome, OUTCOME_LATER, "4.4.2", "unclear, the whole message was sent: %s", text);
		outcome.clarity = OUTCOME_UNCLEAR;
		for (size_t n = 0; (n = mail_find(mail, n, MAIL_ACCEPTED)) < mail->job->count; n++) {
			mail_settle(mail, n, &outcome);
			mail->notes |= MAIL_UNCLEAR;
		}
	}
	session_set_state(session, SESSION_RESET);
	give_back(session);
}

static void settle(struct session *session, enum mail_recipient state, const struct outcome *outcome)
{
	struct mail *mail = session->mail;

	for (size_t n = 0; (n = mail_find(mail, n, state)) < mail->job->count; n++)
		mail_settle(mail, n, outcome);
}

/* True: the reply was about the connection, which is over. */
static bool is_the_end(struct session *session)
{
	if (session_wants_login(session))
		session_end(session, SESSION_LOGIN, "%s", session_said(session));
	else if (session_is_closing(session))
		session_end(session, SESSION_LOST, "%s", session_said(session));
	else if (session->reply.code / 100 == 3)
		session_end(session, SESSION_BROKEN, "%s, out of place", session_said(session));
	else
		return false;
	return true;
}

/* ---- the envelope ---- */

void session_send(struct session *session, struct mail *mail)
{
	struct outcome outcome;
	size_t n = 0;

	session->mail = mail;
	session->complete = session->hollow = session->mail_refused = false;
	session->chunks = 0;
	if (refuse_all(session, mail, &outcome))
		mail_settle_rest(mail, &outcome);
	ask_for(session, mail);
	session->due = mail_count(mail, MAIL_ASKED);
	if (!session->due) {
		give_back(session);
		be_ready(session);
		return;
	}
	note_as_is(session, mail);
	session->count++;
	session->pipelined = (session->offer.flags & OFFER_PIPELINING) && !session->settings->no_pipelining;
	session->chunked = (session->offer.flags & OFFER_CHUNKING) && !session->settings->no_chunking;
	session->at = mail_find(mail, 0, MAIL_ASKED);
	session_set_state(session, SESSION_MAIL);
	if (session_put_mail(session) < 0 || !session->pipelined)
		return;
	for (; (n = mail_find(mail, n, MAIL_ASKED)) < mail->job->count; n++)
		if (session_put_rcpt(session, n) < 0)
			return;
	/* BDAT is not among them: its bytes would go to a server that may want none. */
	if (!session->chunked)
		(void)session_command(session, NULL, "DATA");
}

void session_on_mail(struct session *session)
{
	struct outcome outcome;

	if (is_the_end(session))
		return;
	session->mail_refused = session->reply.code / 100 != 2;
	if (session->mail_refused) {
		session_outcome(session, &outcome, NULL);
		settle(session, MAIL_ASKED, &outcome);
	}
	session_set_state(session, SESSION_RCPT);
	if (session->pipelined)
		return;
	if (session->mail_refused)
		give_up(session);
	else
		(void)session_put_rcpt(session, session->at);
}

static void note_recipient(struct session *session)
{
	struct mail *mail = session->mail;
	struct outcome outcome;

	if (session->reply.code / 100 == 2) {
		mail->states[session->at] = MAIL_ACCEPTED;
	} else if (session_is_full(session) && mail_count(mail, MAIL_ACCEPTED)) {
		/* It has its turn in the next transaction; this one takes some, so that there is an end to it. */
		mail->states[session->at] = MAIL_WAITING;
	} else {
		session_outcome(session, &outcome, "5.1.1");
		mail_settle(mail, session->at, &outcome);
	}
	session->at = mail_find(mail, session->at, MAIL_ASKED);
}

static void envelope_is_done(struct session *session)
{
	bool wanted = !session->mail_refused && mail_count(session->mail, MAIL_ACCEPTED);

	if (session->pipelined && !session->chunked) {
		session_set_state(session, SESSION_DATA);
	} else if (!wanted) {
		give_up(session);
	} else if (session->chunked) {
		session_begin_body(session);
	} else {
		session_set_state(session, SESSION_DATA);
		(void)session_command(session, NULL, "DATA");
	}
}

void session_on_rcpt(struct session *session)
{
	session->due--;
	if (!session->mail_refused) {
		if (is_the_end(session))
			return;
		note_recipient(session);
	} else if (session->reply.code / 100 == 2) {
		/* A message without a sender? Whatever it would make of an end without text, better not. */
		session_end(session, SESSION_BROKEN, "%s to RCPT behind a refused MAIL", session_said(session));
		return;
	}
	if (!session->due)
		envelope_is_done(session);
	else if (!session->pipelined)
		(void)session_put_rcpt(session, session->at);
}

/* A server that wants the message though it has refused all its recipients gets an empty one, for nobody (RFC 2920 3.1). */
static void send_nothing(struct session *session)
{
	session->complete = session->hollow = true;
	session_set_state(session, SESSION_ANSWER);
	if (session->settings->lmtp)
		session_end(session, SESSION_BROKEN, "%s, though it has taken no recipient", session_said(session));
	else if (session->ops->write(session->arg, ".\r\n", 3) < 0)
		session_no_memory(session);
}

void session_on_data(struct session *session)
{
	bool wanted = mail_count(session->mail, MAIL_ACCEPTED) > 0;
	struct outcome outcome;

	if (session->reply.code == 354) {
		if (wanted)
			session_begin_body(session);
		else
			send_nothing(session);
		return;
	}
	if (is_the_end(session))
		return;
	if (session->reply.code / 100 == 2) {
		session_end(session, SESSION_BROKEN, "%s to DATA", session_said(session));
		return;
	}
	session_outcome(session, &outcome, NULL);
	settle(session, MAIL_ACCEPTED, &outcome);
	give_up(session);
}

/* ---- the answer ---- */

/* A refused BDAT leaves the envelope there (RFC 3030 2), a refused DATA does not. */
static void transaction_is_done(struct session *session)
{
	if (session->chunked && session->reply.code >= 400) {
		give_up(session);
		return;
	}
	give_back(session);
	be_ready(session);
}

static void answer_one(struct session *session)
{
	size_t n = mail_find(session->mail, 0, MAIL_ACCEPTED);
	struct outcome outcome;

	session_outcome(session, &outcome, NULL);
	mail_settle(session->mail, n, &outcome);
	if (mail_find(session->mail, 0, MAIL_ACCEPTED) == session->mail->job->count)
		transaction_is_done(session);
}

/* SMTP answers once for all; LMTP for each recipient that it has taken, in their order (RFC 2033 4.2). */
void session_on_answer(struct session *session)
{
	struct outcome outcome;

	if (session->hollow) {
		transaction_is_done(session);
		return;
	}
	if (session->reply.code / 100 == 3) {
		session_end(session, SESSION_BROKEN, "%s, out of place", session_said(session));
		return;
	}
	if (session_is_closing(session)) {
		/* It has not taken it, for those that it has not answered yet. */
		session_outcome(session, &outcome, NULL);
		settle(session, MAIL_ACCEPTED, &outcome);
		session_end(session, SESSION_QUIT, "%s", session_said(session));
	} else if (session->settings->lmtp) {
		answer_one(session);
	} else {
		session_outcome(session, &outcome, NULL);
		settle(session, MAIL_ACCEPTED, &outcome);
		transaction_is_done(session);
	}
}
