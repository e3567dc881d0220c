/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AUTH (RFC 4954): the frame; what is said in it is the driver's business. */
#include <string.h>
#include <strings.h>

#include "engine_internal.h"

/* Whether name is a word of the list. */
static bool is_offered(const char *list, struct span name)
{
	struct span rest = span_of(list), word;

	while (span_word(&rest, ' ', &word))
		if (word.len == name.len && !strncasecmp(word.data, name.data, name.len))
			return true;
	return false;
}

static const char auth_word[] = "AUTH";

/* The log must not show what may be a password. */
static void hide(struct engine *e)
{
	e->command = (struct engine_command){ span_of(auth_word), span_of("") };
}

void engine_auth_verb(struct engine *e, struct span argument)
{
	struct span mechanism, initial = argument;

	hide(e);
	(void)span_word(&initial, ' ', &mechanism);
	initial = span_trim(initial);
	if (!e->setup->mechanisms) {
		engine_say(e, 503, "5.5.1", "AUTH is not served");
	} else if (e->authenticated) {
		engine_say(e, 503, "5.5.1", "You are authenticated already");
	} else if (!is_offered(e->setup->mechanisms, mechanism)) {
		engine_say(e, 504, "5.5.4", "This mechanism is not served");
	} else if (!e->tls && !e->auth_allowed) {
		engine_say(e, 538, "5.7.11", "AUTH needs TLS first");
	} else {
		e->waits = true;
		e->ops->auth(e->arg, mechanism, initial.len ? initial : (struct span){ NULL, 0 });
	}
}

size_t engine_auth_feed(struct engine *e, const char *data, size_t len)
{
	struct span line;
	bool whole, over;
	size_t used = engine_take_line(e, data, len, ENGINE_AUTH_LINE_MAX, &line, &whole, &over);

	if (!whole && !over)
		return used;
	hide(e);
	if (over) {
		/* the rest of the line is neither an answer nor a command */
		e->ops->auth_cancel(e->arg);
		e->mode = whole ? ENGINE_COMMAND : ENGINE_SKIP_LINE;
		if (whole)
			engine_too_long(e);
	} else {
		e->lines++;
		e->mode = ENGINE_COMMAND;
		if (span_is(line, "*")) {
			e->ops->auth_cancel(e->arg);
			engine_say(e, 501, "5.7.0", "Cancelled");
		} else {
			e->waits = true;
			e->ops->auth_line(e->arg, line);
		}
	}
	str_wipe(&e->line);
	return used;
}

void engine_auth_challenge(struct engine *e, struct span base64)
{
	if (!e->waits)
		return;
	e->waits = false;
	e->mode = ENGINE_AUTH;
	engine_put_line(e, 334, false, base64);
}

void engine_auth_done(struct engine *e)
{
	if (!e->waits)
		return;
	e->waits = false;
	e->authenticated = true;
	engine_say(e, 235, "2.7.0", "Welcome");
}

void engine_auth_failed(struct engine *e, const struct engine_answer *answer)
{
	if (!e->waits)
		return;
	e->waits = false;
	hide(e);
	engine_answer(e, answer);
}
