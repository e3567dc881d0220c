/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A window onto a file: reads large, hands out views.  It grows for the odd header that is larger than it, and shrinks again.
 */
#ifndef DEADDROP_WINDOW_H
#define DEADDROP_WINDOW_H

#include "str.h"

#define WINDOW_BYTES (256U * 1024)

struct window {
	const void *owner;	/* whose bytes these are; NULL: nobody's */
	uint64_t start;
	struct str bytes;
};

void window_init(struct window *w);
void window_free(struct window *w);
void window_forget(struct window *w, const void *owner);	/* its bytes may have changed, or it is gone */
/*
 * The bytes from offset on: want of them at least, where the file has them below limit, and as many more as happen to be there.
 * What lies below limit must not change any more.  fewer: they are not there.  0, or -1 with errno.  The view lives until the next call.
 */
int window_at(struct window *w, const void *owner, int fd, uint64_t offset, size_t want, uint64_t limit, struct span *view);

#endif
