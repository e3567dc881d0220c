/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dates as mailboxes hold them: of header fields (RFC 5322, and what is written in its place), of IMAP, of the lines between the messages of an mbox file.  Pure but for the time zone. */
#ifndef DEADDROP_IMAP_IMPORT_DATE_H
#define DEADDROP_IMAP_IMPORT_DATE_H

#include "span.h"

/* "Sat, 21 Nov 2026 06:00:51 +0100", "21-Nov-2026 06:00:51 +0100", "Sat Nov 21 06:00:51 2026": day, month, year and time in any order.  Without a zone it is the
 * host's.  *date: microseconds since 1970.  0, or -1: it is no date, or one before 1970. */
int import_date_read(struct span text, uint64_t *date);
/* "From ADDRESS Sat Nov 21 06:00:51 2026": -1 where it is no such line, whatever it begins with. */
int import_date_from_line(struct span line, uint64_t *date);

#endif
