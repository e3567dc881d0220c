/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parameters of MAIL and RCPT: one table, a function each. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "engine_internal.h"

#define ENVID_MAX 100U			/* RFC 3461 4.4 */
#define ORCPT_MAX 500U			/* RFC 3461 4.2 */

/* xtext (RFC 3461 4): "!" to "~" without "+" and "=", and +HH. */
int engine_params_xtext(struct span text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		static const char digits[] = "0123456789ABCDEF";
		const char *high, *low;

		if (c < '!' || c > '~' || c == '=')
			return -1;
		if (c == '+') {
			if (text.len - i < 3 || !text.data[i + 1] || !text.data[i + 2])
				return -1;
			high = strchr(digits, text.data[i + 1]);
			low = strchr(digits, text.data[i + 2]);
			if (!high || !low)
				return -1;
			c = (unsigned char)((high - digits) * 16 + (low - digits));
			i += 2;
		}
		if (out && str_add_char(out, (char)c))
			return -1;
	}
	return 0;
}

static unsigned bad(struct engine *e, const char *name)
{
	engine_say(e, 501, "5.5.4", "%s has a wrong value", name);
	return 501;
}

static unsigned keep(struct engine *e, const char *name, struct span value)
{
	if (!envelope_add_attribute(&e->envelope, span_of(name), value))
		return 0;
	if (errno != ENOMEM)
		return bad(e, name);
	engine_say(e, 452, "4.3.1", "Out of memory");
	return 452;
}

static unsigned keep_of_recipient(struct engine *e, const char *name, struct span value)
{
	if (!envelope_add_recipient_attribute(&e->envelope, span_of(name), value))
		return 0;
	engine_say(e, errno == EINVAL ? 501 : 452, errno == EINVAL ? "5.5.4" : "4.5.3", "%s cannot be kept", name);
	return 452;
}

/* ---- MAIL ---- */

static unsigned take_size(struct engine *e, struct span value)
{
	uint64_t size;
	bool fits = !span_decimal(value, UINT64_MAX, &size);

	if (!fits && errno != ERANGE)
		return bad(e, "SIZE");
	if (fits && size <= e->setup->size)
		return 0;
	engine_say_limit(e, ENGINE_LIMIT_SIZE, 552, "5.3.4", "The message is larger than %llu bytes", (unsigned long long)e->setup->size);
	return 552;
}

static unsigned take_body(struct engine *e, struct span value)
{
	if (span_is_nocase(value, "7BIT"))
		return keep(e, "body", span_of("7bit"));
	if (span_is_nocase(value, "8BITMIME"))
		return keep(e, "body", span_of("8bitmime"));
	return bad(e, "BODY");
}

static unsigned take_utf8(struct engine *e, struct span value)
{
	(void)value;
	if (!e->setup->utf8) {
		engine_say(e, 555, "5.5.4", "SMTPUTF8 is not served");
		return 555;
	}
	e->utf8 = true;
	return keep(e, "smtputf8", span_of("1"));
}

static unsigned take_ret(struct engine *e, struct span value)
{
	if (span_is_nocase(value, "FULL"))
		return keep(e, "ret", span_of("full"));
	if (span_is_nocase(value, "HDRS"))
		return keep(e, "ret", span_of("hdrs"));
	return bad(e, "RET");
}

static unsigned take_envid(struct engine *e, struct span value)
{
	if (value.len > ENVID_MAX || engine_params_xtext(value, NULL))
		return bad(e, "ENVID");
	return keep(e, "envid", value);
}

/* Who the client says had authenticated (RFC 4954 5): checked, and not believed. */
static unsigned take_auth(struct engine *e, struct span value)
{
	return engine_params_xtext(value, NULL) ? bad(e, "AUTH") : 0;
}

/* ---- RCPT ---- */

static unsigned take_notify(struct engine *e, struct span value)
{
	static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
	char clean[32] = "";
	struct str list = STR_INIT(sizeof clean);
	unsigned seen = 0, code;
	struct span word, rest = value;
	bool good = value.len && value.data[value.len - 1] != ',';

	while (good && span_word(&rest, ',', &word)) {
		size_t i = 0;

		while (i < 4 && !span_is_nocase(word, words[i]))
			i++;
		good = i < 4 && !(seen & 1U << i);
		seen |= 1U << i;
		if (good && ((list.len && str_add_char(&list, ',')) || str_add(&list, words[i])))
			good = false;
	}
	if (!good || ((seen & 1) && seen != 1)) {
		str_free(&list);
		return bad(e, "NOTIFY");
	}
	for (size_t i = 0; i < list.len; i++)
		list.data[i] = (char)tolower((unsigned char)list.data[i]);
	code = keep_of_recipient(e, "notify", str_span(&list));
	str_free(&list);
	return code;
}

/* type;xtext.  With SMTPUTF8 the type may be utf-8, whose text may be UTF-8 itself (RFC 6533). */
static unsigned take_orcpt(struct engine *e, struct span value)
{
	struct span rest = value, type;

	if (value.len > ORCPT_MAX || !memchr(value.data, ';', value.len) || !span_word(&rest, ';', &type) || !type.len || !rest.len)
		return bad(e, "ORCPT");
	for (size_t i = 0; i < type.len; i++)
		if (!isalnum((unsigned char)type.data[i]) && type.data[i] != '-')
			return bad(e, "ORCPT");
	if (!(e->utf8 && span_is_nocase(type, "utf-8")) && engine_params_xtext(rest, NULL))
		return bad(e, "ORCPT");
	return keep_of_recipient(e, "orcpt", value);
}

/* ---- the table ---- */

struct param {
	const char *name;
	unsigned (*take)(struct engine *e, struct span value);
	bool value;			/* it has one, or must not */
};

static const struct param of_mail[] = {
	{ "SIZE", take_size, true }, { "BODY", take_body, true }, { "SMTPUTF8", take_utf8, false }, { "RET", take_ret, true },
	{ "ENVID", take_envid, true }, { "AUTH", take_auth, true }, { NULL, NULL, false },
};
static const struct param of_rcpt[] = { { "NOTIFY", take_notify, true }, { "ORCPT", take_orcpt, true }, { NULL, NULL, false } };

static bool is_keyword(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.data[i]) && (name.data[i] != '-' || !i))
			return false;
	return name.len > 0;
}

static unsigned take(struct engine *e, const struct param *params, struct span word, unsigned *seen)
{
	struct span value = word, name;
	bool has_value = memchr(word.data, '=', word.len);

	(void)span_word(&value, '=', &name);
	if (!is_keyword(name)) {
		engine_say(e, 501, "5.5.4", "A parameter is expected behind the address");
		return 501;
	}
	for (size_t i = 0; params[i].name; i++) {
		if (!span_is_nocase(name, params[i].name))
			continue;
		if (*seen & 1U << i || has_value != params[i].value || (has_value && !value.len))
			return bad(e, params[i].name);
		*seen |= 1U << i;
		return params[i].take(e, value);
	}
	engine_say(e, 555, "5.5.4", "Unknown parameter");
	return 555;
}

static unsigned take_all(struct engine *e, const struct param *params, struct span rest)
{
	unsigned seen = 0, code = 0;

	for (rest = span_trim(rest); rest.len && !code; rest = span_trim(rest)) {
		size_t n = 0;

		while (n < rest.len && rest.data[n] != ' ' && rest.data[n] != '\t')
			n++;
		code = take(e, params, (struct span){ rest.data, n }, &seen);
		rest = span_skip(rest, n);
	}
	return code;
}

unsigned engine_params_mail(struct engine *e, struct span rest) { return take_all(e, of_mail, rest); }
unsigned engine_params_rcpt(struct engine *e, struct span rest) { return take_all(e, of_rcpt, rest); }
