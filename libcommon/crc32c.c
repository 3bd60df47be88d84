/* SPDX-License-Identifier: MIT */
#include "crc32c.h"

#include <string.h>

#define POLY 0x82f63b78u	/* reflected Castagnoli polynomial */

static uint32_t crc_table[256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? (c >> 1) ^ POLY : c >> 1;
		crc_table[i] = c;
	}
}

static uint32_t crc_soft(uint32_t crc, const uint8_t *p, size_t len)
{
	if (!crc_table[1])
		make_table();
	while (len--)
		crc = crc_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return crc;
}

#ifdef __x86_64__
#include <immintrin.h>

/*
 * The instruction has a latency of three cycles, so three streams run side
 * by side and are joined with carry-less multiplication: x^n mod P for the
 * two distances below, bit-reflected.
 */
#define LANE 1360	/* bytes a stream, a multiple of 8 */

/*
 * For LANE and 2 * LANE zero bytes: the product of two reflected values is
 * short of one bit, and the instruction reduces by 32 more, so that these are
 * x^(8 * LANE - 33) and x^(16 * LANE - 33).
 */
static const uint32_t shift_op[2] = { 0x3f70cc6f, 0x5aa1f3cf };

__attribute__((target("sse4.2,pclmul"))) static uint32_t shift(uint32_t crc, uint32_t op)
{
	__m128i a = _mm_cvtsi32_si128((int)crc), b = _mm_cvtsi32_si128((int)op);
	__m128i prod = _mm_clmulepi64_si128(a, b, 0);

	return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(prod));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_hard(uint32_t crc, const uint8_t *p,
								  size_t len)
{
	uint64_t a = crc, b, c, w[3];

	while (len >= 3 * LANE) {
		b = c = 0;
		for (size_t i = 0; i < LANE; i += 8) {
			memcpy(&w[0], p + i, 8);
			memcpy(&w[1], p + i + LANE, 8);
			memcpy(&w[2], p + i + 2 * LANE, 8);
			a = _mm_crc32_u64(a, w[0]);
			b = _mm_crc32_u64(b, w[1]);
			c = _mm_crc32_u64(c, w[2]);
		}
		a = shift((uint32_t)a, shift_op[1]) ^ shift((uint32_t)b, shift_op[0]) ^ c;
		p += 3 * LANE;
		len -= 3 * LANE;
	}
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&w[0], p, 8);
		a = _mm_crc32_u64(a, w[0]);
	}
	for (; len; len--)
		a = _mm_crc32_u8((uint32_t)a, *p++);
	return (uint32_t)a;
}
#endif

uint32_t cr_crc32c(uint32_t crc, const void *data, size_t len)
{
	crc = ~crc;
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		return ~crc_hard(crc, data, len);
#endif
	return ~crc_soft(crc, data, len);
}
