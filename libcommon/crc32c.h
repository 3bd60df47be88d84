/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli) with the CPU's instruction where it has one.
 * Start with 0; the value of one call continues the next.
 */
#ifndef CR_CRC32C_H
#define CR_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t cr_crc32c(uint32_t crc, const void *data, size_t len);

#endif
