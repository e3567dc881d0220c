/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "filter.h"
#include "message.h"

#define MESSAGE_MAX (64U * 1024 * 1024)
#define HEAD_MAX 61440U		/* as much of a message as send looks at */

struct explaining {
	const struct plan *plan;
	struct plan_query query;
	struct str drops;		/* those that were named, a line each */
};

/* What comes from a message may hold anything; this is for a terminal. */
static void
print_safe(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x20 || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void
say(void *arg, const char *file, unsigned line, const char *what, struct span value)
{
	(void)arg;
	printf("    ");
	if (file != NULL)
		printf("%s:%u: ", file, line);
	printf("%s ", what);
	print_safe(value);
	if (strcmp(what, "limit") == 0)
		printf(" (the regular expression took too long and was given up)");
	if (strcmp(what, "refused") == 0)
		printf(" (a capture that may not stand in a drop; the next route decides)");
	putchar('\n');
}

static int
add(void *arg, const struct plan_step *step)
{
	struct explaining *x = arg;

	if (step->fallback)
		return 0;
	printf("  to ");
	print_safe(step->drop);
	if (step->address.len > 0) {
		printf(" as ");
		print_safe(step->address);
	}
	if (step->otherwise.len > 0) {
		printf(", else ");
		print_safe(step->otherwise);
		printf(" after %llu s", (unsigned long long)(step->after / CLOCK_SECOND));
	}
	putchar('\n');
	return str_add_span(&x->drops, step->drop) < 0 ? -1 : str_add_char(&x->drops, '\n');
}

static void
print_lines(const char *mark, struct span text)
{
	struct span line;

	while (span_word(&text, '\n', &line)) {
		printf("    %s ", mark);
		print_safe(line);
		putchar('\n');
	}
}

/* The fields that a drop gets otherwise: before and after.  Fields keep their order, and a field may be gone. */
static void
print_changes(struct span before, struct span after)
{
	struct message_field old, new;
	struct span rest = after, peek;

	while (message_next(&before, &old)) {
		peek = rest;
		if (message_next(&peek, &new) && span_equal(old.whole, new.whole)) {
			rest = peek;
			continue;
		}
		print_lines("-", old.whole);
		peek = rest;
		if (message_next(&peek, &new) && span_is_nocase(new.name, "") == false && span_equal(old.name, new.name)) {
			print_lines("+", new.whole);
			rest = peek;
		}
	}
}

static void
print_filters(struct explaining *x, struct span drop)
{
	struct str out = STR_INIT(16U * 1024 * 1024);
	struct span header = x->query.body;

	header.len = message_header_length(header);
	printf("  the message for ");
	print_safe(drop);
	printf(":\n");
	switch (filter_list_apply(x->plan->filters, header, drop, &x->query, &out)) {
	case FILTER_CHANGED:
		print_changes(header, str_span(&out));
		break;
	case FILTER_DISCARD:
		printf("    discarded: From, To or Subject became empty\n");
		break;
	case FILTER_SAME:
		printf("    as it is\n");
		break;
	default:
		printf("    no memory\n");
	}
	str_free(&out);
}

static int
read_message(struct str *message)
{
	if (isatty(STDIN_FILENO))
		return 0;
	for (;;) {
		ssize_t n = str_reserve(message, 65536) < 0 ? -1 : read(STDIN_FILENO, message->data + message->len, 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		message->len += (size_t)n;
		message->data[message->len] = '\0';
	}
}

static int
explain_one(struct explaining *x, const char *address)
{
	struct span rest, drop;
	struct span local, given = span_of(address);

	printf("%s\n", address);
	if (plan_is_local(x->plan, given, &local)) {
		printf("    local name ");
		print_safe(local);
		putchar('\n');
	}
	str_cut(&x->drops, 0);
	if (plan_make(x->plan, &x->query, given, add, x) < 0)
		return -1;
	rest = str_span(&x->drops);
	while (x->plan->filters != NULL && x->query.body.len > 0 && span_word(&rest, '\n', &drop))
		print_filters(x, drop);
	return 0;
}

int
explain_run(const struct explain *explain, const struct plan *plan, struct str *error)
{
	const struct plan_trace trace = { say, NULL };
	struct str message = STR_INIT(MESSAGE_MAX), attributes = STR_INIT(8192);
	struct record record = { .sender = span_of(explain->sender != NULL ? explain->sender : ""),
		.origin = span_of(explain->origin != NULL ? explain->origin : "inject"), .uid = (uid_t)explain->uid };
	struct explaining x = { .plan = plan, .query = { &record, { "", 0 }, &trace, NULL }, .drops = STR_INIT(1024U * 1024) };
	int status = EX_OK;

	if (explain->client != NULL)
		str_printf(&attributes, "attr client %s\n", explain->client);
	if (explain->client_groups != NULL)
		str_printf(&attributes, "attr groups %s\n", explain->client_groups);
	if (explain->auth != NULL)
		str_printf(&attributes, "attr auth %s\n", explain->auth);
	record.attributes = str_span(&attributes);
	if (explain->count == 0) {
		str_printf(error, "--explain: expected an address");
		status = EX_USAGE;
	} else if (read_message(&message) < 0) {
		str_printf(error, "standard input: %s", strerror(errno));
		status = EX_IOERR;
	}
	record.body_len = message.len;
	x.query.body = str_span(&message);
	if (x.query.body.len > HEAD_MAX)
		x.query.body.len = HEAD_MAX;
	for (size_t i = 0; i < explain->count && status == EX_OK; i++)
		if (explain_one(&x, explain->addresses[i]) < 0) {
			str_printf(error, "%s: no memory", explain->addresses[i]);
			status = EX_OSERR;
		}
	str_free(&x.drops);
	str_free(&message);
	str_free(&attributes);
	if (fflush(stdout) != 0 && status == EX_OK) {
		str_printf(error, "standard output: %s", strerror(errno));
		status = EX_IOERR;
	}
	return status;
}
