/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A notification's file in deferred/. */
#ifndef DEADDROP_BOUNCE_FILE_H
#define DEADDROP_BOUNCE_FILE_H

#include "bounce_report.h"
#include "flight.h"

#define BOUNCE_HELD "until its message tells of it"	/* the reason of the line that holds it */

/* Appends the message that is given back: its header, or, where *whole, the sender wants it and it is small enough, all of it, which *whole then says.
 * 0 or -1 with errno */
int bounce_file_original(struct send *s, const struct source *source, struct str *out, bool *whole);
/* Writes and renames deferred/ID durably; the report's id is its name.  held: until it is released.  0 or -1 with errno. */
int bounce_file_write(struct send *s, const struct bounce_report *report, uid_t uid, bool held);
/* Notes that it waits for nothing any more.  0 or -1 with errno. */
int bounce_file_release(struct send *s, struct id id);

struct id bounce_id(struct id about);	/* the id of the notification about a message (bounce_release.c) */

#endif
