/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "address.h"
#include "address_lex.h"
#include "address_spec.h"
#include "envelope.h"
#include "text.h"
#include "words.h"

static bool needs_quotes(struct span local)
{
	char before = '.';		/* a dot at the begin is like two */

	for (size_t i = 0; i < local.len; before = local.data[i++])
		if (local.data[i] == '.' ? before == '.' : !address_spec_is_text((unsigned char)local.data[i]))
			return true;
	return before == '.';
}

static int put_local(struct str *out, struct span local)
{
	if (!needs_quotes(local))
		return str_add_span(out, local);
	if (str_add_char(out, '"') < 0)
		return -1;
	for (size_t i = 0; i < local.len; i++) {
		if ((local.data[i] == '"' || local.data[i] == '\\') && str_add_char(out, '\\') < 0)
			return -1;
		if (str_add_char(out, local.data[i]) < 0)
			return -1;
	}
	return str_add_char(out, '"');
}

int address_plain(struct str *out, struct span spec)
{
	struct str local = STR_INIT(spec.len), domain = STR_INIT(spec.len);
	size_t before = out->len;
	int error = address_spec_take(&spec, true, &local, &domain);

	if (error == 0 && (!address_lex_skip(&spec) || spec.len > 0)) {
		errno = EINVAL;
		error = -1;
	}
	if (error == 0 && (put_local(out, str_span(&local)) < 0 || str_add_span(out, str_span(&domain)) < 0)) {
		str_cut(out, before);
		error = -1;
	}
	str_free(&local);
	str_free(&domain);
	return error;
}

bool address_split(struct span plain, struct span *local, struct span *domain)
{
	size_t at = plain.len;

	/* A domain does not end in a quote: an @ before one is within a quoted local part. */
	if (plain.len > 0 && plain.data[plain.len - 1] != '"')
		while (at > 0 && plain.data[at - 1] != '@')
			at--;
	else
		at = 0;
	if (at == 0) {
		*local = plain;
		*domain = span_skip(plain, plain.len);
		return false;
	}
	*local = (struct span){ plain.data, at - 1 };
	*domain = span_skip(plain, at);
	return true;
}

int address_qualify(struct str *out, struct span plain, struct span host)
{
	struct span local, domain;
	size_t before = out->len;

	if (str_add_span(out, plain) < 0)
		return -1;
	if (plain.len == 0 || host.len == 0 || address_split(plain, &local, &domain))
		return 0;
	if (str_add_char(out, '@') == 0 && str_add_span(out, host) == 0)
		return 0;
	str_cut(out, before);
	return -1;
}

static bool is_quoted(struct span local)
{
	if (local.len < 2 || local.data[0] != '"' || local.data[local.len - 1] != '"')
		return false;
	for (size_t i = 1; i < local.len - 1; i++) {
		if (local.data[i] == '"')
			return false;
		if (local.data[i] == '\\' && ++i == local.len - 1)
			return false;
	}
	return true;
}

static bool is_local(struct span local)
{
	if (is_quoted(local))
		return true;
	for (size_t i = 0; i < local.len; i++)
		if (local.data[i] != '.' && !address_spec_is_text((unsigned char)local.data[i]))
			return false;
	return local.len > 0;
}

static bool is_domain(struct span domain)
{
	char before = '.';

	if (address_spec_is_literal(domain))
		return true;
	for (size_t i = 0; i < domain.len; before = domain.data[i++])
		if (domain.data[i] == '.' ? before == '.' : !address_spec_is_domain((unsigned char)domain.data[i]))
			return false;
	return domain.len > 0;
}

static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

bool address_is_valid(struct span plain, bool utf8)
{
	struct span local, domain;

	if (plain.len == 0)
		return true;
	if (!text_is_clean(plain, ENVELOPE_ADDRESS_MAX) || !(utf8 ? words_is_utf8(plain) : is_ascii(plain)))
		return false;
	return address_split(plain, &local, &domain) ? is_local(local) && is_domain(domain) : is_local(local);
}
