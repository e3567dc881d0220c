/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The intake: jobs over NAME.ctrl (deaddrop-control(7)).  A peer that breaks the rules is dropped; its complete jobs are finished.
 */
#ifndef DEADDROP_LOCAL_INTAKE_H
#define DEADDROP_LOCAL_INTAKE_H

#include "batch.h"
#include "ctrl.h"

#define INTAKE_CONNECTIONS_MAX 16

struct intake;

/* ended (may be NULL) is called when a connection is gone. */
struct intake *intake_new(struct ctrl_hub *hub, struct log *log, const struct drop_table *drops, loop_fn *ended, void *arg);
void intake_free(struct intake *intake);
void intake_set_batch(struct intake *intake, struct batch *batch);
int intake_listen(struct intake *intake, int fd);
void intake_close(struct intake *intake);		/* accepts no more; open connections live on */
size_t intake_connections(const struct intake *intake);
/* A batch_answer_fn: arg is the intake. */
void intake_answer(void *arg, const struct job *job);
/* Sends what was answered since the last time. */
void intake_flush(struct intake *intake);

#endif
