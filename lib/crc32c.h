/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: crc32c(0, "123456789", 9) is 0xe3069283.  To go on, pass the last result.
 * Uses the processor's instruction where there is one, found at run time.
 */
#ifndef DEADDROP_CRC32C_H
#define DEADDROP_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);   /* the same without the instruction */

#endif
