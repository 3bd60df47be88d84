/* SPDX-License-Identifier: MIT */
#include "prefault.h"

#include <elf.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pagemap.h"

#define HEAP (256 << 10)
#define STACK (32u << 10)

static uintptr_t down(uintptr_t address)
{
	return address & ~(uintptr_t)(CR_PAGE - 1);
}

static int populate(uintptr_t start, uintptr_t end, int how)
{
	start = down(start);
	return start < end ? madvise((void *)start, down(end + CR_PAGE - 1) - start, how) : 0;
}

void cr_prefault(void *start, size_t size)
{
	volatile uint8_t *p = start;

	if (populate((uintptr_t)start, (uintptr_t)start + size, MADV_POPULATE_WRITE) == 0)
		return;
	for (size_t i = 0; i < size; i += CR_PAGE)
		p[i] = p[i];
}

static void prefault_image(void)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	size_t n = getauxval(AT_PHNUM);
	uintptr_t base = 0, read_only = 0;	/* what was data until it was relocated */

	for (size_t i = 0; i < n; i++) {
		if (ph[i].p_type == PT_PHDR)
			base = (uintptr_t)ph - ph[i].p_vaddr;
		if (ph[i].p_type == PT_GNU_RELRO)
			read_only = ph[i].p_vaddr + ph[i].p_memsz;
	}
	for (size_t i = 0; i < n; i++) {
		uintptr_t start = ph[i].p_vaddr, end = start + ph[i].p_memsz;
		bool writable = ph[i].p_flags & PF_W;

		if (ph[i].p_type != PT_LOAD)
			continue;
		if (writable && read_only > start)
			start = read_only;
		(void)populate(base + start, base + end,
			       writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	}
}

static void prefault_heap(void)
{
	char *p;

	(void)mallopt(M_TOP_PAD, HEAP);
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
	p = malloc(HEAP / 4);	/* less than what gets a mapping of its own */
	if (p && (char *)sbrk(0) > p)
		(void)populate((uintptr_t)p, (uintptr_t)sbrk(0), MADV_POPULATE_WRITE);
	free(p);
}

static void prefault_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)populate(here - STACK, here, MADV_POPULATE_WRITE);
}

void cr_prefault_program(void)
{
	prefault_image();
	prefault_heap();
	prefault_stack();
}
