/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "message.h"

int trace_put(struct str *out, const struct deliver_job *job)
{
	const char *rcpt = NULL;

	if (!job->no_sender && str_printf(out, "Return-Path: <%s>\n", job->sender.data) < 0)
		return -1;
	for (size_t n = 0; (rcpt = deliver_job_next_recipient(job, rcpt)); n++) {
		if (deliver_job_is_settled(job, n))
			continue;
		if (str_add(out, "Delivered-To: ") < 0 || str_add(out, rcpt) < 0 || str_add_char(out, '\n') < 0)
			return -1;
	}
	return 0;
}

int trace_put_one(struct str *out, const struct deliver_job *job, size_t n)
{
	const char *rcpt = NULL;

	for (size_t i = 0; i <= n; i++)
		rcpt = deliver_job_next_recipient(job, rcpt);
	if (!job->no_sender && str_printf(out, "Return-Path: <%s>\n", job->sender.data) < 0)
		return -1;
	return rcpt ? str_printf(out, "Delivered-To: %s\n", rcpt) : 0;
}

/* Whether the inline bytes may end within the header. */
static bool header_goes_on(const struct deliver_job *job)
{
	struct span head = str_span(&job->head);

	if (job->fd < 0 || job->stream || !job->length)
		return false;
	return message_header_length(head) == head.len && !(head.len >= 2 && !memcmp(head.data + head.len - 2, "\n\n", 2));
}

static int read_more(const struct deliver_job *job, struct str *more)
{
	size_t want = job->length < TRACE_HEADER_MAX ? (size_t)job->length : TRACE_HEADER_MAX;
	ssize_t got;

	if (str_reserve(more, job->head.len + want) < 0 || str_add_span(more, str_span(&job->head)) < 0)
		return -1;
	do
		got = pread(job->fd, more->data + more->len, want, job->offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	more->len += (size_t)got;
	more->data[more->len] = '\0';
	return 0;
}

static int refuse(struct deliver_job *job, size_t n, const char *text)
{
	struct outcome outcome;

	if (deliver_job_is_settled(job, n))
		return 0;
	outcome_set(&outcome, OUTCOME_NEVER, "5.4.6", "%s", text);
	return deliver_job_settle(job, n, &outcome);
}

static int check_delivered(struct deliver_job *job, struct span value, struct str *plain)
{
	const char *rcpt = NULL;

	str_cut(plain, 0);
	/* One that is longer than any address is nobody's. */
	if (message_unfold(plain, value) < 0)
		return errno == EMSGSIZE ? 0 : -1;
	for (size_t n = 0; (rcpt = deliver_job_next_recipient(job, rcpt)); n++)
		if (*rcpt && !strcasecmp(rcpt, plain->data) && refuse(job, n, "mail loop: the message has been delivered here before") < 0)
			return -1;
	return 0;
}

static int check_header(struct deliver_job *job, struct span rest)
{
	struct str plain = STR_INIT(4096);
	struct message_field field;
	unsigned hops = 0;
	int result = 0;

	while (!result && message_next(&rest, &field)) {
		if (span_is_nocase(field.name, "Received"))
			hops++;
		else if (span_is_nocase(field.name, "Delivered-To"))
			result = check_delivered(job, field.value, &plain);
	}
	str_free(&plain);
	for (size_t n = 0; !result && hops > TRACE_HOPS_MAX && n < job->count; n++)
		result = refuse(job, n, "mail loop: too many Received fields");
	return result;
}

int trace_check(struct deliver_job *job)
{
	struct str more = STR_INIT(DELIVER_INLINE_MAX + TRACE_HEADER_MAX);
	int result;

	if (header_goes_on(job)) {
		result = read_more(job, &more);
		if (!result)
			result = check_header(job, str_span(&more));
	} else {
		result = check_header(job, str_span(&job->head));
	}
	if (result < 0)
		deliver_job_trouble(&job->result, errno, "the message's header");
	str_free(&more);
	return result;
}

/* ---- what the calling system wrote ---- */

struct taken { bool recipients[DELIVER_RECIPIENTS_MAX]; };	/* each has one field at most: a second is an earlier delivery's */

static bool take_recipient(const struct deliver_job *job, struct span value, struct taken *taken)
{
	struct str plain = STR_INIT(4096);
	const char *rcpt = NULL;
	bool found = false;

	if (!message_unfold(&plain, value))
		for (size_t n = 0; !found && (rcpt = deliver_job_next_recipient(job, rcpt)); n++)
			if (*rcpt && !taken->recipients[n] && !strcasecmp(rcpt, plain.data))
				found = taken->recipients[n] = true;
	str_free(&plain);
	return found;
}

/* False: here begins what it was given. */
static bool is_callers(const struct deliver_job *job, const struct message_field *field, struct taken *taken, bool *ours)
{
	bool to = span_is_nocase(field->name, "Delivered-To"), path = span_is_nocase(field->name, "Return-Path");

	*ours = (path && !job->no_sender) || (to && take_recipient(job, field->value, taken));
	return to || path || span_is_nocase(field->name, "X-Original-To") || span_is_nocase(field->name, "Envelope-To") ||
	    span_is_nocase(field->name, "Delivery-Date");
}

int trace_take_over(struct deliver_job *job)
{
	struct span rest = str_span(&job->head), next = rest;
	struct str kept = STR_INIT(DELIVER_INLINE_MAX);
	struct taken taken = { 0 };
	struct message_field field;
	bool ours;
	int result = 0;

	while (!result && message_next(&next, &field) && is_callers(job, &field, &taken, &ours)) {
		if (!ours)
			result = str_add_span(&kept, field.whole);
		rest = next;
	}
	if (!result && kept.len + rest.len < job->head.len) {
		result = str_add_span(&kept, rest);
		if (!result)
			result = str_set(&job->head, str_span(&kept));
	}
	str_free(&kept);
	return result;
}
