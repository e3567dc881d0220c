/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fixed places in a record's first line and in an end mark: what record.c and record_write.c share. */
#ifndef DEADDROP_RECORD_LINE_H
#define DEADDROP_RECORD_LINE_H

#include "record.h"

#define RECORD_WORD "%deaddrop "
#define RECORD_END_WORD "%deaddrop-end "

#define RECORD_MARK_LEN 16
#define RECORD_HLEN_LEN 8
#define RECORD_LENGTH_LEN 15
#define RECORD_CRC_LEN 8

#define RECORD_AT_MARK (sizeof RECORD_WORD "1 " - 1)
#define RECORD_AT_HLEN (RECORD_AT_MARK + RECORD_MARK_LEN + 1)
#define RECORD_AT_BLEN (RECORD_AT_HLEN + RECORD_HLEN_LEN + 1)
#define RECORD_AT_HCRC (RECORD_AT_BLEN + RECORD_LENGTH_LEN + 1)
#define RECORD_AT_BCRC (RECORD_AT_HCRC + RECORD_CRC_LEN + 1)

#define RECORD_END_AT_MARK (sizeof RECORD_END_WORD "1 " - 1)
#define RECORD_END_AT_LENGTH (RECORD_END_AT_MARK + RECORD_MARK_LEN + 1)
#define RECORD_END_AT_CRC (RECORD_END_AT_LENGTH + RECORD_LENGTH_LEN + 1)

_Static_assert(RECORD_AT_BCRC + RECORD_CRC_LEN + 1 == RECORD_LINE, "the first line's fields fill it");
_Static_assert(RECORD_END_AT_CRC + RECORD_CRC_LEN + 1 == RECORD_END_LINE, "the end mark's fields fill it");

#define RECORD_HEADER_MIN (RECORD_LINE + 1)
#define RECORD_LENGTH_MAX UINT64_C(999999999999999)

void record_mark_text(char text[static RECORD_MARK_LEN], uint64_t mark);
/* CRC-32C of len bytes with zeros where its own digits stand. */
uint32_t record_line_crc(const char *data, size_t len, size_t at_crc);

#endif
