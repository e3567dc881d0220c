/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bounce_list.h"
#include "clock.h"
#include "text.h"

#define TEXT_MAX (256U * 1024 * 1024)

int
bounce_list_init(struct bounce_list *list, const struct record *record)
{
	struct span rest = record->recipients, address, attributes;

	*list = (struct bounce_list){ .text = STR_INIT(TEXT_MAX) };
	list->attributes = calloc((size_t)record->recipient_count + 1, sizeof(*list->attributes));
	if (list->attributes == NULL)
		return -1;
	while (list->recipients < record->recipient_count && record_next_recipient(&rest, &address, &attributes))
		list->attributes[list->recipients++] = attributes;
	return 0;
}

void
bounce_list_free(struct bounce_list *list)
{
	free(list->attributes);
	free(list->all);
	str_free(&list->text);
}

bool
bounce_list_wants(const struct bounce_list *list, const struct target *t, const char *what)
{
	struct span said = t->number < list->recipients ? record_attribute(list->attributes[t->number], "notify") : (struct span){ "", 0 };
	struct span word;

	if (said.len == 0)
		return strcmp(what, "failure") == 0;
	while (span_word(&said, ',', &word))
		if (span_is_nocase(span_trim(word), what))
			return true;
	return false;
}

static int
add(struct bounce_list *list, const struct mail *m, const struct target *t, enum bounce_action action)
{
	list->all[list->count++] = (struct bounce_recipient){
		.address = mail_address(m, t),
		.named = mail_text(m, t->recipient),
		.orcpt = t->number < list->recipients ? record_attribute(list->attributes[t->number], "orcpt") : span_of(""),
		.drop = mail_text(m, t->drop),
		.status = span_of(action == BOUNCE_FAILED ? "5.0.0" : action == BOUNCE_DELAYED ? "4.0.0" : "2.0.0"),
		.reason = span_of(""),
		.action = action,
	};
	return 0;
}

/* The member of the list that a line is about, or NULL. */
static struct bounce_recipient *
find(struct bounce_list *list, const struct mail *m, const struct target *const *targets, const struct outcome_line *line)
{
	struct str words = STR_INIT(65536);
	struct bounce_recipient *found = NULL;
	size_t split;

	if (text_decode(&words, line->drop) < 0 || (split = words.len, text_decode(&words, line->address)) < 0) {
		str_free(&words);
		return NULL;
	}
	for (size_t i = 0; i < list->count && found == NULL; i++)
		if (targets[i]->number == line->recipient && span_equal(mail_text(m, targets[i]->drop), (struct span){ words.data, split })
		    && span_equal(mail_text(m, targets[i]->address), (struct span){ words.data + split, words.len - split }))
			found = &list->all[i];
	str_free(&words);
	return found;
}

/* Status and reason stand in the lines alone.  The text has room for all of them beforehand, so that it does not move. */
static int
take_reasons(struct bounce_list *list, const struct mail *m, const struct target *const *targets, struct span lines)
{
	struct outcome_line line;
	char file[ID_TEXT_MAX];
	int result;

	id_text(m->id, file);
	if (str_reserve(&list->text, lines.len) < 0)
		return -1;
	while ((result = outcome_line_read(&lines, span_of(file), &line)) != 0) {
		struct bounce_recipient *n;
		size_t at = list->text.len;

		if (result < 0 || (line.state != OUTCOME_STATE_FAILED && line.state != OUTCOME_STATE_TRY_LATER)
		    || (n = find(list, m, targets, &line)) == NULL || n->action > BOUNCE_DELAYED)
			continue;
		if (text_decode(&list->text, line.reason) < 0)
			return -1;
		n->reason = (struct span){ list->text.data + at, list->text.len - at };
		if (line.status.len > 1)
			n->status = line.status;
	}
	return 0;
}

static bool
is_relay(const struct mail *m, const struct target *t)
{
	return span_starts(mail_text(m, t->drop), "remote:");
}

int
bounce_list_fill(struct bounce_list *list, const struct mail *m, struct span lines)
{
	const struct target **targets = calloc(m->count + 1, sizeof(const struct target *));
	int result = -1;

	list->all = calloc(m->count + 1, sizeof(*list->all));
	if (targets != NULL && list->all != NULL) {
		for (size_t i = 0; i < m->count; i++) {
			const struct target *t = &m->targets[i];

			targets[list->count] = t;
			if (t->state == TARGET_FAILED)
				add(list, m, t, BOUNCE_FAILED);
			else if (t->state == TARGET_DONE && !m->notified && bounce_list_wants(list, t, "success"))
				add(list, m, t, is_relay(m, t) ? BOUNCE_RELAYED : BOUNCE_DELIVERED);
		}
		result = take_reasons(list, m, targets, lines);
	}
	free(targets);
	return result;
}

int
bounce_list_late(struct bounce_list *list, const struct mail *m, struct span lines, const struct retry *retry)
{
	const struct target **targets = calloc(m->count + 1, sizeof(const struct target *));
	int result = -1;

	list->all = calloc(m->count + 1, sizeof(*list->all));
	if (targets != NULL && list->all != NULL) {
		for (size_t i = 0; i < m->count; i++) {
			const struct target *t = &m->targets[i];

			if (!t->late || target_is_final(t) || !bounce_list_wants(list, t, "delay"))
				continue;
			targets[list->count] = t;
			add(list, m, t, BOUNCE_DELAYED);
			if (retry->until > t->waited)
				list->until = clock_wall() + (retry->until - t->waited);
		}
		result = take_reasons(list, m, targets, lines);
	}
	free(targets);
	return result;
}
