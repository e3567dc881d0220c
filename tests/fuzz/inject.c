/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: a command line (a byte of flags, words that end in NUL, an empty word at the end) and then a message, through options, repair, split, compose and
 * the envelope.  Whole and in pieces it must come to the same; what comes out must be a header, without what is removed, and must not change when
 * it goes in again.  tests/fuzz/run inject 600
 */
#include <stdlib.h>
#include <string.h>

#include "../../inject/attributes.h"
#include "../../inject/author.h"
#include "../../inject/compose.h"
#include "../../inject/given.h"
#include "../../inject/named.h"
#include "../../inject/repair.h"
#include "../../inject/split.h"
#include "address.h"
#include "message.h"

#define WORDS 24
#define LIMIT (16U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static size_t piece(unsigned step, size_t at, size_t left)
{
	size_t n = step == 0 ? left : 1 + (at * 31 + step) % step;

	return n < left ? n : left;
}

static void repaired(struct str *out, struct span in, enum repair_dots dots, unsigned step)
{
	struct repair repair;
	char *copy = malloc(in.len + REPAIR_EXTRA), end[REPAIR_EXTRA];
	size_t at = 0, n;

	repair_init(&repair, dots);
	for (; at < in.len; at += n) {
		n = piece(step, at, in.len - at);
		must(str_append(out, copy, repair_feed(&repair, in.data + at, n, copy)) == 0);
	}
	n = repair_finish(&repair, end);
	must(str_append(out, end, n) == 0);
	free(copy);
}

static int append(void *arg, struct span bytes)
{
	return str_add_span(arg, bytes);
}

static void check_recipients(const struct recipients *set)
{
	struct span rest = str_span(&set->text), address;
	size_t count = 0;

	for (; recipients_next(&rest, &address); count++)
		must(address.len > 0 && address_is_valid(address, true));
	must(count == set->count);
}

/* The message as it would leave; named: what arguments name. */
static void composed(struct str *out, struct span in, unsigned step, const struct settings *settings, struct recipients *header)
{
	struct span now = { "", 0 }, bytes, author = { "me@x.example", 12 }, name = { "J. \303\251", 5 };
	enum split_event event;
	struct compose compose;
	struct split split;

	split_init(&split);
	compose_init(&compose, settings, true);
	while ((event = now.len > 0 || in.len > 0 ? split_next(&split, &now, &bytes) : split_end(&split, &bytes)) != SPLIT_BODY) {
		must(event != SPLIT_NO_MEMORY);
		if (event == SPLIT_MORE) {
			now = (struct span){ in.data, piece(step, in.len, in.len) };
			in = span_skip(in, now.len);
		} else if (event == SPLIT_FIELD) {
			must(compose_field(&compose, bytes) == 0);
		} else {
			abort();		/* parts are for fields over 1 MiB */
		}
	}
	check_recipients(compose_recipients(&compose));
	must(named_merge(header, compose_recipients(&compose), false) == 0);
	must(compose_complete(&compose, author, name, header) == 0);
	must(str_add_span(out, str_span(&compose.top)) == 0 && spill_read(&compose.header, append, out) == 0 &&
	    str_add_span(out, str_span(&compose.bottom)) == 0 && str_add_char(out, '\n') == 0 && str_add_span(out, bytes) == 0 &&
	    str_add_span(out, now) == 0 && str_add_span(out, in) == 0);
	compose_free(&compose);
	split_free(&split);
}

static void check_header(struct span message, struct span before)
{
	static const char *const gone[] = { "Bcc", "Resent-Bcc", "Return-Path" };
	struct message_field field;
	size_t i;

	(void)before;
	while (message_next(&message, &field))
		for (i = 0; i < sizeof gone / sizeof gone[0]; i++)
			must(!span_is_nocase(field.name, gone[i]));
	must(span_starts(message, "\n"));
}

/* What is new each time goes; the rest must not depend on how the input was cut. */
static void without_new(struct str *out, struct span message)
{
	struct message_field field;

	while (message_next(&message, &field))
		if (!span_is_nocase(field.name, "Date") && !span_is_nocase(field.name, "Message-ID") && !span_is_nocase(field.name, "Resent-Date") &&
		    !span_is_nocase(field.name, "Resent-Message-ID"))
			must(str_add_span(out, field.whole) == 0);
	must(str_add_span(out, message) == 0);
}

static void look_at_message(struct span message, unsigned flags, unsigned step, struct settings *settings)
{
	struct str whole = STR_INIT(LIMIT), cut = STR_INIT(LIMIT), first = STR_INIT(LIMIT), second = STR_INIT(LIMIT), a = STR_INIT(LIMIT), b = STR_INIT(LIMIT);
	struct recipients set, again;

	recipients_init(&set);
	recipients_init(&again);
	repaired(&whole, message, flags & 3, 0);
	repaired(&cut, message, flags & 3, step);
	must(span_equal(str_span(&whole), str_span(&cut)));
	composed(&first, str_span(&whole), 0, settings, &set);
	composed(&second, str_span(&cut), step, settings, &again);
	must(span_equal(str_span(&set.text), str_span(&again.text)));
	check_header(str_span(&first), str_span(&whole));
	without_new(&a, str_span(&first));
	without_new(&b, str_span(&second));
	must(span_equal(str_span(&a), str_span(&b)));
	if (settings->from == SETTINGS_FROM_ADD && settings->qualify) {
		str_cut(&second, 0);
		composed(&second, str_span(&first), step, settings, &again);
		must(span_equal(str_span(&first), str_span(&second)));
	}
	recipients_free(&set);
	recipients_free(&again);
	str_free(&whole);
	str_free(&cut);
	str_free(&first);
	str_free(&second);
	str_free(&a);
	str_free(&b);
}

static void look_at_envelope(const struct options *o, const struct settings *settings)
{
	struct envelope envelope;
	struct recipients named;
	struct compose compose;
	struct author author;
	struct str warning = STR_INIT(4096);
	char passed_over, notify[ATTRIBUTES_NOTIFY_MAX];

	envelope_init(&envelope, LIMIT);
	recipients_init(&named);
	author_init(&author);
	compose_init(&compose, settings, false);
	must(named_arguments(&named, &compose, o->operands, o->count) == 0);
	check_recipients(&named);
	must(author_find(&author, o, settings, o->full_name, &warning) == 0);
	must(envelope_set_sender(&envelope, str_span(&author.sender)) == 0);
	must(attributes_message(&envelope, o, &passed_over) == 0);
	if (o->notify)
		attributes_notify(o->notify, notify);
	compose_free(&compose);
	author_free(&author);
	recipients_free(&named);
	envelope_free(&envelope);
	str_free(&warning);
}

static void look_at_given(struct span text)
{
	struct span sender, list, recipient;

	if (given_parse(text, &sender, &list) == 0)
		while (given_next(&list, &recipient))
			must(recipient.data >= text.data && recipient.data + recipient.len <= text.data + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings = { STR_INIT(100), STR_INIT(100), STR_INIT(100), STR_INIT(100), 0, SETTINGS_FROM_ADD, SETTINGS_TO_UNDISCLOSED, true, false, STR_INIT(100) };
	struct str error = STR_INIT(65536);
	struct options options;
	char *copy = malloc(size + 1), *at = copy, *argv[WORDS + 2] = { "sendmail" };
	unsigned flags = size > 0 ? data[0] : 0, step = size > 1 ? data[1] : 0;
	int argc = 1;

	memcpy(copy, data, size);
	copy[size] = '\0';
	look_at_given((struct span){ copy, size });
	for (at += size < 2 ? size : 2; argc < WORDS && at < copy + size && *at; at += strlen(at) + 1)
		argv[argc++] = at;
	at += at < copy + size && argc < WORDS;
	str_add(&settings.name, "host.example");
	str_add(&settings.sender, "fixed@host.example");
	settings.from = flags & 4 ? SETTINGS_FROM_REPLACE : flags & 8 ? SETTINGS_FROM_LEAVE : SETTINGS_FROM_ADD;
	settings.to = flags & 16 ? SETTINGS_TO_LIST : flags & 32 ? SETTINGS_TO_LEAVE : SETTINGS_TO_UNDISCLOSED;
	settings.qualify = !(flags & 64);
	if (flags & 128)
		str_add(&settings.mime, "utf-8");
	if (options_parse(&options, argc, argv, &error) == 0)
		look_at_envelope(&options, &settings);
	options_free(&options);
	if (at <= copy + size)
		look_at_message((struct span){ at, (size_t)(copy + size - at) }, flags, step, &settings);
	str_free(&settings.name);
	str_free(&settings.sender);
	str_free(&settings.mime);
	str_free(&error);
	free(copy);
	return 0;
}
