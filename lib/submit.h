/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A submission to queue.ctrl for a program without a loop (inject): blocking, with deadlines, one message.  Sticky error: the steps may be called without looking, submit_end tells.
 * A lost connection is mended by itself: connect again, ask by key, and after N send again where the caller can rewind (deaddrop-control(7)).
 */
#ifndef DEADDROP_SUBMIT_H
#define DEADDROP_SUBMIT_H

#include "envelope.h"

struct submit;

/* Writes the message once more from its start through submit_write.  0, or -1 if it cannot be produced again. */
typedef int submit_replay_fn(void *arg, struct submit *submit);

/* path of queue.ctrl; stage: our name in the hello; wait: microseconds to wait for a queue that is away. */
struct submit *submit_new(const char *path, const char *stage, uint64_t wait);
void submit_free(struct submit *submit);
int submit_begin(struct submit *submit, const struct envelope *envelope);	/* the envelope must live until submit_end */
int submit_write(struct submit *submit, struct span bytes);
void submit_cancel(struct submit *submit);
/* 0: durable, id holds its id.  Otherwise a sysexits code (75 tempfail, 65 dataerr, 69, 77 …), and error says what failed and what to do. */
int submit_end(struct submit *submit, submit_replay_fn *replay, void *arg, struct str *id, struct str *error);

#endif
