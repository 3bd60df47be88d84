/* SPDX-License-Identifier: MIT */
#include "prefault.h"

#include <stdint.h>
#include <sys/mman.h>

#include "pagemap.h"

void cr_prefault(void *start, size_t size)
{
	volatile uint8_t *p = start;
	uintptr_t from = (uintptr_t)start & ~(uintptr_t)(CR_PAGE - 1);

	if (madvise((void *)from, (uintptr_t)start + size - from, MADV_POPULATE_WRITE) == 0)
		return;
	for (size_t i = 0; i < size; i += CR_PAGE)
		p[i] = p[i];
}
