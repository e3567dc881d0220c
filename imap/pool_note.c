/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pool_note.h"

#include <string.h>
#include <strings.h>

#include "message.h"

#define NOTE_HEADER_MAX 32768

/* What describes the body that is not there; and the field by which the message itself would be known. */
static bool is_left_out(struct span name)
{
	return (name.len > 8 && !strncasecmp(name.data, "Content-", 8)) || span_is_nocase(name, "MIME-Version") || span_is_nocase(name, "Received");
}

static int put_header(struct str *out, struct span message)
{
	struct message_field field;
	int result = 0;

	while (!result && message_next(&message, &field))
		if (!is_left_out(field.name) && out->len + field.whole.len < NOTE_HEADER_MAX)
			result = str_add_span(out, field.whole);
	if (!result && out->len && out->data[out->len - 1] != '\n')
		result = str_add_char(out, '\n');
	return result < 0 ? -1 : str_add(out, "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
}

bool pool_note_make(struct item *item, const struct outcome *why)
{
	struct deliver_job *note = item->note ? NULL : deliver_job_new();
	char id[ID_TEXT_MAX];

	if (!note)
		return false;
	id_text(item->job->key.id, id);
	if (put_header(&note->head, str_span(&item->job->head)) < 0 ||
	    str_printf(&note->head, "This message of %llu bytes is too big for this mailbox and was not stored here.\nIts id is %s.\n\n%s\n",
	    (unsigned long long)deliver_job_size(item->job), id, why->text) < 0 || body_open(&item->body, note) < 0) {
		deliver_job_free(note);
		return false;
	}
	note->result = *why;
	item->note = note;
	item->unclear = false;
	item->alone = true;
	return true;
}

void pool_note_outcome(const struct item *item, struct outcome *outcome)
{
	const struct outcome *why = &item->note->result;

	if (outcome->verdict == OUTCOME_DONE)
		outcome_set(outcome, OUTCOME_NEVER, why->status, "%s; its header is stored, with a note", why->text);
	else if (outcome->verdict == OUTCOME_NEVER)
		*outcome = *why;
}
