/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A driver of smtpd's engine that writes down what it says and does: for the tests of the engine. */
#ifndef DEADDROP_TEST_SMTPD_DIALOGUE_H
#define DEADDROP_TEST_SMTPD_DIALOGUE_H

#include <stdlib.h>
#include <string.h>

#include "../../smtpd/engine.h"

struct dialogue {
	struct engine *engine;
	struct str replies;		/* all that was said */
	struct str events;		/* one line each */
	struct str body;		/* of the message under way */
	unsigned messages;
	bool starttls;
	unsigned end_code;		/* what end is answered with */
	bool refuse_begin;
};

static void dialogue_note(struct dialogue *d, const char *what, struct span text)
{
	if (str_add(&d->events, what) || str_add_char(&d->events, ' ') || str_add_span(&d->events, text) || str_add_char(&d->events, '\n'))
		abort();
}

static void dialogue_mail(void *arg, struct span sender, struct engine_answer *answer)
{
	dialogue_note(arg, "mail", sender);
	if (span_is(sender, "refused@b.example"))
		engine_answer_set(answer, 550, "5.7.1", "Not from you");
}

static void dialogue_recipient(void *arg, struct span recipient, struct engine_answer *answer)
{
	dialogue_note(arg, "rcpt", recipient);
	if (span_is(recipient, "z@elsewhere.example"))
		engine_answer_set(answer, 550, "5.7.1", "No relaying");
}

static void dialogue_begin(void *arg, struct engine_answer *answer)
{
	struct dialogue *d = arg;

	dialogue_note(d, "begin", span_of(engine_protocol(d->engine)));
	str_cut(&d->body, 0);
	if (d->refuse_begin)
		engine_answer_set(answer, 452, "4.3.1", "Not now");
}

static void dialogue_body(void *arg, struct span bytes)
{
	struct dialogue *d = arg;

	if (str_add_span(&d->body, bytes))
		abort();
}

static void dialogue_end(void *arg)
{
	struct dialogue *d = arg;
	const struct envelope *envelope = engine_envelope(d->engine);
	struct engine_answer answer;

	dialogue_note(d, "from", str_span(&envelope->sender));
	dialogue_note(d, "attributes", str_span(&envelope->lines));
	dialogue_note(d, "recipients", str_span(&envelope->rcpts));
	dialogue_note(d, "message", str_span(&d->body));
	d->messages++;
	engine_answer_set(&answer, d->end_code, "", "said by the queue");
	engine_settle(d->engine, &answer);
}

static void dialogue_cancel(void *arg)
{
	dialogue_note(arg, "cancel", span_of(""));
}

static void dialogue_starttls(void *arg)
{
	struct dialogue *d = arg;

	dialogue_note(d, "starttls", span_of(""));
	d->starttls = true;
}

/* "u" with the password "p" */
static void dialogue_auth_line(void *arg, struct span line)
{
	struct dialogue *d = arg;
	struct engine_answer answer;

	dialogue_note(d, "auth", line);
	engine_answer_set(&answer, 535, "5.7.8", "Wrong");
	if (memchr(line.data, '-', line.len))
		engine_answer_set(&answer, 501, "5.5.2", "No base64");
	if (span_is(line, "AHUAcA=="))
		engine_auth_done(d->engine);
	else
		engine_auth_failed(d->engine, &answer);
}

static void dialogue_auth(void *arg, struct span mechanism, struct span initial)
{
	struct dialogue *d = arg;

	dialogue_note(d, "mechanism", mechanism);
	if (initial.data)
		dialogue_auth_line(arg, initial);
	else
		engine_auth_challenge(d->engine, span_of(""));
}

static void dialogue_auth_cancel(void *arg)
{
	dialogue_note(arg, "auth-cancel", span_of(""));
}

static void dialogue_xclient(void *arg, struct span name, struct span value)
{
	dialogue_note(arg, "xclient", name);
	dialogue_note(arg, "xclient", value);
}

static void dialogue_xclient_end(void *arg)
{
	dialogue_note(arg, "xclient-end", span_of(""));
}

static void dialogue_refused(void *arg, struct span verb, struct span argument, const struct engine_answer *answer)
{
	dialogue_note(arg, "refused", verb);
	dialogue_note(arg, "refused", argument);
	dialogue_note(arg, "refused", span_of(answer->text));
}

static const struct engine_ops dialogue_ops = {
	.mail = dialogue_mail,
	.recipient = dialogue_recipient,
	.begin = dialogue_begin,
	.body = dialogue_body,
	.end = dialogue_end,
	.cancel = dialogue_cancel,
	.starttls = dialogue_starttls,
	.auth = dialogue_auth,
	.auth_line = dialogue_auth_line,
	.auth_cancel = dialogue_auth_cancel,
	.xclient = dialogue_xclient,
	.xclient_end = dialogue_xclient_end,
	.refused = dialogue_refused,
};

static void dialogue_open(struct dialogue *d, const struct engine_setup *setup)
{
	memset(d, 0, sizeof *d);
	d->replies = (struct str)STR_INIT(64U << 20);
	d->events = (struct str)STR_INIT(64U << 20);
	d->body = (struct str)STR_INIT(64U << 20);
	d->end_code = 250;
	d->engine = engine_new(setup, &dialogue_ops, d);
	if (!d->engine)
		abort();
	engine_set_auth_allowed(d->engine, true);
}

static void dialogue_close(struct dialogue *d)
{
	engine_free(d->engine);
	str_free(&d->replies);
	str_free(&d->events);
	str_free(&d->body);
}

static void dialogue_listen(struct dialogue *d)
{
	struct str *out = engine_out(d->engine);

	if (str_add_span(&d->replies, str_span(out)))
		abort();
	str_cut(out, 0);
}

/* As a session does: what waits behind a STARTTLS is an attack. */
static void dialogue_say(struct dialogue *d, const char *data, size_t len)
{
	while (len && !engine_closes(d->engine)) {
		size_t used = engine_feed(d->engine, data, len);

		data += used;
		len -= used;
		if (d->starttls) {
			d->starttls = false;
			engine_starttls(d->engine, len == 0);
		}
		dialogue_listen(d);
	}
}

#endif
