/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copying bytes from file to file. */
#ifndef DEADDROP_COPY_H
#define DEADDROP_COPY_H

#include <stddef.h>
#include <stdint.h>

int copy_bytes(int to, const void *data, size_t len);				/* all of them.  0, or -1 with errno */
int copy_range(int from, uint64_t offset, int to, uint64_t len);		/* in the kernel where it can.  0; -1 with errno, EIO where from is shorter */

#endif
