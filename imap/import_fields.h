/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tells one message from another on a server: the fields below.  Pure. */
#ifndef DEADDROP_IMAP_IMPORT_FIELDS_H
#define DEADDROP_IMAP_IMPORT_FIELDS_H

#include "span.h"

#define IMPORT_DIGEST 16

#define IMPORT_FIELDS "MESSAGE-ID DATE FROM SUBJECT"	/* for FETCH */

/*
 * The digest of the first of each of these fields, without blanks and folding and all that is not ASCII, in a header or a part of one: the same for a message here and for what a server gives of
 * it.  Lines that are no fields are passed over, as servers do.  *has_id: there is a Message-ID.  0, or -1 (ENOMEM).
 */
int import_fields_digest(struct span header, unsigned char digest[IMPORT_DIGEST], bool *has_id);
/* Goes on: digest := of digest and bytes. */
int import_fields_chain(unsigned char digest[IMPORT_DIGEST], struct span bytes);

#endif
