/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base 64 (RFC 4648 section 4), on one line, padded.  Pure. */
#ifndef DEADDROP_BASE64_H
#define DEADDROP_BASE64_H

#include "str.h"

int base64_encode(struct str *out, struct span bytes);	/* appends; 0 or -1 as str_append */

/* Appends.  Strict: whole groups of four, padding only at the end, no blanks or line ends, unused bits zero; what differs is -1 EINVAL and leaves
 * out as it was.  The caller has taken the line end off. */
int base64_decode(struct str *out, struct span text);

#endif
