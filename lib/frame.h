/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames: netstrings whose first byte is a type (deaddrop-control(7)).  Pure: bytes in, frames out.
 */
#ifndef DEADDROP_FRAME_H
#define DEADDROP_FRAME_H

#include "str.h"

#define FRAME_MAX 65536		/* bytes of a frame, the type included */

struct frame {
	char type;
	struct span value;	/* lies in the buffer that was parsed */
};

enum frame_result { FRAME_BAD = -1, FRAME_MORE = 0, FRAME_WHOLE = 1 };

/*
 * Takes one frame from the head of data.  FRAME_WHOLE: *used says how many bytes it took.  FRAME_MORE: wait for more.
 * FRAME_BAD: no netstring, no type, leading zeros or over FRAME_MAX; it can be told as soon as the bytes that show it are there.
 */
enum frame_result frame_take(const char *data, size_t len, struct frame *frame, size_t *used);

/* Bytes that the frame at the head of data will take in all; 0 while that cannot be told. */
size_t frame_size(const char *data, size_t len);

/* Both append a frame; 0, or -1 as str_append, EMSGSIZE also for a value that is too long.  The string is as it was then. */
int frame_put(struct str *out, char type, struct span value);
int frame_printf(struct str *out, char type, const char *format, ...) __attribute__((format(printf, 3, 4)));
int frame_vprintf(struct str *out, char type, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

#endif
