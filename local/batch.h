/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The batch: jobs that arrived in a turn of the loop are delivered together and made durable together, without timers.  256 jobs or 32 MiB at
 * a time; a large message alone.
 */
#ifndef DEADDROP_LOCAL_BATCH_H
#define DEADDROP_LOCAL_BATCH_H

#include "drop.h"

#define BATCH_JOBS_MAX 256
#define BATCH_BYTES_MAX (32U * 1024 * 1024)
#define BATCH_LARGE (1024U * 1024)	/* a message from this size on is delivered alone */

struct batch;

/* host: what the kinds get, but for done, which is the batch's. */
struct batch *batch_new(const struct drop_host *host, const struct drop_table *drops);
void batch_set_deliver(struct batch *batch, struct deliver *deliver);	/* whose jobs they are: told of each that is done */
/* The jobs are deliver's to free, afterwards; the keeper, if there is one, was stopped before. */
void batch_free(struct batch *batch);

/* Takes a job to work on; one whose drop is not there is done at once. */
void batch_take(struct batch *batch, struct deliver_job *job);
/* Hands all that waits to its kinds. */
void batch_run(struct batch *batch);
/* Something waits: a job that had joined another may want a part of its own when that is done. */
bool batch_waits(const struct batch *batch);

#endif
