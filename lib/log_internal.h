/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What log.c (sinks) and log_value.c (lines) share. */
#ifndef DEADDROP_LOG_INTERNAL_H
#define DEADDROP_LOG_INTERNAL_H

#include "log.h"

/* Writes what stands before the event: "queue: ", with the time to a file; "<22>deaddrop-queue[123]: " to syslog. */
size_t log_prefix(const struct log *log, const char *event, char *text, size_t size);
void log_put(struct log *log, const char *text, size_t len);	/* a whole line with its newline */

#endif
