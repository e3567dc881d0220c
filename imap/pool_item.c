/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pool_item.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "import_date.h"
#include "mailbox.h"
#include "message.h"

#define ARGUMENT_MAX 200
#define DATE_MAX 200

void pool_item_free(struct item *item)
{
	if (item) {
		str_free(&item->mailbox);
		deliver_job_free(item->note);
	}
	free(item);
}

/* An argument was captured from an address that anybody may have made up: it is one level of a name, and no more. */
static bool argument_is_safe(struct span argument)
{
	if (!argument.len || argument.len > ARGUMENT_MAX || *argument.data == '-' || *argument.data == '.')
		return false;
	for (size_t i = 0; i < argument.len; i++)
		if ((unsigned char)argument.data[i] < ' ' || argument.data[i] == 0x7f || strchr("/\\.*%", argument.data[i]))
			return false;
	return true;
}

/* The mailbox, with the argument in the place of "$1".  0, or -1 with the job's result set. */
static int set_mailbox(struct item *item, const struct account *account, bool given, struct span argument)
{
	const char *mark = strstr(account->mailbox, "$1");
	struct str wire = STR_INIT(8 * MAILBOX_MAX);
	int result = -1;

	if (given != (mark != NULL))
		outcome_set(&item->job->result, OUTCOME_LATER, "4.3.5", "drop %s %s an argument", account->name, mark ? "wants" : "takes no");
	else if (given && !argument_is_safe(argument))
		outcome_set(&item->job->result, OUTCOME_NEVER, "5.1.3", "not to be used as a mailbox's name: %.*s", (int)argument.len, argument.data);
	else if (str_append(&item->mailbox, account->mailbox, mark ? (size_t)(mark - account->mailbox) : strlen(account->mailbox)) < 0 ||
	    (mark && (str_add_span(&item->mailbox, argument) < 0 || str_add(&item->mailbox, mark + 2) < 0)))
		deliver_job_trouble(&item->job->result, errno, "the mailbox's name");
	else if (mailbox_wire(&wire, str_span(&item->mailbox), '/', span_of(""), false) < 0)
		outcome_set(&item->job->result, OUTCOME_NEVER, "5.1.3", "no name of a mailbox: %s", item->mailbox.data);
	else
		result = 0;
	str_free(&wire);
	return result;
}

/* What the message says of itself; where that is no date, the arrival counts. */
static uint64_t date_of(const struct deliver_job *job)
{
	struct str value = STR_INIT(DATE_MAX);
	struct message_field field;
	uint64_t date = 0;

	if (message_find(str_span(&job->head), "Date", &field) && !message_unfold(&value, field.value) && import_date_read(str_span(&value), &date) < 0)
		date = 0;
	str_free(&value);
	return date;
}

struct item *pool_item_new(const struct account *account, struct deliver_job *job, bool given, struct span argument)
{
	struct item *item = calloc(1, sizeof *item);

	if (!item) {
		deliver_job_trouble(&job->result, ENOMEM, account->name);
		return NULL;
	}
	*item = (struct item){ .job = job, .mailbox = STR_INIT(MAILBOX_MAX), .unclear = job->unclear };
	if (account->date_header)
		item->date = date_of(job);
	if (set_mailbox(item, account, given, argument) < 0) {
		pool_item_free(item);
		return NULL;
	}
	if (!body_open(&item->body, job))
		return item;
	deliver_job_trouble(&job->result, errno, "reading the message");
	pool_item_free(item);
	return NULL;
}
