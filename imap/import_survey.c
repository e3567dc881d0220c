/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What of a folder is on the server already, from an import that was killed or whose connection broke, or from elsewhere.  Nothing is kept on disk: the server is asked.
 * It may still be storing what an ended connection brought: so nobody asks in the first seconds, and where a part is there, it must have stayed the same for some more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "body.h"
#include "clock.h"
#include "import_date.h"
#include "import_internal.h"

#define SETTLE (2 * CLOCK_SECOND)
#define HEADER (1024U * 1024)		/* bytes of a message in which its fields are looked for */
#define PIECE (256U * 1024)		/* bytes that are compared at a time */

static void go_on(struct import *import);

/* ---- ours ---- */

static int examine_body(struct import_message *message, struct deliver_job *job)
{
	char *header = malloc(HEADER);
	struct body body;
	ssize_t got = header ? deliver_job_read(job, 0, header, HEADER) : -1;
	size_t have = 0;
	int result = -1;

	for (; got > 0 && have + (size_t)got < HEADER;) {
		have += (size_t)got;
		got = deliver_job_read(job, have, header + have, HEADER - have);
	}
	have += got > 0 ? (size_t)got : 0;
	if (got >= 0 && !body_open(&body, job) && !import_fields_digest((struct span){ header, have }, message->digest, &message->has_id)) {
		message->size = body.length;
		message->examined = true;
		result = 0;
	}
	free(header);
	return result;
}

/* What cannot be read now is told when its turn to be appended comes. */
static void examine(struct import *import, struct import_message *message)
{
	struct import_letter letter;
	struct str error = STR_INIT(1000);

	if (!message->examined && message->state == IMPORT_WAITS && !import_source_read(&import->source, import->folder, message, &letter, &error)) {
		examine_body(message, letter.job);
		deliver_job_free(letter.job);
	}
	str_free(&error);
}

/* The digest of all bytes, in pieces as they are asked for. */
static int digest_bytes(struct import *import, struct import_message *message, unsigned char digest[IMPORT_DIGEST])
{
	struct str error = STR_INIT(1000), piece = STR_INIT(2 * PIECE);
	struct import_letter letter;
	struct body body;
	char data[8192];
	ssize_t got = -1;

	memset(digest, 0, IMPORT_DIGEST);
	if (!import_source_read(&import->source, import->folder, message, &letter, &error)) {
		if (!body_open(&body, letter.job)) {
			while ((got = body_read(&body, data, sizeof data)) > 0 && !str_append(&piece, data, (size_t)got))
				while (piece.len >= PIECE && !import_fields_chain(digest, (struct span){ piece.data, PIECE }))
					str_shift(&piece, PIECE);
			if (!got)
				got = import_fields_chain(digest, str_span(&piece));
		}
		deliver_job_free(letter.job);
	}
	str_free(&error);
	str_free(&piece);
	return got ? -1 : 0;
}

/* ---- theirs ---- */

static void on_message(void *arg, const struct session_survey_message *message)
{
	struct import *import = arg;
	struct import_there *there = import_match_add(&import->match);
	bool has_id;

	if (!there || import_fields_digest(message->header, there->digest, &has_id) < 0) {
		import->out_of_memory = true;
		return;
	}
	there->uid = message->uid;
	there->size = message->size;
	if (import_date_read(message->date, &there->date) < 0)
		there->date = 0;
}

static void survey(struct import *import, bool count_only)
{
	import->survey.mailbox = import->mailbox.data;
	import->survey.count_only = count_only;
	if (!count_only)
		import_match_clear(&import->match);
	session_survey(import->session, &import->survey);
}

static void survey_all(struct import *import)
{
	survey(import, false);
}

static void survey_count(struct import *import)
{
	survey(import, true);
}

/* ---- doubts ---- */

static void take_one(struct import_doubt *doubt, unsigned char (*digests)[IMPORT_DIGEST], const unsigned char digest[IMPORT_DIGEST])
{
	for (size_t i = 0; i < doubt->our_count; i++) {
		if (!doubt->ours[i] || memcmp(digests[i], digest, IMPORT_DIGEST))
			continue;
		if (doubt->ours[i]->state == IMPORT_WAITS)
			doubt->ours[i]->state = IMPORT_THERE;
		doubt->ours[i] = NULL;
		return;
	}
}

static void next_uid(struct import *import)
{
	import->uid++;
	import->offset = 0;
	memset(import->digest, 0, IMPORT_DIGEST);
}

static void resolve(struct import *import);

static void on_piece(void *arg, struct session *session, bool good)
{
	struct import *import = arg;
	struct import_doubt *doubt = &import->match.doubts[import->doubt];
	struct span bytes = str_span(&import->survey.bytes);

	(void)session;
	if (good && import_fields_chain(import->digest, bytes) < 0)
		good = false;
	if (good && bytes.len == PIECE) {
		import->offset += PIECE;
	} else {
		if (good)
			take_one(doubt, import->ours, import->digest);
		next_uid(import);
	}
	import_later(import, resolve, 0);
}

/* The digests of ours; those that cannot be read agree with nothing. */
static int begin_doubt(struct import *import, struct import_doubt *doubt)
{
	import->ours = calloc(doubt->our_count, IMPORT_DIGEST);
	if (!import->ours)
		return -1;
	for (size_t i = 0; i < doubt->our_count; i++)
		if (digest_bytes(import, doubt->ours[i], import->ours[i]) < 0)
			doubt->ours[i] = NULL;
	import->uid = (size_t)-1;
	next_uid(import);
	return 0;
}

static void resolve(struct import *import)
{
	for (; import->doubt < import->match.doubt_count; import->doubt++) {
		struct import_doubt *doubt = &import->match.doubts[import->doubt];

		if (!import->ours && begin_doubt(import, doubt) < 0) {
			import_stop(import, EX_OSERR, "%s", strerror(errno));
			return;
		}
		if (import->uid < doubt->uid_count) {
			session_survey_piece(import->session, &import->survey, doubt->uids[import->uid], import->offset, PIECE);
			return;
		}
		free(import->ours);
		import->ours = NULL;
	}
	go_on(import);
}

/* ---- the end ---- */

static bool is_partial(const struct import_folder *folder)
{
	size_t there = 0, wait = 0;

	for (size_t i = 0; i < folder->count; i++) {
		there += folder->messages[i].state == IMPORT_THERE;
		wait += folder->messages[i].state == IMPORT_WAITS;
	}
	return there && wait;
}

static void go_on(struct import *import)
{
	if (is_partial(import->folder))
		import_later(import, survey_count, SETTLE);
	else
		import_later(import, import_upload_begin, 0);
}

static void compare(struct import *import)
{
	for (size_t i = 0; i < import->folder->count; i++)
		examine(import, &import->folder->messages[i]);
	if (import->out_of_memory || import_match_run(&import->match, import->folder) < 0) {
		import_stop(import, EX_OSERR, "%s: %s", import->mailbox.data, strerror(ENOMEM));
		return;
	}
	import->doubt = 0;
	free(import->ours);
	import->ours = NULL;
	resolve(import);
}

static void on_done(void *arg, struct session *session, bool there, uint64_t exists, const char *text)
{
	struct import *import = arg;

	(void)session;
	if (!there && !*text)
		import_stop(import, EX_CANTCREAT, "the mailbox %s is missing; make it, or say \"create yes\" for the account", import->mailbox.data);
	else if (!there)
		import_stop(import, EX_TEMPFAIL, "%s: %s", import->mailbox.data, text);
	else if (import->survey.count_only)
		import_later(import, exists == import->exists ? import_upload_begin : survey_all, 0);
	else {
		import->exists = exists;
		import_later(import, exists ? compare : import_upload_begin, 0);
	}
}

void import_survey_begin(struct import *import)
{
	uint64_t now = loop_now(import->host->loop), first = import->progress.began + SETTLE;

	import->survey.fields = IMPORT_FIELDS;
	import->survey.arg = import;
	import->survey.message = on_message;
	import->survey.done = on_done;
	import->survey.piece = on_piece;
	import_later(import, survey_all, now < first ? first - now : 0);
}

void import_survey_forget(struct import *import)
{
	import_match_clear(&import->match);
	free(import->ours);
	import->ours = NULL;
}
