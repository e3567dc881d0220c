/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Line ends and dots of the input: CR LF becomes LF, any other CR and every other byte is kept, and a lone dot ends the message where the rule says
 * so.  Pure: bytes in, bytes out; how they are split makes no difference.
 */
#ifndef DEADDROP_REPAIR_H
#define DEADDROP_REPAIR_H

#include "str.h"

enum repair_dots {
	REPAIR_DOTS_KEPT,	/* -i: a dot is text */
	REPAIR_DOTS_LAST,	/* a lone dot is dropped where nothing follows it */
	REPAIR_DOTS_END,	/* a lone dot ends the message */
	REPAIR_DOTS_SMTP	/* the same, and ".." at a line's start loses a dot */
};

#define REPAIR_EXTRA 4		/* an output buffer is that much larger than the input given with it */

struct repair {
	enum repair_dots dots;
	char held[REPAIR_EXTRA];	/* what is not decided yet: a beginning of ".\r\n", or "\r" */
	unsigned char count;
	bool in_line;			/* the next byte does not begin a line */
	bool ended;			/* by a dot; the rest of the input is passed over */
};

void repair_init(struct repair *repair, enum repair_dots dots);
/* Returns the bytes written to out, which has room for len + REPAIR_EXTRA. */
size_t repair_feed(struct repair *repair, const char *data, size_t len, char *out);
size_t repair_finish(struct repair *repair, char out[static REPAIR_EXTRA]);	/* the input's end */

#endif
