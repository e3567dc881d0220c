/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dots.h"
#include "message.h"

#define PIECE 65536U

struct mail *mail_new(struct deliver_job *job)
{
	struct mail *mail = calloc(1, sizeof *mail);

	if (!mail)
		return NULL;
	mail->job = job;
	mail->states = calloc(job->count ? job->count : 1, 1);
	if (!mail->states) {
		free(mail);
		return NULL;
	}
	for (size_t n = 0; n < job->count; n++)
		if (deliver_job_is_settled(job, n))
			mail->states[n] = MAIL_SETTLED;
	return mail;
}

void mail_free(struct mail *mail)
{
	if (!mail)
		return;
	free(mail->states);
	free(mail);
}

static int read_all(const struct mail *mail, struct dots *dots, char *piece)
{
	uint64_t offset = 0;
	ssize_t got;

	while ((got = deliver_job_read(mail->job, offset, piece, PIECE)) > 0) {
		if (dots_write(dots, NULL, (struct span){ piece, (size_t)got }) < 0)
			return -1;
		offset += (uint64_t)got;
	}
	return got < 0 ? -1 : dots_end(dots, NULL);
}

int mail_survey(struct mail *mail)
{
	struct dots dots;
	char *piece;
	int result, why;

	if (mail->surveyed)
		return 0;
	piece = malloc(PIECE);
	if (!piece)
		return -1;
	dots_init(&dots);
	result = read_all(mail, &dots, piece);
	why = errno;
	mail->size = dots.bytes;
	mail->longest = dots.longest;
	mail->eight_bit = dots.eight_bit;
	mail->header_eight_bit = dots.header_eight_bit;
	mail->hops = message_hops(str_span(&mail->job->head));
	mail->surveyed = !result;
	dots_free(&dots);
	free(piece);
	errno = why;
	return result;
}

size_t mail_find(const struct mail *mail, size_t n, enum mail_recipient state)
{
	while (n < mail->job->count && mail->states[n] != state)
		n++;
	return n;
}

size_t mail_count(const struct mail *mail, enum mail_recipient state)
{
	size_t count = 0;

	for (size_t n = 0; n < mail->job->count; n++)
		count += mail->states[n] == state;
	return count;
}

const char *mail_recipient(const struct mail *mail, size_t n)
{
	const char *at = deliver_job_next_recipient(mail->job, NULL);

	while (at && n--)
		at = deliver_job_next_recipient(mail->job, at);
	return at ? at : "";
}

/* Without memory the recipient gets the job's result in the end, which is later: nothing is lost by that. */
void mail_settle(struct mail *mail, size_t n, const struct outcome *outcome)
{
	(void)deliver_job_settle(mail->job, n, outcome);
	mail->states[n] = MAIL_SETTLED;
}

void mail_settle_rest(struct mail *mail, const struct outcome *outcome)
{
	for (size_t n = 0; n < mail->job->count; n++)
		if (mail->states[n] != MAIL_SETTLED)
			mail_settle(mail, n, outcome);
}

void mail_wait_again(struct mail *mail)
{
	for (size_t n = 0; n < mail->job->count; n++)
		if (mail->states[n] != MAIL_SETTLED)
			mail->states[n] = MAIL_WAITING;
}

bool mail_is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	return true;
}

bool mail_needs_utf8(const struct mail *mail, size_t n)
{
	return !mail_is_ascii(span_of(mail_recipient(mail, n)));
}
