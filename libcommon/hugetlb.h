/* SPDX-License-Identifier: MIT */
/*
 * Huge pages of hugetlbfs.  A size is told by its shift: 21 is 2 MiB, 30 is
 * 1 GiB; 0 stands for what has no huge pages.
 *
 * Files of hugetlbfs differ from others: they cannot be written, only mapped;
 * lseek(2) takes all of them for data; reading a hole gives zeros and makes no
 * page; their size, and what is mapped or cut out, is a multiple of the page.
 */
#ifndef CR_HUGETLB_H
#define CR_HUGETLB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "err.h"

/* No machine has larger or smaller ones. */
#define CR_HUGE_SHIFT_MIN 13u
#define CR_HUGE_SHIFT_MAX 40u

static inline bool cr_huge_is_shift(uint32_t shift)
{
	return shift >= CR_HUGE_SHIFT_MIN && shift <= CR_HUGE_SHIFT_MAX;
}

/* @n rounded up to whole pages; with shift 0 to ordinary ones. */
static inline uint64_t cr_huge_round(uint64_t n, uint32_t shift)
{
	uint64_t mask = (1ull << (shift ? shift : 12)) - 1;

	return (n + mask) & ~mask;
}

/* For the flags of mmap(2), memfd_create(2) and shmget(2), which have the size at
 * the same place (MAP_HUGE_SHIFT, 3.8); without MAP_HUGETLB, MFD_HUGETLB, SHM_HUGETLB. */
static inline int cr_huge_flag(uint32_t shift)
{
	return (int)(shift << 26);
}

/* The size of the pages of the file system that @fd, or @path, is on. */
uint32_t cr_huge_shift(int fd);
uint32_t cr_huge_shift_at(const char *path);

/* The same for one of the kernel's own mounts, which memfds, segments and anonymous
 * mappings are on: by its device (4.14). */
uint32_t cr_huge_own_shift(dev_t dev);

/* Are all pages of the file there? */
bool cr_huge_is_full(const struct stat *sb);

/* The first page from @at on in which not all is zero: true and its start in *@start.
 * @at is a multiple of the page.  *@failed is set when the file cannot be read. */
bool cr_huge_next_data(int fd, uint32_t shift, uint64_t at, uint64_t size, uint64_t *start,
		       bool *failed);

/*
 * Read @length bytes at @in of the file @from into the file @to at @out, and continue
 * the checksum *@crc with them.  Makes the pages that it needs, and reserves none.
 * CR_SYSTEM when there are none, or @from ends too early.
 */
int cr_huge_copy(int to, uint32_t shift, uint64_t out, int from, uint64_t in, uint64_t length,
		 uint32_t *crc, struct cr_err *err) CR_MUST;

/* How many pages can still be had, with what the kernel makes on demand
 * (nr_overcommit_hugepages); false: this machine has none of that size. */
bool cr_huge_free(uint32_t shift, uint64_t *pages);

#endif
