/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The header as it will be sent: fields are kept, left out or qualified as they come, what is missing is added at the end.  On the way the
 * recipients that it names are collected.
 *
 * A header with a Resent- field is that of a message sent on: what is missing of Resent-Date, Resent-From and Resent-Message-ID comes above it, and the
 * original's fields are not completed.
 */
#ifndef DEADDROP_COMPOSE_H
#define DEADDROP_COMPOSE_H

#include "recipients.h"
#include "settings.h"
#include "spill.h"

#define COMPOSE_NAME_MAX 256		/* bytes of a full name */
#define COMPOSE_KEPT_MAX (1024U * 1024)	/* bytes of a header that are kept in memory */

struct compose {
	const struct settings *settings;
	bool collect;			/* recipients are wanted */
	struct recipients plain, resent;
	struct str bad;			/* what was no address: "text, text" */
	struct spill header;
	struct str top, bottom;		/* what goes before and behind header */
	unsigned seen;			/* SEEN_… of compose.c */
	bool dropping;			/* the field that comes in parts is left out */
	int code;			/* sysexits; sticky */
	struct str error;
};

void compose_init(struct compose *compose, const struct settings *settings, bool collect);
void compose_free(struct compose *compose);
/* Whole fields, or one in pieces (split.h).  0, or -1 with code and error. */
int compose_field(struct compose *compose, struct span field);
int compose_part(struct compose *compose, struct span part);
int compose_rest(struct compose *compose, struct span part);

/* After the last field. */
bool compose_lacks_author(const struct compose *compose);
struct recipients *compose_recipients(struct compose *compose);	/* those of Resent-To, -Cc, -Bcc, if there is such a field */
/* Fills top and bottom.  author is a qualified address, name may be empty; listed: recipients that may stand in a To field, or NULL. */
int compose_complete(struct compose *compose, struct span author, struct span name, const struct recipients *listed);
void compose_bad(struct compose *compose, struct span text);	/* notes what is no address */

#endif
