/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of import share; nobody else includes it. */
#ifndef DEADDROP_IMAP_IMPORT_INTERNAL_H
#define DEADDROP_IMAP_IMPORT_INTERNAL_H

#include "import.h"
#include "import_match.h"
#include "import_source.h"
#include "session_survey.h"

struct import;
typedef void import_step(struct import *import);

struct import_counts {
	uint64_t stored, bytes, there, refused, failed, gone, skipped;
};

struct import_progress {
	bool shown;			/* standard error is a terminal */
	uint64_t began, last;		/* clock_boot */
	bool line;			/* there is one on the terminal */
};

struct import {
	const struct session_host *host;
	const struct account *account;
	const char *base;		/* the mailbox of the source's own folder */
	struct str *error;
	int status;

	struct import_source source;
	struct import_folder *folder;
	struct str mailbox;		/* the folder's */
	struct import_counts counts;
	struct import_progress progress;

	/* the connection */
	struct session *session;
	bool ever_ready, over, stopping;
	unsigned attempts;		/* in a row that brought nothing */
	unsigned refusals;		/* laters in a row */
	struct loop_timer timer;
	import_step *step;		/* what the timer does */

	/* the survey of a folder */
	struct session_survey survey;
	struct import_match match;
	uint64_t exists;		/* when it was surveyed */
	bool out_of_memory;
	size_t doubt, uid;		/* whose bytes are asked for */
	uint64_t offset;
	unsigned char digest[IMPORT_DIGEST];
	unsigned char (*ours)[IMPORT_DIGEST];	/* of the doubt's */

	/* the upload */
	bool uploading;
	size_t next;			/* of the folder's messages */
	struct item *waiting, **waiting_end;
	size_t waiting_count, under_way;
	uint64_t held;			/* bytes in memory */
	size_t files;			/* open ones */
};

/* import.c */
void import_later(struct import *import, import_step *step, uint64_t pause);
void import_stop(struct import *import, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
import_step import_next_folder;

/* import_survey.c: what is there already; goes on with import_upload_begin */
import_step import_survey_begin;
void import_survey_forget(struct import *import);	/* the connection is gone */

/* import_upload.c */
import_step import_upload_begin;
struct item *import_upload_peek(void *arg);
void import_upload_take(void *arg, struct item *item);
void import_upload_settle(void *arg, struct item *item, const struct outcome *outcome);
void import_upload_back(void *arg, struct item *item);
void import_upload_forget(struct import *import);

/* import_report.c */
void import_report_event(struct import *import, const char *event, const char *path, const char *name, const char *why);
void import_report_message(struct import *import, const char *event, const struct import_message *message, const char *why);
void import_report_progress(struct import *import);
void import_report_end(struct import *import);

#endif
