/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of a folder that are not there, as items for the session: some are kept ready, so that it can put many into one command. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "import_internal.h"

#define READY 512			/* items that wait for the session */
#define HELD (32U * 1024 * 1024)	/* bytes of messages in memory or in files without a name, beyond which none is made ready */
#define FILES 256			/* messages whose files are open, the same */
#define LATERS 10			/* in a row: it is not about the messages */

struct letter {				/* what belongs to an item */
	struct item item;
	struct import_message *message;
	uint64_t held;
	char flags[IMPORT_FLAGS_MAX];
};

static struct letter *letter_of(struct item *item)
{
	return (struct letter *)item;
}

static void free_letter(struct import *import, struct letter *letter)
{
	import->held -= letter->held;
	import->files -= letter->item.job->fd >= 0;
	deliver_job_free(letter->item.job);
	str_free(&letter->item.mailbox);
	free(letter);
}

static void fail(struct import *import, struct import_message *message, const char *why)
{
	message->state = IMPORT_FAILED;
	import->counts.failed++;
	import_report_message(import, "failed", message, why);
}

static struct letter *make_letter(struct import *import, struct import_message *message, struct import_letter *read)
{
	struct letter *letter = calloc(1, sizeof *letter);

	if (!letter)
		return NULL;
	letter->message = message;
	memcpy(letter->flags, read->flags, sizeof letter->flags);
	letter->item = (struct item){ .job = read->job, .mailbox = STR_INIT(import->mailbox.len + 1), .flags = letter->flags, .dated = true,
		.breaks = message->breaks, .alone = message->breaks > 0 };
	letter->held = read->job->head.len + (import->source.mbox ? read->job->length : 0);
	import->held += letter->held;
	import->files += read->job->fd >= 0;
	if (!str_set(&letter->item.mailbox, str_span(&import->mailbox)) && !body_open(&letter->item.body, read->job))
		return letter;
	read->job = NULL;
	free_letter(import, letter);
	return NULL;
}

static void make_ready(struct import *import, struct import_message *message)
{
	struct str error = STR_INIT(1000);
	struct import_letter read;
	struct letter *letter;

	if (import_source_read(&import->source, import->folder, message, &read, &error) < 0) {
		if (error.len) {
			fail(import, message, error.data);
		} else {
			message->state = IMPORT_REFUSED;
			import->counts.gone++;
		}
	} else if (!(letter = make_letter(import, message, &read))) {
		fail(import, message, strerror(errno));
		deliver_job_free(read.job);
	} else {
		letter->item.next = NULL;
		*import->waiting_end = &letter->item;
		import->waiting_end = &letter->item.next;
		import->waiting_count++;
	}
	str_free(&error);
}

/* ---- what the session asks ---- */

struct item *import_upload_peek(void *arg)
{
	struct import *import = arg;

	while (import->uploading && !import->stopping && import->waiting_count < READY && import->held < HELD && import->files < FILES && import->next < import->folder->count) {
		struct import_message *message = &import->folder->messages[import->next++];

		if (message->state == IMPORT_WAITS)
			make_ready(import, message);
	}
	if (import->uploading && !import->under_way && (import->stopping || (!import->waiting && import->next == import->folder->count))) {
		import->uploading = false;
		import_later(import, import_next_folder, 0);
	}
	return import->stopping ? NULL : import->waiting;
}

void import_upload_take(void *arg, struct item *item)
{
	struct import *import = arg;
	struct item **at = &import->waiting;

	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	if (!*at)
		import->waiting_end = at;
	import->waiting_count--;
	import->under_way++;
}

void import_upload_back(void *arg, struct item *item)
{
	struct import *import = arg;

	item->next = import->waiting;
	import->waiting = item;
	if (!item->next)
		import->waiting_end = &item->next;
	import->waiting_count++;
	import->under_way--;
	letter_of(item)->message->breaks = item->breaks;
}

static void settle_later(struct import *import, struct import_message *message, const struct outcome *outcome)
{
	char text[OUTCOME_REASON_MAX + OUTCOME_STATUS_MAX + 2];

	snprintf(text, sizeof text, "%s %s", outcome->status, outcome->text);
	if (outcome->verdict == OUTCOME_LATER) {
		fail(import, message, text);
		if (++import->refusals >= LATERS)
			import_stop(import, EX_TEMPFAIL, "%s", text);
		return;
	}
	message->state = IMPORT_REFUSED;
	import->counts.refused++;
	import_report_message(import, "refused", message, text);
}

void import_upload_settle(void *arg, struct item *item, const struct outcome *outcome)
{
	struct import *import = arg;
	struct letter *letter = letter_of(item);

	import->under_way--;
	if (outcome->verdict == OUTCOME_DONE) {
		letter->message->state = IMPORT_STORED;
		import->counts.stored++;
		import->counts.bytes += item->body.length;
		import->attempts = import->refusals = 0;
	} else {
		settle_later(import, letter->message, outcome);
	}
	free_letter(import, letter);
	import_report_progress(import);
}

void import_upload_begin(struct import *import)
{
	import->waiting_end = &import->waiting;
	import->next = 0;
	import->uploading = true;
	session_work(import->session);
}

void import_upload_forget(struct import *import)
{
	for (struct item *next, *item = import->waiting; item; item = next) {
		next = item->next;
		free_letter(import, letter_of(item));
	}
	import->waiting = NULL;
	import->waiting_end = &import->waiting;
	import->waiting_count = import->under_way = 0;
	import->uploading = false;
}
