/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A notification as a message: multipart/report (RFC 6522) with a message/delivery-status (RFC 3464).  Pure. */
#ifndef DEADDROP_BOUNCE_REPORT_H
#define DEADDROP_BOUNCE_REPORT_H

#include "id.h"

enum bounce_action { BOUNCE_FAILED, BOUNCE_DELAYED, BOUNCE_DELIVERED, BOUNCE_RELAYED };

struct bounce_recipient {
	struct span address;		/* where it was to be delivered to */
	struct span named;		/* the recipient as the sender wrote it */
	struct span orcpt;		/* of the envelope, "rfc822;…" in xtext, or empty */
	struct span drop, status, reason;
	enum bounce_action action;
};

struct bounce_report {
	struct span host;		/* the mail name */
	struct span to;			/* who is told */
	struct span envid;		/* of the envelope, in xtext or not, or empty */
	struct id about, id;		/* the message, and the notification */
	uint64_t arrival, now, until;	/* microseconds since 1970; until: DELAYED, or 0 */
	uint64_t boundary;		/* random */
	const struct bounce_recipient *recipients;
	size_t count;
	struct span message;		/* what is given back: all of it, or its header */
	bool whole;
};

/* Appends the report, lines ending in LF.  0, or -1 as str_append. */
int bounce_report_put(struct str *out, const struct bounce_report *report);

#endif
