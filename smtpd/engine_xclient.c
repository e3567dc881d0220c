/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XCLIENT: a proxy that is listed says who its client is. */
#include <string.h>
#include <strings.h>

#include "engine_internal.h"

#define VALUE_MAX 256U

static bool is_known(struct span name)
{
	static const char *const names[] = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

static bool take(struct engine *e, struct span word)
{
	struct str value = STR_INIT(VALUE_MAX);
	struct span rest = word, name;
	bool good = memchr(word.data, '=', word.len) && span_word(&rest, '=', &name) && is_known(name) && !engine_params_xtext(rest, &value);

	for (size_t i = 0; good && i < value.len; i++)
		good = (unsigned char)value.data[i] >= 0x20 && value.data[i] != 0x7f;
	if (good && (span_is_nocase(str_span(&value), "[UNAVAILABLE]") || span_is_nocase(str_span(&value), "[TEMPUNAVAIL]")))
		str_cut(&value, 0);
	if (good)
		e->ops->xclient(e->arg, name, str_span(&value));
	str_free(&value);
	return good;
}

void engine_xclient_verb(struct engine *e, struct span argument)
{
	struct span word;

	while (span_word(&argument, ' ', &word)) {
		if (word.len && !take(e, word)) {
			/* half of it may be believed already */
			engine_say(e, 421, "4.5.4", "XCLIENT has a wrong attribute; closing");
			return;
		}
	}
	engine_restart(e);
	e->ops->xclient_end(e->arg);
	if (!e->closes)
		engine_greet(e);
}
