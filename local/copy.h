/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a message's bytes to a file that blocks: whole or -1 with errno. */
#ifndef DEADDROP_LOCAL_COPY_H
#define DEADDROP_LOCAL_COPY_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

int copy_parts(int out, struct iovec *parts, int count);			/* changes parts */
int copy_range(int out, int in, off_t offset, uint64_t length);			/* by copy_file_range where that goes; EIO if in is shorter */
int copy_stream(int out, int in);						/* to in's end */

#endif
