/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "received.h"

#include <string.h>

#include "date.h"

#define CLIENT_MAX 200U
#define WORD_MAX 32U

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A value as it may stand in a comment or as an atom: letters, digits and what harmless says. */
static int put_clean(struct str *out, struct span value, const char *harmless, size_t most)
{
	size_t len = value.len < most ? value.len : most;

	if (str_reserve(out, len))
		return -1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (str_add_char(out, is_alnum(c) || (c && strchr(harmless, c)) ? (char)c : '?'))
			return -1;
	}
	return 0;
}

static int put_from(struct str *out, const struct received *r)
{
	struct span helo = r->helo.len ? r->helo : span_of("unknown");

	if (str_add(out, " from ") || put_clean(out, helo, ".-_:[]", CLIENT_MAX))
		return -1;
	if (!r->client.len)
		return 0;
	return str_add(out, " (") || put_clean(out, r->client, " .-_:[]@/=+,", CLIENT_MAX) || str_add_char(out, ')') ? -1 : 0;
}

static int put_all(struct str *out, const struct received *r)
{
	char id[ID_TEXT_MAX];
	bool remote = r->client.len || r->helo.len;

	id_text(r->id, id);
	if (str_add(out, "Received:") || (remote && !r->hide && put_from(out, r)) || str_add(out, " by ")
	    || put_clean(out, r->host, ".-_", RECEIVED_HOST_MAX))
		return -1;
	if (!remote && (str_add(out, " (deaddrop ") || put_clean(out, r->origin, "-_", WORD_MAX)
	    || str_printf(out, ", uid %lu)", (unsigned long)r->uid)))
		return -1;
	if (r->proto.len && (str_add(out, " with ") || put_clean(out, r->proto, "-", WORD_MAX)))
		return -1;
	if (str_add(out, " id ") || str_add(out, id) || str_add(out, ";\n\t") || date_put(out, r->arrival))
		return -1;
	return str_add_char(out, '\n');
}

int received_put(struct str *out, const struct received *received)
{
	size_t before = out->len;

	if (put_all(out, received)) {
		str_cut(out, before);
		return -1;
	}
	return 0;
}
