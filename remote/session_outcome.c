/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reply means for a recipient. */
#include "session_internal.h"

#include <string.h>

/* For servers without enhanced codes (RFC 2034).  552 stays permanent: over quota is for the sender to know. */
static const struct {
	unsigned code;
	const char *status;
} statuses[] = {
	{ 421, "4.3.2" }, { 450, "4.2.0" }, { 451, "4.3.0" }, { 452, "4.3.1" }, { 454, "4.7.0" }, { 455, "4.5.4" },
	{ 500, "5.5.2" }, { 501, "5.5.4" }, { 502, "5.5.1" }, { 503, "5.5.1" }, { 504, "5.5.4" }, { 521, "5.3.2" }, { 550, "5.0.0" }, { 551, "5.1.6" },
	{ 552, "5.2.2" }, { 553, "5.1.3" }, { 554, "5.0.0" }, { 555, "5.5.4" }, { 556, "5.1.10" },
};

static const char *status_of(unsigned code)
{
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (statuses[i].code == code)
			return statuses[i].status;
	return code / 100 == 2 ? "2.0.0" : code / 100 == 5 ? "5.0.0" : "4.0.0";
}

void session_outcome(struct session *session, struct outcome *outcome, const char *status)
{
	unsigned class = session->reply.code / 100;
	enum outcome_verdict verdict = class == 2 ? OUTCOME_DONE : class == 5 ? OUTCOME_NEVER : OUTCOME_LATER;
	char own[OUTCOME_STATUS_MAX];

	if (reply_status(&session->reply, own))
		status = own;
	else if (!status || session->reply.code != 550)
		status = status_of(session->reply.code);
	outcome_set(outcome, verdict, status, "%s", session_said(session));
}

/* RFC 5321 4.5.3.1.10: 452, and 552 of old servers, which is otherwise said of a full mailbox: there only the enhanced code tells. */
bool session_is_full(const struct session *session)
{
	char own[OUTCOME_STATUS_MAX];
	bool has = reply_status(&session->reply, own);

	if (has)
		return !strcmp(own + 1, ".5.3");
	return session->reply.code == 452;
}

bool session_is_closing(const struct session *session)
{
	return session->reply.code == 421;
}

/* RFC 4954 6 */
bool session_wants_login(const struct session *session)
{
	unsigned code = session->reply.code;

	return code == 530 || code == 534 || code == 535 || code == 538 || code == 432;
}
