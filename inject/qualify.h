/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks a list of addresses, from a header field or an argument, and gives bare ones a host. */
#ifndef DEADDROP_QUALIFY_H
#define DEADDROP_QUALIFY_H

#include "spill.h"

/* good: address is plain and qualified.  Otherwise it is the text that is no address.  Not 0 ends the walk. */
typedef int qualify_fn(void *arg, struct span address, bool good);

/* out gets the list byte for byte, but with "@host" behind each bare address; NULL: none.  each may be NULL.  0, -1 with errno, or what each
 * returned. */
int qualify_addresses(struct span list, struct span host, struct spill *out, qualify_fn *each, void *arg);

#endif
