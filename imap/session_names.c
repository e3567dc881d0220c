/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the server says of its names: the prefix of ours, and the separator between levels. */
#include "session_internal.h"

/* NAMESPACE: the first personal one, (("INBOX." ".")) … */
void session_names_namespace(struct session *s, const struct response *response)
{
	struct str value = STR_INIT(MAILBOX_MAX), prefix = STR_INIT(MAILBOX_MAX);
	struct span data = response->data;

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "NAMESPACE") && response_next(&data, &value) == RESPONSE_OPEN &&
	    response_next(&data, &value) == RESPONSE_OPEN && response_next(&data, &prefix) == RESPONSE_STRING) {
		str_set(&s->prefix, str_span(&prefix));
		if (response_next(&data, &value) == RESPONSE_STRING && value.len == 1)
			s->separator = *value.data;
	}
	str_free(&value);
	str_free(&prefix);
}

/* LIST (\Noselect) "/" "" */
void session_names_list(struct session *s, const struct response *response)
{
	struct str value = STR_INIT(MAILBOX_MAX);
	struct span data = response->data;
	enum response_token token;

	if (response->kind == RESPONSE_DATA && span_is_nocase(response->word, "LIST") && response_next(&data, &value) == RESPONSE_OPEN) {
		while ((token = response_next(&data, &value)) != RESPONSE_CLOSE && token != RESPONSE_END)
			;
		if (response_next(&data, &value) == RESPONSE_STRING && value.len == 1)
			s->separator = *value.data;
	}
	str_free(&value);
}
