/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Received field (RFC 5321 4.4) that queue puts before each message.  Pure.  What a client said about itself is cut short and what could end the comment or
 * the line becomes a question mark.
 */
#ifndef DEADDROP_RECEIVED_H
#define DEADDROP_RECEIVED_H

#include <sys/types.h>

#include "id.h"

#define RECEIVED_MAX 1024		/* bytes of the field: a longer one cannot come about */
#define RECEIVED_HOST_MAX 128		/* bytes of host that are shown */

struct received {
	struct span host;		/* our mail name */
	struct span origin;		/* the submitting program */
	uid_t uid;
	struct id id;
	uint64_t arrival;		/* microseconds since 1970 */
	struct span client, helo, proto;	/* from a trusted submitter, or empty */
	bool hide;			/* leave out who the client was */
};

int received_put(struct str *out, const struct received *received);	/* appends; 0 or -1 */

#endif
