/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "body.h"

#include <errno.h>
#include <string.h>

#include "message.h"

#define PIECE 16384

/* Only where the whole message is inline: of a larger one the header and its end are known to be there. */
static bool header_is_open(const struct deliver_job *job)
{
	struct span head = str_span(&job->head);

	if (job->fd >= 0 || message_header_length(head) < head.len)
		return false;
	return !(head.len >= 2 && head.data[head.len - 1] == '\n' && (head.data[head.len - 2] == '\n' ||
	    (head.len >= 3 && head.data[head.len - 2] == '\r' && head.data[head.len - 3] == '\n')));
}

/* The message's next bytes: where they lie in memory already, no copy is made.  The count, 0 at the end, -1 with errno. */
static ssize_t next_raw(const struct body *body, char *buffer, size_t size, const char **data)
{
	struct span head = str_span(&body->job->head);

	*data = buffer;
	if (body->offset >= head.len)
		return deliver_job_read(body->job, body->offset, buffer, size);
	head = span_skip(head, (size_t)body->offset);
	*data = head.data;
	return (ssize_t)(head.len < size ? head.len : size);
}

/* Bytes of the wire form. */
static size_t measure(const char *data, size_t len, char *last)
{
	const char *end = data + len, *newline;
	size_t count = len;

	for (const char *at = data; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		count += (newline > data ? newline[-1] : *last) != '\r';
	*last = data[len - 1];
	return count;
}

/* Out has room for twice the input.  Returns the bytes. */
static size_t translate(const char *data, size_t len, char *last, char *out)
{
	size_t at = 0;

	while (len) {
		const char *newline = memchr(data, '\n', len);
		size_t run = newline ? (size_t)(newline - data) : len;

		if (run) {
			memcpy(out + at, data, run);
			at += run;
			*last = data[run - 1];
		}
		if (!newline)
			break;
		if (*last != '\r')
			out[at++] = '\r';
		out[at++] = '\n';
		*last = '\n';
		data += run + 1;
		len -= run + 1;
	}
	return at;
}

static const char *ending(const struct body *body)
{
	bool whole = body->last == '\n' || !body->offset;

	if (body->needs_gap)
		return whole ? "\r\n" : body->last == '\r' ? "\n\r\n" : "\r\n\r\n";
	return whole && body->offset ? "" : body->last == '\r' ? "\n" : "\r\n";
}

int body_open(struct body *body, const struct deliver_job *job)
{
	char buffer[PIECE];
	const char *data;
	ssize_t got;

	*body = (struct body){ .job = job, .needs_gap = header_is_open(job) };
	while ((got = next_raw(body, buffer, sizeof buffer, &data)) > 0) {
		body->offset += (uint64_t)got;
		body->length += measure(data, (size_t)got, &body->last);
		body->has_nul = body->has_nul || memchr(data, '\0', (size_t)got);
	}
	if (got < 0)
		return -1;
	body->length += strlen(ending(body));
	body_rewind(body);
	return 0;
}

void body_rewind(struct body *body)
{
	body->offset = body->given = 0;
	body->last = 0;
	body->tail = 0;
}

static ssize_t read_tail(struct body *body, char *data, size_t size)
{
	const char *rest = ending(body) + body->tail;
	size_t len = strlen(rest);

	if (len > size)
		len = size;
	memcpy(data, rest, len);
	body->tail += (unsigned)len;
	return (ssize_t)len;
}

ssize_t body_read(struct body *body, char *data, size_t size)
{
	char buffer[PIECE];
	const char *raw;
	ssize_t got = 0;

	if (!body->tail)
		got = next_raw(body, buffer, size / 2 < sizeof buffer ? size / 2 : sizeof buffer, &raw);
	if (got > 0) {
		body->offset += (uint64_t)got;
		got = (ssize_t)translate(raw, (size_t)got, &body->last, data);
	} else if (!got) {
		got = read_tail(body, data, size);
	}
	if (got < 0)
		return -1;
	body->given += (uint64_t)got;
	if (body->given > body->length || (!got && body->given < body->length)) {
		errno = EIO;
		return -1;
	}
	return got;
}
