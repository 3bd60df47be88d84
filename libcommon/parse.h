/* SPDX-License-Identifier: MIT */
/*
 * Strict parsing of numbers: the whole string, within the range, or -1.
 * Base 0: decimal, or hexadecimal after "0x".
 */
#ifndef CR_PARSE_H
#define CR_PARSE_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

int cr_parse_u64(const char *s, int base, uint64_t min, uint64_t max, uint64_t *out) CR_MUST;
int cr_parse_i64(const char *s, int base, int64_t min, int64_t max, int64_t *out) CR_MUST;
int cr_parse_pid(const char *s, pid_t *out) CR_MUST;
/* "10M": a byte count with an optional suffix K, M or G (powers of 1024). */
int cr_parse_size(const char *s, uint64_t *out) CR_MUST;

#endif
