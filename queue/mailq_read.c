/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the spool's files, for when send is away. */
#include <errno.h>
#include <string.h>

#include "mailq.h"
#include "spool.h"
#include "text.h"

#define TROUBLES_MAX 1000		/* what cannot be read must not keep us for ever */

/* Outcome lines are still encoded. */
static struct span decode(struct str *text, struct span word)
{
	size_t from = text->len;

	if (text_decode(text, word) < 0)
		return word;
	return (struct span){ text->data + from, text->len - from };
}

static void put_recipient(struct mailq_out *out, const struct spool_recipient *recipient, struct str *text)
{
	struct mailq_recipient r = { .address = recipient->address, .state = span_of("new") };

	str_cut(text, 0);
	/* All at once, so that no later word moves an earlier one. */
	if (recipient->has_line && !str_reserve(text, 4 * 65536)) {
		const struct outcome_line *line = &recipient->line;
		struct span address = decode(text, line->address);

		r.address = address.len ? address : recipient->address;
		r.state = span_of(outcome_state_name(line->state));
		r.tries = line->tries;
		r.next = line->next;
		r.status = decode(text, line->status);
		r.drop = decode(text, line->drop);
		r.reason = decode(text, line->reason);
	}
	mailq_recipient(out, &r);
}

static void put_entry(struct mailq_out *out, const struct spool_entry *entry, struct str *text)
{
	struct mailq_message m = {
		.where = span_of(spool_place_name(entry->place)),
		.sender = entry->record.sender,
		.arrival = entry->record.arrival,
		.size = entry->record.body_len,
	};
	char id[ID_TEXT_MAX];

	id_text(entry->record.id, id);
	m.id = span_of(id);
	mailq_message(out, &m);
	for (size_t i = 0; i < entry->count; i++)
		put_recipient(out, &entry->recipients[i], text);
}

static int walk(struct spool_walk *walk, struct mailq_out *out, struct str *error)
{
	struct str text = STR_INIT(8 * 65536);
	struct spool_entry entry;
	unsigned troubles = 0;
	int result;

	while ((result = spool_walk_next(walk, &entry)) && troubles < TROUBLES_MAX) {
		if (result > 0)
			put_entry(out, &entry, &text);
		else if (!troubles++)
			str_printf(error, "not all of it could be read: %s", strerror(errno));
	}
	str_free(&text);
	mailq_end(out);
	return troubles ? -1 : 0;
}

int mailq_read(const char *path, struct mailq_out *out, struct str *error)
{
	struct spool spool;
	struct spool_walk *walker;
	int result = -1;

	if (spool_open(&spool, path, error) < 0)
		return -1;
	walker = spool_walk_new(&spool);
	if (walker)
		result = walk(walker, out, error);
	else
		str_add(error, strerror(errno));
	spool_walk_free(walker);
	spool_close(&spool);
	return result;
}
