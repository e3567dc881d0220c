/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking for what earlier attempts left in a Maildir's folder. */
#ifndef DEADDROP_LOCAL_LOOKUP_H
#define DEADDROP_LOCAL_LOOKUP_H

#include "folder.h"

#define LOOKUP_JOBS_MAX 256

/*
 * For jobs that all lead to this folder: found[i] becomes 1 (made durable, the job's result says where), 0 (not there) or -1 (cannot
 * tell: the result says later).
 * Jobs whose found is not 0 at the call are passed over.
 */
void lookup_run(const struct folder *folder, const char *host, struct deliver_job **jobs, size_t count, signed char *found);

#endif
