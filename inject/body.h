/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The message's body between standard input and queue.  A pipe is read to its end before queue hears of the message: a job may write its output over hours, and no
 * connection should wait for it; and what is kept can be sent again when a connection breaks.  A file is not kept beyond its beginning, for it can be read
 * again.  Only where a long body cannot be kept, because there is no room for a temporary file, is its rest passed on as it comes.
 */
#ifndef DEADDROP_BODY_H
#define DEADDROP_BODY_H

#include "source.h"
#include "spill.h"

#define BODY_KEPT_MAX (256U * 1024)	/* bytes in memory */

typedef int body_sink_fn(void *arg, struct span bytes);	/* other than 0: no more is wanted */

struct body {
	struct spill kept;
	struct span pending;		/* read, but not kept; in the source's buffer */
	bool whole;			/* all of the input is kept */
	bool passed_on;			/* what is not kept was read for somebody already */
};

void body_init(struct body *body);
void body_free(struct body *body);
/* first and rest: what was read of the body together with the header.  0, or -1 with errno. */
int body_gather(struct body *body, struct source *source, struct span first, struct span rest);
/* 0, also where sink has had enough; -1 with errno: the body cannot be read. */
int body_write(struct body *body, struct source *source, body_sink_fn *sink, void *arg);
bool body_can_repeat(const struct body *body, const struct source *source);
int body_repeat(struct body *body, struct source *source, body_sink_fn *sink, void *arg);	/* once more from its start; as body_write */

#endif
