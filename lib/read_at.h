/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes of a file from an offset on, which pread leaves alone.  0, or -1 with errno (the file's, or str_reserve's); what was read before that stays in out. */
#ifndef DEADDROP_READ_AT_H
#define DEADDROP_READ_AT_H

#include "str.h"

int read_at(struct str *out, int fd, uint64_t offset, size_t want);	/* appends that many, or fewer: there the file ends */
int read_rest(struct str *out, int fd, uint64_t offset);		/* appends all up to its end */

#endif
