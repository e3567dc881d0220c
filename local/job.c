/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envelope.h"

struct job *job_new(void)
{
	struct job *job = calloc(1, sizeof *job);

	if (!job)
		return NULL;
	job->fd = -1;
	job->target = (struct str)STR_INIT(JOB_TARGET_MAX);
	job->sender = (struct str)STR_INIT(ENVELOPE_ADDRESS_MAX);
	job->recipients = (struct str)STR_INIT((ENVELOPE_ADDRESS_MAX + 1) * JOB_RECIPIENTS_MAX);
	job->head = (struct str)STR_INIT(JOB_INLINE_MAX);
	outcome_set(&job->result, OUTCOME_LATER, "4.3.0", "not delivered");
	return job;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	if (job->fd >= 0)
		close(job->fd);
	str_free(&job->target);
	str_free(&job->sender);
	str_free(&job->recipients);
	str_free(&job->head);
	free(job->own);
	free(job);
}

int job_add_recipient(struct job *job, struct span address)
{
	if (job->count == JOB_RECIPIENTS_MAX) {
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

uint64_t job_size(const struct job *job)
{
	return job->head.len + (job->stream ? 0 : job->length);
}

const char *job_next_recipient(const struct job *job, const char *at)
{
	const char *end = job->recipients.data + job->recipients.len;

	at = at ? at + strlen(at) + 1 : job->recipients.data;
	return at < end ? at : NULL;
}

const struct outcome *job_outcome(const struct job *job, size_t n)
{
	return job_is_settled(job, n) ? &job->own[n] : &job->result;
}

int job_settle(struct job *job, size_t n, const struct outcome *outcome)
{
	if (!job->own) {
		job->own = calloc(job->count, sizeof *job->own);
		if (!job->own)
			return -1;
	}
	job->own[n] = *outcome;
	return 0;
}

bool job_is_settled(const struct job *job, size_t n)
{
	return job->own && job->own[n].verdict;
}

bool job_all_settled(const struct job *job)
{
	for (size_t n = 0; n < job->count; n++)
		if (!job_is_settled(job, n))
			return false;
	return job->count > 0;		/* one without recipients (by hand) is delivered all the same */
}

void job_trouble(struct outcome *outcome, int error, const char *what)
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
