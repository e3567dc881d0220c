/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "compose.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "address.h"
#include "clock.h"
#include "date.h"
#include "id.h"
#include "message.h"
#include "qualify.h"

#define BAD_MAX 1024		/* bytes of the text about what was no address */
#define BAD_EACH 80
#define ADDED_MAX (2 * RECIPIENTS_BYTES_MAX)

enum {
	SEEN_FROM = 1, SEEN_DATE = 2, SEEN_ID = 4, SEEN_TO = 8, SEEN_RESENT = 16, SEEN_RESENT_FROM = 32, SEEN_RESENT_DATE = 64, SEEN_RESENT_ID = 128,
	SEEN_RESENT_TO = 256, SEEN_MIME = 512, SEEN_TYPE = 1024, SEEN_ENCODING = 2048
};

enum { QUALIFY = 1, COLLECT = 2, DROP = 4 };

struct rule {
	const char *name;
	unsigned seen, action;
};

static const struct rule rules[] = {
	{ "From", SEEN_FROM, QUALIFY },
	{ "Sender", 0, QUALIFY },
	{ "Reply-To", 0, QUALIFY },
	{ "To", SEEN_TO, QUALIFY | COLLECT },
	{ "Cc", SEEN_TO, QUALIFY | COLLECT },
	{ "Bcc", 0, COLLECT | DROP },
	{ "Date", SEEN_DATE, 0 },
	{ "Message-ID", SEEN_ID, 0 },
	{ "MIME-Version", SEEN_MIME, 0 },
	{ "Content-Type", SEEN_TYPE, 0 },
	{ "Content-Transfer-Encoding", SEEN_ENCODING, 0 },
	{ "Return-Path", 0, DROP },
	{ "Resent-From", SEEN_RESENT | SEEN_RESENT_FROM, QUALIFY },
	{ "Resent-Sender", SEEN_RESENT, QUALIFY },
	{ "Resent-Reply-To", SEEN_RESENT, QUALIFY },
	{ "Resent-To", SEEN_RESENT | SEEN_RESENT_TO, QUALIFY | COLLECT },
	{ "Resent-Cc", SEEN_RESENT | SEEN_RESENT_TO, QUALIFY | COLLECT },
	{ "Resent-Bcc", SEEN_RESENT | SEEN_RESENT_TO, COLLECT | DROP },
	{ "Resent-Date", SEEN_RESENT | SEEN_RESENT_DATE, 0 },
	{ "Resent-Message-ID", SEEN_RESENT | SEEN_RESENT_ID, 0 },
};

void compose_init(struct compose *c, const struct settings *settings, bool collect)
{
	*c = (struct compose){ .settings = settings, .collect = collect, .bad = STR_INIT(BAD_MAX), .top = STR_INIT(ADDED_MAX),
	    .bottom = STR_INIT(ADDED_MAX), .error = STR_INIT(2 * BAD_MAX) };
	recipients_init(&c->plain);
	recipients_init(&c->resent);
	spill_init(&c->header, COMPOSE_KEPT_MAX);
}

void compose_free(struct compose *c)
{
	recipients_free(&c->plain);
	recipients_free(&c->resent);
	spill_free(&c->header);
	str_free(&c->bad);
	str_free(&c->top);
	str_free(&c->bottom);
	str_free(&c->error);
}

static int fail(struct compose *c, int code, const char *what)
{
	if (c->code == 0) {
		c->code = code;
		str_printf(&c->error, "%s", what);
	}
	return -1;
}

static int fail_spill(struct compose *c)
{
	int saved = errno;

	fail(c, EX_TEMPFAIL, "cannot keep the header, over 1 MiB, in a temporary file in /var/tmp or /tmp: ");
	str_add(&c->error, strerror(saved));
	return -1;
}

void compose_bad(struct compose *c, struct span text)
{
	if (text.len > BAD_EACH)
		text.len = BAD_EACH;
	if (text.len == 0 || c->bad.len + text.len + 2 > BAD_MAX)
		return;
	if (c->bad.len > 0)
		str_add(&c->bad, ", ");
	str_add_span(&c->bad, text);
}

static const struct rule *find_rule(struct span name)
{
	static const struct rule other = { "", 0, 0 };
	size_t i;

	for (i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (span_is_nocase(name, rules[i].name))
			return &rules[i];
	return &other;
}

struct collector {
	struct compose *compose;
	struct recipients *set;
};

static int collect(void *arg, struct span address, bool good)
{
	struct collector *to = arg;

	if (good && address.len > 0 && recipients_add(to->set, address) == 0)
		return 0;
	if (good && errno != EINVAL) {
		fail(to->compose, EX_TEMPFAIL, errno == EMSGSIZE ? "the header names too many recipients: over 8 MiB of addresses"
		    : "out of memory for recipients");
		return 1;
	}
	compose_bad(to->compose, address);
	return 0;
}

/* The addresses of a field, whose name and colon are in the header already if it stays. */
static int take_addresses(struct compose *c, const struct rule *rule, struct span value)
{
	struct collector to = { c, rule->seen & SEEN_RESENT ? &c->resent : &c->plain };
	bool wanted = c->collect && (rule->action & COLLECT);
	struct spill *out = rule->action & DROP ? NULL : &c->header;

	if (!wanted && (!c->settings->qualify || !out))
		return out && spill_add(out, value) < 0 ? fail_spill(c) : 0;
	if (!c->settings->qualify && out) {
		if (spill_add(out, value) < 0)
			return fail_spill(c);
		out = NULL;
	}
	if (qualify_addresses(value, str_span(&c->settings->name), out, wanted ? collect : NULL, &to) < 0)
		return fail_spill(c);
	return c->code == 0 ? 0 : -1;
}

/* A From that is replaced stays under another name. */
static int put_old_from(struct compose *c, const struct rule *rule)
{
	if (!(rule->seen & SEEN_FROM) || c->settings->from != SETTINGS_FROM_REPLACE)
		return 0;
	c->seen &= ~(unsigned)SEEN_FROM;
	return spill_add(&c->header, span_of("X-Original-")) < 0 ? fail_spill(c) : 0;
}

int compose_field(struct compose *c, struct span text)
{
	struct span rest = text, head;
	struct message_field field;
	const struct rule *rule;

	if (c->code != 0)
		return -1;
	if (!message_next(&rest, &field))
		return fail(c, EX_SOFTWARE, "a header field is no field");
	rule = find_rule(field.name);
	c->seen |= rule->seen;
	if (put_old_from(c, rule) < 0)
		return -1;
	head = (struct span){ text.data, (size_t)(field.value.data - text.data) };
	if (!(rule->action & (QUALIFY | COLLECT | DROP)))
		head = text;
	if (!(rule->action & DROP) && spill_add(&c->header, head) < 0)
		return fail_spill(c);
	return rule->action & (QUALIFY | COLLECT) ? take_addresses(c, rule, field.value) : 0;
}

/* A field over SPLIT_FIELD_MAX is left as it is or left out, but it is not searched for addresses. */
int compose_part(struct compose *c, struct span part)
{
	struct span rest = part;
	struct message_field field;
	const struct rule *rule;

	if (c->code != 0)
		return -1;
	if (!message_next(&rest, &field))
		return fail(c, EX_SOFTWARE, "a header field is no field");
	rule = find_rule(field.name);
	c->seen |= rule->seen;
	c->dropping = rule->action & DROP;
	if (c->collect && (rule->action & COLLECT)) {
		fail(c, EX_DATAERR, "no recipients can be taken from a header field of over 1 MiB; name them as arguments: ");
		str_add(&c->error, rule->name);
		return -1;
	}
	return put_old_from(c, rule) < 0 ? -1 : compose_rest(c, part);
}

int compose_rest(struct compose *c, struct span part)
{
	if (c->code != 0)
		return -1;
	return !c->dropping && spill_add(&c->header, part) < 0 ? fail_spill(c) : 0;
}

bool compose_lacks_author(const struct compose *c)
{
	if (c->settings->from == SETTINGS_FROM_LEAVE)
		return false;
	if (c->settings->from == SETTINGS_FROM_REPLACE)
		return true;
	return c->seen & SEEN_RESENT ? !(c->seen & SEEN_RESENT_FROM) : !(c->seen & SEEN_FROM);
}

struct recipients *compose_recipients(struct compose *c)
{
	return c->seen & SEEN_RESENT_TO ? &c->resent : &c->plain;
}

static int put_author(struct str *out, const char *field, struct span author, struct span name)
{
	int r = str_add(out, field);

	if (name.len > 0) {
		r |= address_put_name(out, name);
		r |= str_add(out, " <");
	}
	r |= str_add_span(out, author);
	return r | str_add(out, name.len > 0 ? ">\n" : "\n");
}

static int put_date(struct str *out, const char *field)
{
	int r = str_add(out, field);

	tzset();
	r |= date_put(out, clock_wall());
	return r | str_add_char(out, '\n');
}

static int put_id(struct str *out, const char *field, struct span host)
{
	uint64_t bits;
	int r = id_random(&bits, sizeof bits);

	r |= str_printf(out, "%s<", field);
	r |= str_add_decimal(out, clock_wall(), 1);
	r |= str_add_char(out, '.');
	r |= str_add_hex(out, bits, 16);
	r |= str_add_char(out, '@');
	r |= str_add_span(out, host);
	return r | str_add(out, ">\n");
}

/* To: one recipient a line. */
static int put_list(struct str *out, const struct recipients *listed)
{
	struct span rest = str_span(&listed->text), address;
	const char *before = "To: ";
	int r = 0;

	while (r == 0 && recipients_next(&rest, &address)) {
		r |= str_add(out, before);
		r |= str_add_span(out, address);
		before = ",\n\t";
	}
	return r | str_add_char(out, '\n');
}

/* Where it is asked for: says of text that it is text, and of what is labelled by half that it is labelled. */
static int put_mime(struct str *out, unsigned seen, const struct str *charset)
{
	int r = 0;

	if (charset->len == 0)
		return 0;
	if (!(seen & SEEN_MIME))
		r |= str_add(out, "MIME-Version: 1.0\n");
	if (seen & SEEN_TYPE)
		return r;
	r |= str_printf(out, "Content-Type: text/plain; charset=%s\n", charset->data);
	return seen & SEEN_ENCODING ? r : r | str_add(out, "Content-Transfer-Encoding: 8bit\n");
}

int compose_complete(struct compose *c, struct span author, struct span name, const struct recipients *listed)
{
	struct span host = str_span(&c->settings->name);
	bool resent = c->seen & SEEN_RESENT;
	int r = 0;

	if (resent && !(c->seen & SEEN_RESENT_DATE))
		r |= put_date(&c->top, "Resent-Date: ");
	if (resent && !(c->seen & SEEN_RESENT_FROM) && c->settings->from != SETTINGS_FROM_LEAVE)
		r |= put_author(&c->top, "Resent-From: ", author, name);
	if (resent && !(c->seen & SEEN_RESENT_ID))
		r |= put_id(&c->top, "Resent-Message-ID: ", host);
	if (!(c->seen & SEEN_FROM) && (!resent || c->settings->from == SETTINGS_FROM_REPLACE) && c->settings->from != SETTINGS_FROM_LEAVE)
		r |= put_author(&c->bottom, "From: ", author, name);
	if (!resent && !(c->seen & SEEN_TO) && c->settings->to == SETTINGS_TO_LIST && listed && listed->count > 0)
		r |= put_list(&c->bottom, listed);
	else if (!resent && !(c->seen & SEEN_TO) && c->settings->to != SETTINGS_TO_LEAVE)
		r |= str_add(&c->bottom, "To: undisclosed-recipients:;\n");
	if (!resent && !(c->seen & SEEN_DATE))
		r |= put_date(&c->bottom, "Date: ");
	if (!resent && !(c->seen & SEEN_ID))
		r |= put_id(&c->bottom, "Message-ID: ", host);
	if (!resent)
		r |= put_mime(&c->bottom, c->seen, &c->settings->mime);
	return r == 0 ? 0 : fail(c, EX_TEMPFAIL, "cannot complete the header: no memory or no random bits");
}
