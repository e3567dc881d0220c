/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "deliver.h"
#include "envelope.h"

#define ATTRIBUTES_MAX (64U * 1024)		/* bytes, of the job and of all its recipients together */
#define RECIPIENT_ATTRIBUTES_MAX (512U * 1024)

struct deliver_job *deliver_job_new(void)
{
	struct deliver_job *job = calloc(1, sizeof *job);

	if (!job)
		return NULL;
	job->fd = -1;
	job->target = (struct str)STR_INIT(DELIVER_TARGET_MAX);
	job->sender = (struct str)STR_INIT(ENVELOPE_ADDRESS_MAX);
	job->attributes = (struct str)STR_INIT(ATTRIBUTES_MAX);
	job->recipients = (struct str)STR_INIT((ENVELOPE_ADDRESS_MAX + 1) * DELIVER_RECIPIENTS_MAX);
	job->recipient_attributes = (struct str)STR_INIT(RECIPIENT_ATTRIBUTES_MAX);
	job->head = (struct str)STR_INIT(DELIVER_INLINE_MAX);
	outcome_set(&job->result, OUTCOME_LATER, "4.3.0", "not delivered");
	return job;
}

void deliver_job_free(struct deliver_job *job)
{
	if (!job)
		return;
	if (job->fd >= 0)
		close(job->fd);
	str_free(&job->target);
	str_free(&job->sender);
	str_free(&job->attributes);
	str_free(&job->recipients);
	str_free(&job->recipient_attributes);
	str_free(&job->head);
	free(job->own);
	free(job);
}

int deliver_job_add_recipient(struct deliver_job *job, struct span address)
{
	if (job->count == DELIVER_RECIPIENTS_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (str_reserve(&job->recipients, address.len + 1) < 0)
		return -1;
	str_add_span(&job->recipients, address);
	str_add_char(&job->recipients, '\0');
	job->count++;
	return 0;
}

uint64_t deliver_job_size(const struct deliver_job *job)
{
	return job->head.len + (job->stream ? 0 : job->length);
}

static const char *next_of(const struct str *list, const char *at)
{
	const char *end = list->data + list->len;

	at = at ? at + strlen(at) + 1 : list->data;
	return at < end ? at : NULL;
}

const char *deliver_job_next_recipient(const struct deliver_job *job, const char *at)
{
	return next_of(&job->recipients, at);
}

static bool find_attribute(const struct str *list, const char *prefix, const char *name, struct span *value)
{
	size_t skip = strlen(prefix), len = strlen(name);
	bool found = false;

	for (const char *at = NULL; (at = next_of(list, at));) {
		if (strncmp(at, prefix, skip) || strncmp(at + skip, name, len) || at[skip + len] != '=')
			continue;
		*value = span_of(at + skip + len + 1);
		found = true;
	}
	return found;
}

bool deliver_job_attribute(const struct deliver_job *job, const char *name, struct span *value)
{
	return find_attribute(&job->attributes, "", name, value);
}

bool deliver_job_recipient_attribute(const struct deliver_job *job, size_t n, const char *name, struct span *value)
{
	char prefix[32];

	snprintf(prefix, sizeof prefix, "%zu ", n);
	return find_attribute(&job->recipient_attributes, prefix, name, value);
}

static bool number_of(const struct deliver_job *job, const char *name, uint64_t most, uint64_t *number)
{
	struct span value;

	return deliver_job_attribute(job, name, &value) && !span_decimal(value, most, number);
}

size_t deliver_job_connections(const struct deliver_job *job, size_t most)
{
	uint64_t limit;

	return number_of(job, "connections", UINT64_MAX, &limit) && limit && limit < most ? (size_t)limit : most;
}

uint64_t deliver_job_patience(const struct deliver_job *job)
{
	uint64_t seconds;

	return number_of(job, "timeout", UINT32_MAX, &seconds) ? seconds * CLOCK_SECOND : CLOCK_NEVER;
}

const struct outcome *deliver_job_outcome(const struct deliver_job *job, size_t n)
{
	return deliver_job_is_settled(job, n) ? &job->own[n] : &job->result;
}

int deliver_job_settle(struct deliver_job *job, size_t n, const struct outcome *outcome)
{
	if (!job->own) {
		job->own = calloc(job->count, sizeof *job->own);
		if (!job->own)
			return -1;
	}
	job->own[n] = *outcome;
	return 0;
}

bool deliver_job_is_settled(const struct deliver_job *job, size_t n)
{
	return job->own && job->own[n].verdict;
}

bool deliver_job_all_settled(const struct deliver_job *job)
{
	for (size_t n = 0; n < job->count; n++)
		if (!deliver_job_is_settled(job, n))
			return false;
	return job->count > 0;
}

ssize_t deliver_job_read(const struct deliver_job *job, uint64_t offset, void *data, size_t size)
{
	ssize_t got;

	if (offset < job->head.len) {
		size_t left = job->head.len - (size_t)offset;

		if (size > left)
			size = left;
		memcpy(data, job->head.data + offset, size);
		return (ssize_t)size;
	}
	offset -= job->head.len;
	if (job->fd < 0 || offset >= job->length)
		return 0;
	if (size > job->length - offset)
		size = (size_t)(job->length - offset);
	do
		got = pread(job->fd, data, size, job->offset + (off_t)offset);
	while (got < 0 && errno == EINTR);
	if (!got && size) {
		errno = ENODATA;
		return -1;
	}
	return got;
}

void deliver_job_trouble(struct outcome *outcome, int error, const char *what)
{
	static const struct { int error; const char *status; } statuses[] = {
		{ ENOSPC, "4.3.1" }, { ENOMEM, "4.3.1" }, { EDQUOT, "4.2.2" }, { EFBIG, "4.3.4" }, { EACCES, "4.3.5" },
		{ EPERM, "4.3.5" }, { ELOOP, "4.3.5" }, { ENOTDIR, "4.3.5" }, { ENAMETOOLONG, "4.3.5" },
	};
	const char *status = "4.3.0";

	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (statuses[i].error == error)
			status = statuses[i].status;
	outcome_set(outcome, OUTCOME_LATER, status, "%s: %s", what, strerror(error));
}

bool deliver_job_argument(const struct deliver_job *job, struct span *name, struct span *argument)
{
	const char *slash = memchr(job->target.data, '/', job->target.len);

	*name = str_span(&job->target);
	*argument = (struct span){ "", 0 };
	if (!slash)
		return false;
	name->len = (size_t)(slash - job->target.data);
	*argument = span_skip(str_span(&job->target), name->len + 1);
	return true;
}
