/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "submission.h"

#include <stdlib.h>

struct submission *submission_new(struct keys_key key, const struct submission_origin *origin)
{
	struct submission *submission = calloc(1, sizeof *submission);

	if (!submission)
		return NULL;
	submission->key = key;
	submission->origin = *origin;
	envelope_init(&submission->envelope, SUBMISSION_ENVELOPE);
	submission->body = (struct str)STR_INIT(SUBMISSION_PIECE);
	return submission;
}

void submission_free(struct submission *submission)
{
	if (!submission)
		return;
	envelope_free(&submission->envelope);
	str_free(&submission->body);
	free(submission);
}

uint64_t submission_memory(const struct submission *submission)
{
	const struct envelope *e = &submission->envelope;

	return SUBMISSION_OVERHEAD + e->lines.cap + e->sender.cap + e->rcpts.cap + submission->body.cap;
}

int submission_received(const struct submission *submission, struct span host, struct str *out)
{
	struct span lines = str_span(&submission->envelope.lines);
	struct received received = {
		.host = host,
		.origin = span_of(submission->origin.word),
		.uid = submission->origin.uid,
		.id = submission->id,
		.arrival = submission->arrival,
		.client = record_attribute(lines, "client"),
		.helo = record_attribute(lines, "helo"),
		.proto = record_attribute(lines, "proto"),
		.hide = submission->hide,
	};

	return received_put(out, &received);
}

int submission_header(const struct submission *submission, uint64_t mark, uint64_t committed, uint64_t body_len, uint32_t body_crc,
    struct str *out)
{
	char key[KEYS_TEXT + 1];
	struct record_header header = {
		.mark = mark,
		.id = submission->id,
		.arrival = submission->arrival,
		.committed = committed,
		.origin = span_of(submission->origin.word),
		.uid = submission->origin.uid,
		.pid = submission->origin.pid,
		.envelope = &submission->envelope,
	};

	keys_text(submission->key, key);
	header.key = span_of(key);
	return record_build(out, &header, body_len, body_crc);
}
