/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the server says that it can do. */
#include <string.h>
#include <strings.h>

#include "session_internal.h"

static const struct { const char *name; unsigned bit; } capability_names[] = {
	{ "IMAP4rev1", SESSION_IMAP4 }, { "IMAP4rev2", SESSION_IMAP4 | SESSION_LITERAL_MINUS | SESSION_SASL_IR | SESSION_NAMESPACE | SESSION_UIDPLUS | SESSION_ENABLE },
	{ "STARTTLS", SESSION_STARTTLS }, { "LOGINDISABLED", SESSION_LOGINDISABLED }, { "SASL-IR", SESSION_SASL_IR }, { "LITERAL+", SESSION_LITERAL_PLUS },
	{ "LITERAL-", SESSION_LITERAL_MINUS }, { "MULTIAPPEND", SESSION_MULTIAPPEND }, { "UIDPLUS", SESSION_UIDPLUS }, { "NAMESPACE", SESSION_NAMESPACE },
	{ "BINARY", SESSION_BINARY }, { "UTF8=ACCEPT", SESSION_UTF8 }, { "UTF8=ONLY", SESSION_UTF8 }, { "ID", SESSION_ID }, { "ENABLE", SESSION_ENABLE },
	{ "APPENDLIMIT", SESSION_APPENDLIMIT },
};

void session_capabilities(struct session *s, struct span list)
{
	struct span word;

	s->capabilities = 0;
	s->append_limit = 0;
	str_cut(&s->limited, 0);
	s->capabilities_told = true;
	str_cut(&s->mechanisms, 0);
	str_set(&s->capability_text, list);
	while (span_word(&list, ' ', &word)) {
		uint64_t limit;

		for (size_t i = 0; i < sizeof capability_names / sizeof capability_names[0]; i++)
			if (span_is_nocase(word, capability_names[i].name))
				s->capabilities |= capability_names[i].bit;
		if (word.len > 5 && !strncasecmp(word.data, "AUTH=", 5)) {
			str_add_span(&s->mechanisms, span_skip(word, 5));
			str_add_char(&s->mechanisms, ' ');
		}
		if (word.len > 12 && !strncasecmp(word.data, "APPENDLIMIT=", 12) && !span_decimal(span_skip(word, 12), UINT64_MAX, &limit))
			s->append_limit = limit;
	}
}
