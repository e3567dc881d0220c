/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Paths (RFC 5321 4.1.2): <local@domain>, <@route:local@domain>, <>, and without the brackets, as people and old programs write them.  What lib/address
 * takes in header fields and an envelope must not hold, comments and blanks, is refused here.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "engine_internal.h"

/* Up to the > that is not quoted.  -1: there is none. */
static long find_end(struct span text)
{
	bool quoted = false;

	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '"')
			quoted = !quoted;
		else if (text.data[i] == '>' && !quoted)
			return (long)i;
	}
	return -1;
}

/* The end of a bare word, which may have a quoted local part. */
static size_t word_end(struct span text)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < text.len && (quoted || (text.data[i] != ' ' && text.data[i] != '\t')); i++) {
		if (text.data[i] == '\\' && i + 1 < text.len)
			i++;
		else if (text.data[i] == '"')
			quoted = !quoted;
	}
	return i;
}

bool engine_path_cut(struct span *rest, const char *keyword, struct span *path)
{
	size_t n = strlen(keyword);

	if (rest->len < n || strncasecmp(rest->data, keyword, n))
		return false;
	*rest = span_trim(span_skip(*rest, n));
	if (!rest->len)
		return false;
	if (rest->data[0] == '<') {
		long end = find_end(*rest);

		if (end < 0)
			return false;
		*path = (struct span){ rest->data + 1, (size_t)end - 1 };
		*rest = span_skip(*rest, (size_t)end + 1);
		/* what follows is separated by a blank */
		return !rest->len || rest->data[0] == ' ' || rest->data[0] == '\t';
	}
	n = word_end(*rest);
	*path = (struct span){ rest->data, n };
	*rest = span_skip(*rest, n);
	return true;
}

/* No comments, blanks or brackets outside of quotes. */
static bool is_tight(struct span path)
{
	bool quoted = false;

	for (size_t i = 0; i < path.len; i++) {
		if (path.data[i] == '\\')
			i++;
		else if (path.data[i] == '"')
			quoted = !quoted;
		else if (!quoted && memchr(" \t()<>;", path.data[i], 7))
			return false;
	}
	return true;
}

static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

static unsigned bad(struct engine *e)
{
	engine_say(e, 501, "5.1.3", "The address is malformed");
	return 501;
}

static unsigned no_memory(struct engine *e)
{
	engine_say(e, 452, "4.3.1", "Out of memory");
	return 452;
}

unsigned engine_path_plain(struct engine *e, struct span path, bool utf8, struct str *out)
{
	struct str plain = STR_INIT(ENVELOPE_ADDRESS_MAX);
	unsigned code = 0;

	if (!utf8 && !is_ascii(path)) {
		engine_say(e, 553, "5.6.7", "An address beyond ASCII needs SMTPUTF8");
		return 553;
	}
	if (!is_tight(path))
		return bad(e);
	if (address_plain(&plain, path))
		code = errno == ENOMEM ? no_memory(e) : bad(e);
	else if (!plain.len || !address_is_valid(str_span(&plain), utf8))
		code = bad(e);
	else if (address_qualify(out, str_span(&plain), span_of(e->setup->name)))
		code = errno == ENOMEM ? no_memory(e) : bad(e);
	str_free(&plain);
	return code;
}
