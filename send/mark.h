/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The high-water mark of hand-outs (deaddrop-spool(5), outcome/mark).  Nothing that is dated after the mark on the disk has ever been
 * handed to a deliverer; so what is dated up to it, and has no outcome, is unclear to the next process.
 */
#ifndef DEADDROP_MARK_H
#define DEADDROP_MARK_H

#include "str.h"

struct mark {
	int dir;		/* outcome/ */
	uint64_t old;		/* what the last process left; UINT64_MAX where the file is there and cannot be read: all is unclear */
	uint64_t value;		/* what is on the disk now */
};

int mark_put(struct str *out, uint64_t value);			/* the file's line */
int mark_parse(struct span text, uint64_t *value);		/* 0 or -1 */
/* Reads the file.  A missing one is 0.  -1 with errno: it could not be read. */
int mark_open(struct mark *mark, int dir);
/* Makes sure, durably, that usec is covered; writes ahead, so that it rarely has to.  0, or -1 with errno: it must not be handed out. */
int mark_cover(struct mark *mark, uint64_t usec, uint64_t now);
/* Writes a mark that is lower, where no attempt of what is dated after it is without an outcome on the disk.  0, or -1 with errno: the old one may still count. */
int mark_lower(struct mark *mark, uint64_t usec);

#endif
