/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Words of one line: how values that may hold blanks, controls or nothing are written between blanks in spool lines
 * and control frames (deaddrop-spool(5)): bytes up to 0x20, 0x7f and '%' as %XX (upper case), an empty word as "-", a hyphen
 * alone as "%2D".  Bytes from 0x80 stay.
 */
#ifndef DEADDROP_TEXT_H
#define DEADDROP_TEXT_H

#include "str.h"

int text_encode(struct str *out, struct span value);            /* appends; 0 or -1 as str_append */
int text_decode(struct str *out, struct span word);             /* appends; -1 EINVAL where the form is wrong */

/* True when value can stand as an address or attribute: no NUL, no byte below 0x20, no 0x7f, at most max bytes. */
bool text_is_clean(struct span value, size_t max);

#endif
