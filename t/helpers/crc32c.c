/* SPDX-License-Identifier: MIT */
/* Is the CRC that uses the CPU's instruction the one that the polynomial says? */
#include <stdio.h>

#include "crc32c.h"

#define LARGEST 70000

static uint32_t by_bit(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
	}
	return ~crc;
}

int main(void)
{
	static uint8_t buf[LARGEST];
	uint32_t seed = 1, n = 0;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
	if (cr_crc32c(0, "123456789", 9) != 0xe3069283u)
		printf("the check value is wrong\n");
	for (size_t len = 0; len <= sizeof(buf); len = len * 9 / 8 + 1)
		for (size_t at = 0; at < 9 && at + len <= sizeof(buf); at += 3, n++)
			if (cr_crc32c(seed, buf + at, len) != by_bit(seed, buf + at, len))
				printf("wrong for %zu bytes at %zu\n", len, at);
	printf("%u compared\n", n);
	return 0;
}
