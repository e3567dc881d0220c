/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A span is a view of bytes that somebody else owns: what the parsers hand out.
 * It is no string: it may hold NUL and has no terminator.  It is valid as long as the buffer it was cut from is.
 */
#ifndef DEADDROP_SPAN_H
#define DEADDROP_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const char *data;
	size_t len;
};

struct span span_of(const char *text);                          /* of a C string, without its NUL */
bool span_equal(struct span a, struct span b);
bool span_is(struct span a, const char *text);                  /* same bytes as the C string */
bool span_is_nocase(struct span a, const char *text);           /* the same but for ASCII case */
bool span_starts(struct span a, const char *prefix);
struct span span_skip(struct span a, size_t n);                 /* without its first n bytes (all, if it is shorter) */
struct span span_trim(struct span a);                           /* without blanks, tabs, CR, LF at both ends */

/* Cut off the next word: up to separator or the end.  *rest goes behind the separator.  False when *rest was empty. */
bool span_word(struct span *rest, char separator, struct span *word);

/* Strict numbers: only digits, no sign, no blanks, nothing left over.  0, or -1 (EINVAL, ERANGE above max). */
int span_decimal(struct span a, uint64_t max, uint64_t *value);
int span_hex(struct span a, uint64_t max, uint64_t *value);     /* lower-case digits, 1 to 16 of them */

#endif
