/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "qualify.h"

#include "address.h"

#define PLAIN_MAX (64U * 1024)

/* Where the text of a spec ends, before blanks and comments. */
static const char *text_end(struct span spec)
{
	const char *end = spec.data;
	size_t i, depth = 0;
	bool quoted = false;

	for (i = 0; i < spec.len; i++) {
		char c = spec.data[i];
		bool pair = c == '\\' && i + 1 < spec.len;

		if (!quoted && c == '(')
			depth++;
		else if (!quoted && c == ')' && depth > 0)
			depth--;
		else if (depth == 0) {
			if (c == '"')
				quoted = !quoted;
			if (quoted || (c != ' ' && c != '\t' && c != '\r' && c != '\n'))
				end = spec.data + i + 1 + pair;
		}
		i += pair;
	}
	return end;
}

static int copy(struct spill *out, const char *begin, const char *end)
{
	return out ? spill_add(out, (struct span){ begin, (size_t)(end - begin) }) : 0;
}

/* One address that was found.  *copied goes on. */
static int found(const struct address *address, struct span host, struct str *plain, struct spill *out, const char **copied)
{
	struct span local, domain;
	const char *end;

	str_cut(plain, 0);
	if (address_plain(plain, address->spec) < 0)
		return 1;
	if (host.len == 0 || plain->len == 0 || address_split(str_span(plain), &local, &domain))
		return 0;
	if (str_add_char(plain, '@') < 0 || str_add_span(plain, host) < 0)
		return 1;
	end = text_end(address->spec);
	if (copy(out, *copied, end) < 0 || (out && (spill_add(out, (struct span){ "@", 1 }) < 0 || spill_add(out, host) < 0)))
		return -1;
	*copied = end;
	return 0;
}

int qualify_addresses(struct span list, struct span host, struct spill *out, qualify_fn *each, void *arg)
{
	struct str plain = STR_INIT(PLAIN_MAX);
	struct span rest = list;
	struct address address;
	const char *copied = list.data;
	int kind, r = 0, bad;

	while (r == 0 && (kind = address_next(&rest, &address)) != 0) {
		bad = kind < 0 ? 1 : found(&address, host, &plain, out, &copied);
		if (bad < 0)
			r = -1;
		else if (each)
			r = each(arg, bad ? address.whole : str_span(&plain), !bad);
	}
	str_free(&plain);
	return r == 0 ? copy(out, copied, list.data + list.len) : r;
}
