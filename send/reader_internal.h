/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the reader share. */
#ifndef DEADDROP_READER_INTERNAL_H
#define DEADDROP_READER_INTERNAL_H

#include "reader.h"

enum step { STEP_ON, STEP_WAIT, STEP_TURN };	/* go on; another file; the turn is over */

/* What stands at f->read: */
enum step reader_whole(struct send *s, struct file *f, int fd, struct span view, struct record *record);	/* a sound header */
enum step reader_end_mark(struct send *s, struct file *f, int fd, const struct record *record);
enum step reader_at_end(struct send *s, struct file *f);		/* nothing */
enum step reader_stall(struct send *s, struct file *f);		/* what may become something */
/* No record.  Below what is known to be committed it is damage; above, it is not written whole yet, or never will be. */
enum step reader_judge(struct send *s, struct file *f, int fd);

void reader_finish(struct send *s, struct file *f);			/* there is nothing more in it */
void reader_leave_alone(struct send *s, struct file *f, const char *why);	/* until the next start */
/* Whether queue has written more than it has announced, or its word was lost. */
void reader_note_behind(struct send *s, struct file *f, bool behind);

#endif
