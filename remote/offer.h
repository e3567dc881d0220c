/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server says that it can do: the keywords of its answer to EHLO or LHLO.  Pure. */
#ifndef DEADDROP_REMOTE_OFFER_H
#define DEADDROP_REMOTE_OFFER_H

#include "reply.h"

#define OFFER_MECHANISMS_MAX 1000	/* bytes of the names of SASL mechanisms */

enum {
	OFFER_PIPELINING = 1, OFFER_8BITMIME = 2, OFFER_SMTPUTF8 = 4, OFFER_CHUNKING = 8, OFFER_DSN = 16, OFFER_STARTTLS = 32, OFFER_SIZE = 64, OFFER_AUTH = 128,
};

struct offer {
	unsigned flags;
	uint64_t size;			/* octets of the largest message; 0: no limit, or not known */
	struct str mechanisms;		/* names between blanks */
};

void offer_init(struct offer *offer);
void offer_free(struct offer *offer);
void offer_clear(struct offer *offer);
/* Replaces what was known.  0, or -1 ENOMEM.  Keywords that are not known, and wrong parameters, are passed over. */
int offer_read(struct offer *offer, const struct reply *reply);
/* The flags' names between blanks, for people. */
int offer_text(const struct offer *offer, struct str *out);

#endif
