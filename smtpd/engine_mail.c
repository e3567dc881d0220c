/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MAIL and RCPT: the envelope. */
#include <errno.h>

#include "engine_internal.h"

#define PLAIN_MAX (ENVELOPE_ADDRESS_MAX + 256U)

static void set_sender(struct engine *e, const struct str *plain)
{
	struct engine_answer answer;

	engine_answer_set(&answer, 250, "2.1.0", "Sender ok");
	e->ops->mail(e->arg, str_span(plain), &answer);
	if (answer.code < 300 && envelope_set_sender(&e->envelope, str_span(plain)))
		engine_answer_set(&answer, errno == ENOMEM ? 452 : 501, errno == ENOMEM ? "4.3.1" : "5.1.7", "The sender cannot be kept");
	if (answer.code < 300)
		e->state = ENGINE_MAIL;
	else
		engine_reset(e);
	engine_answer(e, &answer);
}

void engine_mail_from(struct engine *e, struct span argument)
{
	struct str plain = STR_INIT(PLAIN_MAX);
	struct span path, rest = argument;

	engine_reset(e);
	if (!engine_path_cut(&rest, "FROM:", &path))
		engine_say(e, 501, "5.5.4", "Expected: MAIL FROM:<address>");
	else if (engine_params_mail(e, rest) || (path.len && engine_path_plain(e, path, e->utf8, &plain)))
		engine_reset(e);
	else
		set_sender(e, &plain);
	str_free(&plain);
}

static void too_many(struct engine *e)
{
	engine_say_limit(e, ENGINE_LIMIT_RECIPIENTS, 452, "4.5.3", "Too many recipients: %u is the most", e->setup->recipients);
}

/* What the envelope was before a recipient that does not come to be. */
struct mark {
	size_t len, count;
};

static void go_back(struct engine *e, struct mark mark)
{
	str_cut(&e->envelope.rcpts, mark.len);
	e->envelope.count = mark.count;
}

static void add_recipient(struct engine *e, const struct str *plain, struct span params)
{
	struct mark mark = { e->envelope.rcpts.len, e->envelope.count };
	struct engine_answer answer;

	if (envelope_add_recipient(&e->envelope, str_span(plain))) {
		engine_say(e, 452, "4.5.3", "The recipient cannot be kept");
		return;
	}
	if (engine_params_rcpt(e, params)) {
		go_back(e, mark);
		return;
	}
	engine_answer_set(&answer, 250, "2.1.5", "Recipient ok");
	e->ops->recipient(e->arg, str_span(plain), &answer);
	if (answer.code < 300)
		e->state = ENGINE_RCPT;
	else
		go_back(e, mark);
	engine_answer(e, &answer);
}

void engine_mail_rcpt(struct engine *e, struct span argument)
{
	struct str plain = STR_INIT(PLAIN_MAX);
	struct span path, rest = argument;

	if (!engine_path_cut(&rest, "TO:", &path))
		engine_say(e, 501, "5.5.4", "Expected: RCPT TO:<address>");
	else if (!path.len)
		engine_say(e, 501, "5.1.3", "A recipient is never empty");
	else if (e->envelope.count >= e->setup->recipients)
		too_many(e);
	else if (!engine_path_plain(e, path, e->utf8, &plain))
		add_recipient(e, &plain, rest);
	str_free(&plain);
}
