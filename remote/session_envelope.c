/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands MAIL and RCPT with what the server can make use of. */
#include "session_internal.h"

#include <ctype.h>
#include <string.h>

#include "envelope.h"
#include "xtext.h"

#define NOTIFY_MAX 32U			/* bytes; more is nothing that a server knows */

/* pipelined: a message whose commands do not fit would break each connection */
_Static_assert((DELIVER_RECIPIENTS_MAX + 5) * (ENVELOPE_ADDRESS_MAX + ENVELOPE_VALUE_MAX + NOTIFY_MAX + 40) < SESSION_ROOM, "the commands for a mail fit the transport's buffer");

static int put_upper(struct str *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (str_add_char(out, (char)toupper((unsigned char)text.data[i])) < 0)
			return -1;
	return 0;
}

/* Whether it can stand in a command as it is. */
static bool is_argument(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
			return false;
	return text.len > 0;
}

static int put_dsn_of_mail(struct session *session, struct str *out)
{
	struct span value;

	if (deliver_job_attribute(session->mail->job, "ret", &value) && (span_is_nocase(value, "full") || span_is_nocase(value, "hdrs")) &&
	    (str_add(out, " RET=") < 0 || put_upper(out, value) < 0))
		return -1;
	if (deliver_job_attribute(session->mail->job, "envid", &value) && value.len && (str_add(out, " ENVID=") < 0 || xtext_add(out, value) < 0))
		return -1;
	return 0;
}

/* Needed for addresses, and for a header that was handed in as such. */
static bool wants_utf8(const struct mail *mail)
{
	struct span value;

	if (!mail_is_ascii(str_span(&mail->job->sender)))
		return true;
	for (size_t n = 0; (n = mail_find(mail, n, MAIL_ASKED)) < mail->job->count; n++)
		if (mail_needs_utf8(mail, n))
			return true;
	return mail->header_eight_bit && deliver_job_attribute(mail->job, "smtputf8", &value);
}

int session_put_mail(struct session *session)
{
	struct str out = STR_INIT(8192);
	struct mail *mail = session->mail;
	unsigned flags = session->offer.flags;
	int result = 0;

	if (flags & OFFER_SIZE)
		result = str_printf(&out, " SIZE=%llu", (unsigned long long)mail->size);
	if (!result && mail->eight_bit && flags & OFFER_8BITMIME)
		result = str_add(&out, " BODY=8BITMIME");
	if (!result && wants_utf8(mail)) {
		if (flags & OFFER_SMTPUTF8)
			result = str_add(&out, " SMTPUTF8");
		else
			mail->notes |= MAIL_UTF8_AS_IS;
	}
	if (!result && flags & OFFER_DSN)
		result = put_dsn_of_mail(session, &out);
	if (!result)
		result = session_command(session, NULL, "MAIL FROM:<%s>%s", mail->job->sender.data, out.data);
	else
		session_no_memory(session);
	str_free(&out);
	return result;
}

static int put_dsn_of_rcpt(struct session *session, size_t n, struct str *out)
{
	const struct deliver_job *job = session->mail->job;
	bool utf8 = session->offer.flags & OFFER_SMTPUTF8;
	struct span value;

	if (deliver_job_recipient_attribute(job, n, "notify", &value) && is_argument(value) && value.len <= NOTIFY_MAX &&
	    (str_add(out, " NOTIFY=") < 0 || put_upper(out, value) < 0))
		return -1;
	if (deliver_job_recipient_attribute(job, n, "orcpt", &value) && is_argument(value) && (utf8 || mail_is_ascii(value)) &&
	    (str_add(out, " ORCPT=") < 0 || str_add_span(out, value) < 0))
		return -1;
	return 0;
}

int session_put_rcpt(struct session *session, size_t n)
{
	struct str out = STR_INIT(8192);
	int result = session->offer.flags & OFFER_DSN ? put_dsn_of_rcpt(session, n, &out) : 0;

	if (!result)
		result = session_command(session, NULL, "RCPT TO:<%s>%s", mail_recipient(session->mail, n), out.data);
	else
		session_no_memory(session);
	str_free(&out);
	return result;
}
