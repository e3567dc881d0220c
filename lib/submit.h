/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A submission to queue.ctrl for a program without a loop (inject): blocking, with deadlines, one message.  Sticky error: the steps may be called
 * without looking, submit_end tells.  A lost connection is mended by itself: connect again, ask by key, and after N send again where the caller
 * can produce the message once more (deaddrop-control(7)).
 */
#ifndef DEADDROP_SUBMIT_H
#define DEADDROP_SUBMIT_H

#include "envelope.h"

#define SUBMIT_ANSWER_WAIT (UINT64_C(60) * 1000000)	/* microseconds for queue's answer on the connection that carried the message */
#define SUBMIT_ASK_WAIT (UINT64_C(90) * 1000000)	/* and then for asking what became of it, on new connections */

struct submit;

/* Writes the message once more from its start through submit_write.  0, or -1 if it cannot be produced again. */
typedef int submit_replay_fn(void *arg, struct submit *submit);

/* path of queue.ctrl; stage: our name in the hello; both are kept, not copied.  wait: microseconds to wait for a queue that is away or does not
 * read.  NULL: no memory. */
struct submit *submit_new(const char *path, const char *stage, uint64_t wait);
void submit_set_patience(struct submit *submit, uint64_t answer, uint64_t ask);	/* instead of the two above */
void submit_free(struct submit *submit);			/* NULL is allowed; without submit_end it is submit_cancel */
int submit_begin(struct submit *submit, const struct envelope *envelope);	/* the envelope must live until submit_end */
/* 0, or -1 where it is settled already that the bytes are of no use: queue has refused the message, or an error stands that waiting does not mend.
 * A lost connection gives 0: submit_end mends it. */
int submit_write(struct submit *submit, struct span bytes);
void submit_cancel(struct submit *submit);			/* nothing will be stored; not to be called after submit_end */
/* 0: durable, id holds its id.  Otherwise a sysexits code (75 tempfail, 69 refused, 77 not permitted, 78), and error says what failed and what to
 * do.  replay may be NULL. */
int submit_end(struct submit *submit, submit_replay_fn *replay, void *arg, struct str *id, struct str *error);

/* A blocking connection to a control socket, whose owner's name (queue, send) goes into the texts.  Tries again in steps of 50 ms to 1 s while the
 * socket is away, for wait microseconds.  0 with *fd (close-on-exec; sending on it times out after wait, at least a second), or a sysexits code with error set. */
int submit_connect(const char *path, const char *owner, uint64_t wait, int *fd, struct str *error);
int submit_connect_timeout(int fd, uint64_t microseconds);	/* the time a receive on fd may take; 0 or -1 */
void submit_connect_nap(uint64_t *step);			/* a pause between tries: 50 ms at first (*step 0), then twice as long, up to 1 s */

#endif
