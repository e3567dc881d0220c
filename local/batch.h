/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The batch: jobs that arrived in a turn of the loop are delivered together and made durable together, without timers.  256 jobs or 32 MiB at
 * a time; a large message alone.
 */
#ifndef DEADDROP_LOCAL_BATCH_H
#define DEADDROP_LOCAL_BATCH_H

#include "drop.h"
#include "log.h"

#define BATCH_JOBS_MAX 256
#define BATCH_BYTES_MAX (32U * 1024 * 1024)

struct batch;

/* Called when a job is answered for all its recipients, just before it is freed. */
typedef void batch_answer_fn(void *arg, const struct job *job);

/* host: the host's name.  log may be NULL. */
struct batch *batch_new(struct loop *loop, struct log *log, const char *host, batch_answer_fn *answer, void *arg);
void batch_free(struct batch *batch);

/* Takes over a complete job.  One without a drop is answered with the result that it has.  A key that is known is answered at once, one that is being worked on joins that work. */
void batch_add(struct batch *batch, struct job *job);
/* Delivers all that waits. */
void batch_run(struct batch *batch);
/* Jobs that were taken over and are not answered yet. */
size_t batch_pending(const struct batch *batch);
/* A connection is gone: its jobs are finished, and nobody gets the answers. */
void batch_forget_peer(struct batch *batch, const struct peer *peer);

#endif
