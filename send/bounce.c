/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <unistd.h>

#include "bounce_file.h"
#include "bounce_list.h"
#include "clock.h"
#include "deferred_file.h"
#include "place.h"
#include "send.h"
#include "text.h"

#define BOUNCE_COST (3600 * CLOCK_SECOND)	/* so that what comes in in a microsecond is the limit itself */

void
bounce_rules_default(struct bounce_rules *rules)
{
	*rules = (struct bounce_rules){ .limit = 300, .largest = 1024 * 1024 };
}

/* Whether one more may be sent in this hour. */
static bool
take_allowance(struct send *s)
{
	struct bounces *b = &s->bounces;
	uint64_t now = loop_now(s->loop), limit = s->config.bounce.limit, full = limit * BOUNCE_COST;
	uint64_t passed = b->filled == 0 || now - b->filled > BOUNCE_COST ? BOUNCE_COST : now - b->filled;

	b->left = b->left + passed * limit > full ? full : b->left + passed * limit;
	b->filled = now;
	if (b->left >= BOUNCE_COST) {
		b->left -= BOUNCE_COST;
		if (b->alarmed && b->left > full / 10)
			b->alarmed = false;
		return true;
	}
	if (!b->alarmed && limit > 0)
		log_event(s->log, "alarm", "%llu notifications were sent in this hour: messages that fail go to dead until there may be more",
		    (unsigned long long)limit);
	b->alarmed = true;
	return false;
}

/* The lines so far, on the disk: a notification must not be there before the failure that it tells of. */
static int
make_lines_durable(struct send *s, struct mail *m)
{
	int fd, result;

	if (m->pending.len == 0)
		return 0;
	if (deferred_file_append(s, m, &fd) < 0)
		return -1;
	result = fdatasync(fd);
	close(fd);
	return result;
}

static int
note(struct mail *m, struct target *t, const char *status, const char *reason)
{
	char id[ID_TEXT_MAX];

	id_text(m->id, id);
	return mail_put_lines(m, t, &m->pending, span_of(id), status, span_of(reason));
}

static int
note_all(struct mail *m)
{
	struct outcome_line line = {
		.index = m->id.index, .recipient = OUTCOME_ALL, .state = OUTCOME_STATE_BOUNCED, .status = span_of(""), .drop = span_of(""),
		.address = span_of(""), .reason = span_of("the sender was told"),
	};
	char id[ID_TEXT_MAX];

	id_text(m->id, id);
	m->notified = true;
	return outcome_line_write(&m->pending, span_of(id), &line);
}

static void
log_target(struct send *s, const struct mail *m, const struct target *t, const char *event, const char *text)
{
	struct log_line line;

	log_begin(&line, s->log, event);
	log_id(&line, m->id);
	log_address(&line, "rcpt", mail_address(m, t));
	log_str(&line, "drop", mail_text(m, t->drop));
	log_text(&line, span_of(text));
	log_end(&line);
}

/* Failures of a message without a sender. */
static int
pass_to_postmaster(struct send *s, struct mail *m)
{
	struct span drop = str_span(&s->config.plan.postmaster);
	size_t count = m->count;

	for (size_t i = 0; i < count; i++) {
		struct target *t = &m->targets[i];

		if (t->state != TARGET_FAILED || drop.len == 0 || span_equal(mail_text(m, t->drop), drop))
			continue;
		log_target(s, m, t, "postmaster", "it failed, and there is no sender to be told");
		if (mail_hand_over(m, i, drop) < 0 || note(m, &m->targets[i], "", "to the postmaster's drop") < 0)
			return -1;
	}
	return 0;
}

/* Failures that the sender asked not to be told of. */
static int
pass_over_silent(struct send *s, struct mail *m, const struct bounce_list *list)
{
	for (size_t i = 0; i < m->count; i++) {
		struct target *t = &m->targets[i];

		if (t->state != TARGET_FAILED || bounce_list_wants(list, t, "failure"))
			continue;
		log_target(s, m, t, "untold", "the sender asked for no notification of failures");
		t->state = TARGET_BOUNCED;
		if (note(m, t, "", "the sender asked for no notification") < 0)
			return -1;
	}
	return 0;
}

/* RFC 3461, 4.3: a report of delays and deliveries alone gives back the header, whatever RET says. */
static bool
tells_failure(const struct bounce_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].action == BOUNCE_FAILED)
			return true;
	return false;
}

static int
write_report(struct send *s, const struct source *source, struct bounce_list *list, struct id id, bool held)
{
	const struct record *record = &source->record;
	struct str original = STR_INIT(64U * 1024 * 1024);
	struct bounce_report report = {
		.host = str_span(&s->config.plan.host), .to = record->sender, .envid = record_attribute(record->attributes, "envid"),
		.about = record->id, .id = id, .arrival = record->arrival, .now = clock_wall(), .until = list->until,
		.recipients = list->all, .count = list->count, .whole = tells_failure(list),
	};
	int result = -1;

	if (id_random(&report.boundary, sizeof(report.boundary)) == 0 && bounce_file_original(s, source, &original, &report.whole) == 0) {
		report.message = str_span(&original);
		result = bounce_file_write(s, &report, record->uid, held);
	}
	str_free(&original);
	return result;
}

static void
log_told(struct send *s, struct id about, struct id id, struct span sender, size_t count)
{
	char text[ID_TEXT_MAX];
	struct log_line line;

	s->status.bounces++;
	id_text(id, text);
	log_begin(&line, s->log, "bounce");
	log_id(&line, about);
	log_word(&line, "notification", text);
	log_address(&line, "to", sender);
	log_num(&line, "nrcpt", count);
	log_end(&line);
}

/* Tells the sender of what is in the list, and notes that in the mail. */
static int
tell(struct send *s, struct mail *m, const struct source *source, struct bounce_list *list)
{
	struct id id = bounce_id(m->id);
	char name[ID_TEXT_MAX];

	id_text(id, name);
	m->told = place_has(s, SPOOL_DEFERRED, name) ? MAIL_TOLD_BEFORE : MAIL_TOLD;
	if (m->told == MAIL_TOLD) {
		m->told = MAIL_UNTOLD;
		if (!take_allowance(s))
			return 0;
		if (write_report(s, source, list, id, true) < 0)
			return -1;
		m->told = MAIL_TOLD;
		log_told(s, m->id, id, source->record.sender, list->count);
	} else if (fsync(s->spool.dir[SPOOL_DEFERRED]) < 0) {
		/* It may stand there from an attempt whose own sync failed: nothing may count on it before it is durable. */
		m->told = MAIL_UNTOLD;
		return -1;
	}
	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].state == TARGET_FAILED) {
			m->targets[i].state = TARGET_BOUNCED;
			if (note(m, &m->targets[i], "", "the sender was told") < 0)
				return -1;
		}
	return m->wants_success ? note_all(m) : 0;
}

static int
settle(struct send *s, struct mail *m, const struct deferred_file *file)
{
	struct bounce_list list;
	int result;

	if (file->source.record.sender.len == 0 || (m->id.index & ID_BOUNCE) != 0)
		return pass_to_postmaster(s, m);
	if (bounce_list_init(&list, &file->source.record) < 0)
		return -1;
	result = pass_over_silent(s, m, &list);
	if (result == 0)
		result = bounce_list_fill(&list, m, file->lines);
	if (result == 0 && list.count > 0)
		result = tell(s, m, &file->source, &list);
	bounce_list_free(&list);
	return result;
}

int
bounce_settle(struct send *s, struct mail *m)
{
	struct deferred_file file;
	int result;

	if (!mail_owes(m))
		return 0;
	if (make_lines_durable(s, m) < 0 || deferred_file_open(s, m->id, &file) < 0)
		return -1;
	result = settle(s, m, &file);
	deferred_file_close(&file);
	return result;
}

bool
bounce_is_held(const struct mail *m, struct span lines)
{
	char id[ID_TEXT_MAX];
	struct outcome_line line;
	struct str reason = STR_INIT(OUTCOME_LINE_MAX);
	bool held = false;
	int result;

	if ((m->id.index & ID_BOUNCE) == 0)
		return false;
	id_text(m->id, id);
	while ((result = outcome_line_read(&lines, span_of(id), &line)) != 0) {
		if (result < 0 || line.recipient != OUTCOME_ALL)
			continue;
		str_cut(&reason, 0);
		held = line.state == OUTCOME_STATE_HELD && text_decode(&reason, line.reason) == 0 && span_is(str_span(&reason), BOUNCE_HELD);
	}
	str_free(&reason);
	return held;
}

/* Whether the message that the notification is about needs it held no more: it tells of it, or it is gone. */
static bool
parent_tells(struct send *s, struct mail *m)
{
	struct id id = m->id;
	struct deferred_file file;
	char name[ID_TEXT_MAX];
	struct mail *parent;
	bool tells = false;

	id.index &= ~ID_BOUNCE;
	if (deferred_file_open(s, id, &file) < 0)
		return errno == ENOENT;
	id_text(id, name);
	parent = mail_new(m->entry, &file.source.record);
	if (parent != NULL) {
		tells = mail_plan(parent, &file.source.record, file.lines, span_of(name), &s->config.plan, &s->config.retry) == 0
		    && mail_is_final(parent) && !mail_owes(parent);
		mail_free(parent);
	}
	deferred_file_close(&file);
	return tells;
}

void
bounce_recover(struct send *s, struct mail *m)
{
	/* Where the parent does not tell yet it is about to, and then releases this one. */
	if (!parent_tells(s, m))
		return;
	if (bounce_file_release(s, m->id) < 0) {
		log_errno(s->log, "release a notification; the next start does it");
		return;
	}
	for (size_t i = 0; i < m->count; i++)
		if (m->targets[i].state == TARGET_HELD)
			m->targets[i].state = TARGET_NEW;
}

void
bounce_late(struct send *s, struct mail *m)
{
	struct id id = { .index = ID_BOUNCE };
	struct deferred_file file;
	struct bounce_list list;

	if ((m->id.index & ID_BOUNCE) != 0 || deferred_file_open(s, m->id, &file) < 0)
		return;
	if (file.source.record.sender.len > 0 && bounce_list_init(&list, &file.source.record) == 0) {
		if (bounce_list_late(&list, m, file.lines, &s->config.retry) == 0 && list.count > 0 && take_allowance(s)) {
			/* Nothing depends on it, so it has a name of its own and is not held. */
			if (id_new_name(0, &id.name) == 0 && write_report(s, &file.source, &list, id, false) == 0) {
				log_told(s, m->id, id, file.source.record.sender, list.count);
				deferred_enter(s, id);
			} else {
				log_errno(s->log, "write a notice of delay");
			}
		}
		bounce_list_free(&list);
	}
	deferred_file_close(&file);
	for (size_t i = 0; i < m->count; i++)
		m->targets[i].late = false;
}
