/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is told of what: the recipients of a notification, from a mail, its record and its lines. */
#ifndef DEADDROP_BOUNCE_LIST_H
#define DEADDROP_BOUNCE_LIST_H

#include "bounce_report.h"
#include "mail.h"
#include "record.h"

struct bounce_list {
	struct bounce_recipient *all;
	size_t count;
	uint64_t until;			/* LATE: when the last attempt will be made */
	/* its own */
	struct span *attributes;	/* of each recipient of the record, views of it */
	size_t recipients;
	struct str text;		/* what the lines say, decoded */
};

int bounce_list_init(struct bounce_list *list, const struct record *record);	/* 0 or -1 ENOMEM */
void bounce_list_free(struct bounce_list *list);
/* Whether the target's recipient is to be told of a "failure" (unless it said otherwise), "success" or "delay" (if it said so): RFC 3461, NOTIFY. */
bool bounce_list_wants(const struct bounce_list *list, const struct target *t, const char *what);
/* Fills in the targets that FAILED, and those DONE that are to be told of.  The views live as long as mail, record and lines.  0 or -1. */
int bounce_list_fill(struct bounce_list *list, const struct mail *m, struct span lines);
int bounce_list_late(struct bounce_list *list, const struct mail *m, struct span lines, const struct retry *retry);

#endif
