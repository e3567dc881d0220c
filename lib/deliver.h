/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The deliverer's side of NAME.ctrl (deaddrop-control(7)), for any stage that delivers: connections, jobs put together in bounded memory, the index of jobs by
 * key, the answers.  A stage is handed jobs and gives each back once, with its outcomes.
 *
 * A key that is being worked on joins that work, also from another connection; the final outcomes (done, never) of the last 10,000 jobs are kept for each recipient's
 * address and given again; whoever asks again for one that had later gets a new attempt.  Jobs of a connection that is gone are finished.
 * While the jobs at hand take more than the cap, or hold too many descriptors, no connection is read.
 */
#ifndef DEADDROP_DELIVER_H
#define DEADDROP_DELIVER_H

#include "ctrl.h"
#include "id.h"
#include "log.h"
#include "outcome.h"

#define DELIVER_RECIPIENTS_MAX 100
#define DELIVER_INLINE_MAX (1024U * 1024)	/* bytes of B frames of one job */
#define DELIVER_TARGET_MAX 1024			/* bytes of a drop with its argument */
#define DELIVER_CONNECTIONS_MAX 16		/* on each listener */
#define DELIVER_FILES_MAX 512			/* jobs with a descriptor at hand */
#define DELIVER_KEPT 10000			/* jobs whose outcomes are remembered */
#define DELIVER_KEPT_BYTES_MAX (16U * 1024 * 1024)	/* of their texts; beyond, the oldest go first */

struct deliver;
struct deliver_peer;

struct deliver_job {
	struct deliver_job *next;	/* the stage's, from the hand-over on */
	void *data;			/* the stage's; not freed */
	struct deliver_job *same;	/* the next in its bucket of the index */
	struct deliver_job *joined;	/* jobs with this key that came while this one was being worked on */
	struct deliver_peer *peer;	/* whom to answer; NULL: nobody */
	struct id_key key;
	char key_text[ID_KEY_MAX];
	struct str target;		/* the drop with its argument, as it was asked for */
	struct str sender;
	bool no_sender;			/* nobody said who it is: by hand */
	struct str attributes;		/* "name=value", each with its NUL; arrival and unclear are not among them */
	struct str recipients;		/* each with its NUL */
	struct str recipient_attributes;	/* "number name=value", each with its NUL */
	size_t count;
	uint64_t arrival;		/* microseconds since 1970 */
	bool unclear;			/* an earlier attempt may have succeeded */
	bool missing;			/* the stage's: it looked for an unclear one, and it was not there */
	uint64_t alive;			/* boot time: when it was last told that it makes progress */
	struct str head;		/* the inline bytes of the message */
	int fd;				/* where the rest stands, or -1; the job's */
	off_t offset;
	uint64_t length;		/* of the rest */
	bool stream;			/* fd is read to its end instead: by hand, where it may be a pipe */
	struct outcome result;		/* of all recipients that have none of their own; later at first */
	struct outcome *own;		/* count of them, verdict 0 where result counts; NULL while nobody has one */
};

/* ---- jobs (deliver_job.c) ---- */

struct deliver_job *deliver_job_new(void);
void deliver_job_free(struct deliver_job *job);		/* NULL is allowed; closes fd; those that joined are the caller's */
int deliver_job_add_recipient(struct deliver_job *job, struct span address);
uint64_t deliver_job_size(const struct deliver_job *job);	/* bytes of the message; with stream: of its head */
/* Iterates the recipients: begin with at = NULL. */
const char *deliver_job_next_recipient(const struct deliver_job *job, const char *at);
/* The last attribute of that name, of the job or of recipient n.  False: it has none. */
bool deliver_job_attribute(const struct deliver_job *job, const char *name, struct span *value);
bool deliver_job_recipient_attribute(const struct deliver_job *job, size_t n, const char *name, struct span *value);
const struct outcome *deliver_job_outcome(const struct deliver_job *job, size_t n);	/* what recipient n gets */
/* Gives recipient n an outcome of its own; it takes part in no delivery any more.  0 or -1 ENOMEM. */
int deliver_job_settle(struct deliver_job *job, size_t n, const struct outcome *outcome);
bool deliver_job_is_settled(const struct deliver_job *job, size_t n);
bool deliver_job_all_settled(const struct deliver_job *job);	/* false for one without recipients (by hand): it is delivered all the same */
/* How many connections may be used for its drop at once: most, or fewer where whoever hands out the jobs says so. */
size_t deliver_job_connections(const struct deliver_job *job, size_t most);
/* Microseconds after which whoever waits for it takes a stage for dead that says nothing of it; CLOCK_NEVER: nobody waits like that. */
uint64_t deliver_job_patience(const struct deliver_job *job);
/* Bytes from offset on of the message, from head and descriptor: up to size.  The count, 0 at its end, or -1 with errno (ENODATA: the file is shorter than was said).  Not with stream. */
ssize_t deliver_job_read(const struct deliver_job *job, uint64_t offset, void *data, size_t size);
/* outcome := later, with the status that error (an errno) calls for, "what: strerror". */
void deliver_job_trouble(struct outcome *outcome, int error, const char *what);
/* The drop's name in the target, and behind the first slash its argument.  False: there is no argument. */
bool deliver_job_argument(const struct deliver_job *job, struct span *name, struct span *argument);

/* ---- the deliverer ---- */

struct deliver_ops {			/* const, static */
	/* A job to work on: set result or settle recipients (those that are settled already take no part), and call deliver_done for it, once, in the call or later. */
	void (*deliver)(void *arg, struct deliver_job *job);
	/* May be NULL.  The job is about to be answered and freed: for the log.  Also for jobs that joined, or were known. */
	void (*answered)(void *arg, const struct deliver_job *job);
	/* May be NULL.  A connection is gone; broken: it broke the protocol (to be logged). */
	void (*ended)(void *arg, struct ctrl_peer peer, struct span stage, const char *why, bool broken);
};

/* cap: bytes of jobs at hand.  hub may be NULL: by hand, with deliver_add.  NULL: no memory. */
struct deliver *deliver_new(struct ctrl_hub *hub, size_t cap, const struct deliver_ops *ops, void *arg);
/* Frees the jobs too, without answers.  Connections that are open still are the hub's to close; the loop must not run any more before it did. */
void deliver_free(struct deliver *deliver);
int deliver_listen(struct deliver *deliver, int fd);		/* 0, or -1 with errno */
void deliver_close(struct deliver *deliver);			/* accepts no more; open connections live on */
/* Ends the connections too, when what was answered is out: jobs that were not answered are then asked for again. */
void deliver_hang_up(struct deliver *deliver);
size_t deliver_connections(const struct deliver *deliver);
size_t deliver_pending(const struct deliver *deliver);		/* jobs that were taken over and are not answered yet */
/* Takes over a complete job that came in another way (peer NULL). */
void deliver_add(struct deliver *deliver, struct deliver_job *job);
void deliver_done(struct deliver *deliver, struct deliver_job *job);	/* the job is freed, or answered later with those that joined it */
/*
 * The job makes progress: whoever waits for it is told so, now and then, so that a slow peer does not look like a dead stage.  May be called as often as bytes move, and
 * only then.
 */
void deliver_alive(struct deliver_job *job);
/* Sends what was answered since the last time: once a turn, from the stage's turn hook. */
void deliver_flush(struct deliver *deliver);

/* The lines that every deliverer writes, for answered() and ended(). */
void deliver_log_outcomes(struct log *log, const struct deliver_job *job);	/* one a recipient */
void deliver_log_peer(struct log *log, struct ctrl_peer peer, struct span stage, const char *why);

#endif
