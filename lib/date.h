/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dates: RFC 5322 section 3.3.  The time zone must have been read (tzset) before a chroot. */
#ifndef DEADDROP_DATE_H
#define DEADDROP_DATE_H

#include "str.h"

int date_put(struct str *out, uint64_t microseconds);	/* appends "Sat, 21 Nov 2026 06:00:51 +0000", local zone; English whatever the locale */

#endif
