/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An envelope as it is being built: sender, recipients, attributes.  Addresses are without angle brackets and clean (text_is_clean).
 * All text lives in one string, so that building one costs a few allocations and it can be reused.
 */
#ifndef DEADDROP_ENVELOPE_H
#define DEADDROP_ENVELOPE_H

#include "str.h"

#define ENVELOPE_ADDRESS_MAX 1024	/* bytes of an address: beyond RFC 5321's 256, for long extensions */
#define ENVELOPE_VALUE_MAX 1024		/* bytes of an attribute's value */
#define ENVELOPE_NAME_MAX 32		/* bytes of an attribute's name: a-z 0-9 - */

struct envelope {
	struct str lines;	/* "attr NAME VALUE\n" lines, as they will stand in the record */
	struct str sender;
	struct str rcpts;	/* "rcpt ADDRESS\n" and "rattr NAME VALUE\n" lines */
	size_t count;		/* recipients */
};

void envelope_init(struct envelope *e, size_t bytes_max);       /* the cap of each of the three strings */
void envelope_clear(struct envelope *e);                        /* empty, memory kept */
void envelope_free(struct envelope *e);
/* 0, or -1 with nothing changed: EINVAL (not clean, an empty recipient, a recipient's attribute before any recipient), EMSGSIZE, ENOMEM */
int envelope_set_sender(struct envelope *e, struct span address);
int envelope_add_attribute(struct envelope *e, struct span name, struct span value);
int envelope_add_recipient(struct envelope *e, struct span address);
int envelope_add_recipient_attribute(struct envelope *e, struct span name, struct span value);	/* of the last recipient */
bool envelope_is_name(struct span name);                        /* of an attribute */

#endif
