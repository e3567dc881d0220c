/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Maildir kind of drop.  A delivery's file is called SECONDS.KEY.HOST (the message's arrival, the job's key): the same for each
 * attempt, so that a
 * repeat finds what an earlier one left.
 */
#ifndef DEADDROP_LOCAL_MAILDIR_H
#define DEADDROP_LOCAL_MAILDIR_H

#include "drop.h"

extern const struct drop_kind maildir_kind;

/* Appends the file's name. */
int maildir_name(struct str *out, const struct deliver_job *job, const char *host);
/* Whether an entry of cur is the message of that name: flags may follow. */
bool maildir_is_name(const char *entry, struct span name);

#endif
