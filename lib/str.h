/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Growable byte strings.  The limit is part of the object, so that nothing that is read from outside can grow without
 * bound.  data[len] is always a NUL (data is "" before the first byte), so that the bytes can be used as a C string
 * where they hold none.  All that may fail return 0, or -1 with errno ENOMEM or EMSGSIZE (the limit) and leave the
 * string as it was.  What is appended may not lie within the string itself.  The owner frees it with str_free, which
 * leaves it empty and usable.
 */
#ifndef DEADDROP_STR_H
#define DEADDROP_STR_H

#include <stdarg.h>

#include "span.h"

struct str {
	char *data;
	size_t len;
	size_t cap;	/* bytes allocated, 0 while nothing is */
	size_t max;	/* len never exceeds it */
	bool secret;	/* what is given back to the allocator is overwritten, also where the string moves because it grows */
};

extern char str_none[1];	/* what data points to while nothing is allocated: always "", and read-only */

#define STR_INIT(limit) { str_none, 0, 0, (limit), false }
#define STR_SECRET(limit) { str_none, 0, 0, (limit), true }

int str_reserve(struct str *s, size_t extra);                   /* room for that much more at data + len */
int str_append(struct str *s, const void *data, size_t len);
int str_add(struct str *s, const char *text);                   /* a C string */
int str_add_span(struct str *s, struct span text);
int str_add_char(struct str *s, char c);
int str_add_decimal(struct str *s, uint64_t value, unsigned width);  /* zero-padded to width */
int str_add_hex(struct str *s, uint64_t value, unsigned width);      /* lower case, zero-padded to width */
int str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int str_vprintf(struct str *s, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
int str_set(struct str *s, struct span text);                   /* replaces; text may not lie within s */
void str_cut(struct str *s, size_t len);                        /* keep the first len bytes */
void str_shift(struct str *s, size_t n);                        /* drop the first n bytes */
struct span str_span(const struct str *s);
void str_free(struct str *s);
void str_wipe(struct str *s);                                   /* overwrite, then free: for what turned out to be secret */

#endif
