/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cr_parse_u64(const char *s, int base, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	uint64_t v;

	*out = 0;
	if (!s || !isxdigit((unsigned char)s[0]))
		return -1;
	/* "010" is ten: octal surprises people. */
	if (base == 0 && !(s[0] == '0' && (s[1] == 'x' || s[1] == 'X')))
		base = 10;
	errno = 0;
	v = strtoull(s, &end, base);
	if (errno || end == s || *end || v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

int cr_parse_i64(const char *s, int base, int64_t min, int64_t max, int64_t *out)
{
	uint64_t v;
	int neg;

	*out = 0;
	if (!s)
		return -1;
	neg = s[0] == '-';
	if (cr_parse_u64(s + neg, base, 0, (uint64_t)INT64_MAX + (uint64_t)neg, &v) < 0)
		return -1;
	if (neg ? (int64_t)(0 - v) < min : (int64_t)v < min)
		return -1;
	if (neg ? (int64_t)(0 - v) > max : (int64_t)v > max)
		return -1;
	*out = neg ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int cr_parse_pid(const char *s, pid_t *out)
{
	uint64_t v;

	*out = 0;
	/* PID_MAX_LIMIT of 64-bit kernels */
	if (cr_parse_u64(s, 10, 1, 4194304, &v) < 0)
		return -1;
	*out = (pid_t)v;
	return 0;
}

int cr_parse_size(const char *s, uint64_t *out)
{
	static const char suffixes[] = "KMG";
	char digits[32];
	size_t n = s ? strlen(s) : 0;
	unsigned int shift = 0;
	const char *suffix;

	*out = 0;
	if (n == 0 || n >= sizeof(digits))
		return -1;
	memcpy(digits, s, n + 1);
	suffix = strchr(suffixes, toupper((unsigned char)s[n - 1]));
	if (suffix) {
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
		digits[n - 1] = '\0';
	}
	if (cr_parse_u64(digits, 10, 0, UINT64_MAX >> shift, out) < 0)
		return -1;
	*out <<= shift;
	return 0;
}
