/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bounce_report.h"
#include "clock.h"
#include "date.h"
#include "message.h"
#include "words.h"

static const struct action {
	const char *word, *heading;
} actions[] = {
	[BOUNCE_FAILED] = { "failed", "could not be delivered to" },
	[BOUNCE_DELAYED] = { "delayed", "could not be delivered yet, and is tried again, to" },
	[BOUNCE_DELIVERED] = { "delivered", "was delivered to" },
	[BOUNCE_RELAYED] = { "relayed", "was handed on, to a system that may not report further, for" },
};

/* Controls become blanks; where bytes from 0x80 may not stand, or are no text, they become question marks. */
static int
put_safe(struct str *out, struct span text, bool ascii)
{
	bool plain = ascii || !words_is_utf8(text);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (str_add_char(out, c < 0x20 || c == 0x7f ? ' ' : c >= 0x80 && plain ? '?' : (char)c) < 0)
			return -1;
	}
	return 0;
}

static bool
is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xtext of RFC 3461, or what its sender took for it: a plus that begins no pair of digits is one. */
static int
put_xtext(struct str *out, struct span text)
{
	struct str plain = STR_INIT(4096);
	int result = 0;

	for (size_t i = 0; i < text.len && result == 0; i++) {
		int high = i + 2 < text.len && text.data[i] == '+' ? hex_digit(text.data[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;

		result = str_add_char(&plain, low >= 0 ? (char)(high * 16 + low) : text.data[i]);
		i += low >= 0 ? 2 : 0;
	}
	if (result == 0)
		result = put_safe(out, str_span(&plain), true);
	str_free(&plain);
	return result;
}

/* An address of ours may be a bare name; a reader elsewhere needs the host. */
static int
put_address(struct str *out, const struct bounce_report *r, struct span address)
{
	bool bare = true;

	for (size_t i = 0; i < address.len; i++)
		bare &= address.data[i] != '@';
	if (put_safe(out, address, false) < 0)
		return -1;
	return bare ? str_printf(out, "@%.*s", (int)r->host.len, r->host.data) : 0;
}

static enum bounce_action
worst(const struct bounce_report *r)
{
	enum bounce_action action = BOUNCE_RELAYED;

	for (size_t i = 0; i < r->count; i++)
		if (r->recipients[i].action < action)
			action = r->recipients[i].action;
	return action;
}

static int
put_subject(struct str *out, const struct bounce_report *r)
{
	static const char *const subjects[] = {
		[BOUNCE_FAILED] = "Mail could not be delivered",
		[BOUNCE_DELAYED] = "Mail is delayed",
		[BOUNCE_DELIVERED] = "Mail was delivered",
		[BOUNCE_RELAYED] = "Mail was handed on",
	};

	return str_printf(out, "Subject: %s\n", subjects[worst(r)]);
}

/* So that a mail reader shows the report below the message. */
static int
put_references(struct str *out, const struct bounce_report *r)
{
	struct str id = STR_INIT(900);
	struct message_field field;
	int result = 0;

	if (message_find(r->message, "Message-ID", &field) && message_unfold(&id, field.value) == 0 && id.len > 2 && id.data[0] == '<'
	    && is_ascii(str_span(&id)))
		result = str_printf(out, "In-Reply-To: %s\nReferences: %s\n", id.data, id.data);
	str_free(&id);
	return result;
}

static int
put_header(struct str *out, const struct bounce_report *r, bool ascii)
{
	char id[ID_TEXT_MAX];
	int host = (int)r->host.len;
	int bad = 0;

	id_text(r->id, id);
	bad |= str_printf(out, "Received: by %.*s (deaddrop send) id %s;\n\t", host, r->host.data, id);
	bad |= date_put(out, r->now);
	bad |= str_printf(out, "\nFrom: Mail Delivery System <MAILER-DAEMON@%.*s>\nTo: <", host, r->host.data);
	bad |= put_address(out, r, r->to);
	bad |= str_add(out, ">\n");
	bad |= put_subject(out, r);
	bad |= str_add(out, "Date: ");
	bad |= date_put(out, r->now);
	bad |= str_printf(out, "\nMessage-ID: <%s@%.*s>\n", id, host, r->host.data);
	bad |= put_references(out, r);
	bad |= str_add(out, "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n");
	bad |= str_printf(out, "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"=_%016llx\"\n",
	    (unsigned long long)r->boundary);
	return bad | str_add(out, ascii ? "\n" : "Content-Transfer-Encoding: 8bit\n\n");
}

static int
put_part(struct str *out, const struct bounce_report *r, const char *type, bool ascii)
{
	return str_printf(out, "\n--=_%016llx\nContent-Type: %s\n%s\n", (unsigned long long)r->boundary, type,
	    ascii ? "" : "Content-Transfer-Encoding: 8bit\n");
}

static int
put_person(struct str *out, const struct bounce_report *r, enum bounce_action action)
{
	bool headed = false;
	int bad = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct bounce_recipient *n = &r->recipients[i];

		if (n->action != action)
			continue;
		if (!headed)
			bad |= str_printf(out, "It %s:\n\n", actions[action].heading);
		headed = true;
		bad |= str_add(out, "    ");
		bad |= put_address(out, r, n->address);
		if (!span_equal(n->address, n->named)) {
			bad |= str_add(out, " (for ");
			bad |= put_safe(out, n->named, false);
			bad |= str_add_char(out, ')');
		}
		bad |= str_add(out, "\n        ");
		bad |= put_safe(out, n->drop, false);
		bad |= str_add(out, ": ");
		bad |= put_safe(out, n->reason.len > 0 ? n->reason : n->status, false);
		bad |= str_add_char(out, '\n');
	}
	return headed ? bad | str_add_char(out, '\n') : bad;
}

static int
put_text(struct str *out, const struct bounce_report *r)
{
	char id[ID_TEXT_MAX];
	int bad = 0;

	id_text(r->about, id);
	bad |= str_printf(out, "This is the mail system at %.*s.\nIt is about your message of ", (int)r->host.len, r->host.data);
	bad |= date_put(out, r->arrival);
	bad |= str_printf(out, " (%s).\n\n", id);
	for (int action = BOUNCE_FAILED; action <= BOUNCE_RELAYED; action++)
		bad |= put_person(out, r, (enum bounce_action)action);
	if (worst(r) == BOUNCE_DELAYED)
		bad |= str_add(out, "You need do nothing.\n");
	else
		bad |= str_printf(out, "%s is attached below.\n", r->whole ? "The message" : "The message's header");
	return bad;
}

static int
put_typed(struct str *out, const char *name, struct span address)
{
	int bad = str_printf(out, "%s: %s; ", name, is_ascii(address) ? "rfc822" : "utf-8");

	return bad | put_safe(out, address, false);
}

static int
put_status(struct str *out, const struct bounce_report *r, const struct bounce_recipient *n)
{
	struct str address = STR_INIT(4096);
	int bad = str_add_char(out, '\n');

	if (n->orcpt.len > 0) {
		bad |= str_add(out, "Original-Recipient: ");
		bad |= put_xtext(out, n->orcpt);
		bad |= str_add_char(out, '\n');
	}
	bad |= put_address(&address, r, n->address);
	bad |= put_typed(out, "Final-Recipient", str_span(&address));
	bad |= str_printf(out, "\nAction: %s\nStatus: %.*s\n", actions[n->action].word, (int)n->status.len, n->status.data);
	if (n->action == BOUNCE_FAILED || n->action == BOUNCE_DELAYED) {
		bad |= str_add(out, "Diagnostic-Code: X-Deaddrop; ");
		bad |= put_safe(out, n->drop, true);
		bad |= str_add(out, ": ");
		bad |= put_safe(out, n->reason, true);
		bad |= str_add_char(out, '\n');
	}
	if (n->action == BOUNCE_DELAYED && r->until != 0) {
		bad |= str_add(out, "Will-Retry-Until: ");
		bad |= date_put(out, r->until);
		bad |= str_add_char(out, '\n');
	}
	str_free(&address);
	return bad;
}

static int
put_statuses(struct str *out, const struct bounce_report *r)
{
	int bad = put_part(out, r, "message/delivery-status", true);

	bad |= str_printf(out, "Reporting-MTA: dns; %.*s\n", (int)r->host.len, r->host.data);
	if (r->envid.len > 0) {
		bad |= str_add(out, "Original-Envelope-Id: ");
		bad |= put_xtext(out, r->envid);
		bad |= str_add_char(out, '\n');
	}
	bad |= str_add(out, "Arrival-Date: ");
	bad |= date_put(out, r->arrival);
	bad |= str_add_char(out, '\n');
	for (size_t i = 0; i < r->count; i++)
		bad |= put_status(out, r, &r->recipients[i]);
	return bad;
}

int
bounce_report_put(struct str *out, const struct bounce_report *r)
{
	struct str text = STR_INIT(out->max);
	size_t len = out->len;
	int bad = put_text(&text, r);
	bool ascii = is_ascii(str_span(&text));

	bad |= put_header(out, r, ascii && is_ascii(r->message));
	bad |= put_part(out, r, "text/plain; charset=utf-8", ascii);
	bad |= str_add_span(out, str_span(&text));
	str_free(&text);
	bad |= put_statuses(out, r);
	bad |= put_part(out, r, r->whole ? "message/rfc822" : "text/rfc822-headers", is_ascii(r->message));
	bad |= str_add_span(out, r->message);
	bad |= str_printf(out, "\n--=_%016llx--\n", (unsigned long long)r->boundary);
	if (bad == 0)
		return 0;
	str_cut(out, len);
	return -1;
}
