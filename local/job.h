/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A job: one message to one drop with all its recipients that lead there (deaddrop-control(7), NAME.ctrl).  Made by intake.c or byhand.c,
 * delivered by a kind of drop, owned by the batch from its hand-over on.
 */
#ifndef DEADDROP_LOCAL_JOB_H
#define DEADDROP_LOCAL_JOB_H

#include <sys/types.h>

#include "id.h"
#include "outcome.h"

#define JOB_RECIPIENTS_MAX 100
#define JOB_INLINE_MAX (1024U * 1024)	/* bytes of B frames of one job */
#define JOB_TARGET_MAX 1024		/* bytes of a drop with its argument */
#define JOB_LARGE (1024U * 1024)	/* a message from this size on is delivered alone */

struct drop;
struct peer;

struct job {
	struct job *next;		/* in the batch's list, or in the list of those that joined another */
	struct job *same;		/* the next in its bucket of replies.c */
	struct job *joined;		/* jobs with this key that came while this one was being worked on */
	struct peer *peer;		/* whom to answer; NULL once that connection is gone */
	const struct drop *drop;
	struct id_key key;
	char key_text[ID_KEY_MAX];
	struct str target;		/* the drop with its argument, as it was asked for */
	struct str sender;
	bool no_sender;			/* nobody said who it is: by hand */
	struct str recipients;		/* each with its NUL */
	size_t count;
	uint64_t arrival;		/* microseconds since 1970 */
	bool unclear;			/* an earlier attempt may have succeeded */
	struct str head;		/* the inline bytes of the message */
	int fd;				/* where the rest stands, or -1 */
	off_t offset;
	uint64_t length;		/* of the rest */
	bool stream;			/* fd is read to its end instead: by hand, where it may be a pipe */
	struct outcome result;		/* of all recipients that have none of their own */
	struct outcome *own;		/* count of them, verdict 0 where result counts; NULL while nobody has one */
};

struct job *job_new(void);
void job_free(struct job *job);		/* NULL is allowed; closes fd; those that joined are the caller's */
int job_add_recipient(struct job *job, struct span address);
uint64_t job_size(const struct job *job);

/* Iterates the recipients: begin with at = NULL. */
const char *job_next_recipient(const struct job *job, const char *at);

/* What recipient n gets. */
const struct outcome *job_outcome(const struct job *job, size_t n);
/* Gives recipient n an outcome of its own; it takes part in no delivery any more.  0 or -1 ENOMEM. */
int job_settle(struct job *job, size_t n, const struct outcome *outcome);
bool job_is_settled(const struct job *job, size_t n);
bool job_all_settled(const struct job *job);

/* outcome := later, with the status that error (an errno) calls for, "what: strerror". */
void job_trouble(struct outcome *outcome, int error, const char *what);

#endif
