/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a process are its own: anonymous pages that are present or
 * swapped out, and guard regions (MADV_GUARD_INSTALL, 6.13).  Pages of the
 * page cache and the shared zero page are nobody's own.
 *
 * By ioctl PAGEMAP_SCAN (6.7) with PAGE_IS_GUARD where the kernel has it
 * (6.15), else by /proc/PID/pagemap, which knows neither guards nor the zero
 * page: a guard is then a run of pages that cannot be read.
 *
 * cr_pagemap_scan() takes ranges in order of address and fills *out with runs
 * in order of address, each inside of one range; free out->list.  Environment
 * CR_NO_PAGEMAP_SCAN=1 forces the second way, for tests.
 */
#ifndef CR_PAGEMAP_H
#define CR_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define CR_PAGE 4096ull

/* An entry of /proc/PID/pagemap. */
#define CR_PM_FRAME ((1ull << 55) - 1)	/* 0 for who may not know it (4.2) */
#define CR_PM_EXCLUSIVE (1ull << 56)	/* nobody else has it mapped (4.2) */
#define CR_PM_FILE (1ull << 61)		/* or shared anonymous */
#define CR_PM_SWAP (1ull << 62)
#define CR_PM_PRESENT (1ull << 63)

struct cr_range {
	uint64_t start;
	uint64_t end;
};

struct cr_page_run {
	uint64_t start;
	uint64_t end;
	uint32_t range;		/* index of the range that it is in */
	bool guard;
};

struct cr_page_runs {
	struct cr_page_run *list;
	size_t count;
	size_t room;
};

int cr_pagemap_scan(pid_t pid, const struct cr_range *ranges, unsigned int count,
		    struct cr_page_runs *out, struct cr_err *err) CR_MUST;

#endif
