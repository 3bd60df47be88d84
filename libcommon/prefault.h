/* SPDX-License-Identifier: MIT */
/*
 * Page faults taken before they are in the way: one costs more than a page that
 * is asked for (MADV_POPULATE_WRITE, 5.14), ten times as much on some virtual
 * machines.  For what will be used for certain: on others it is the page itself
 * that costs.
 */
#ifndef CR_PREFAULT_H
#define CR_PREFAULT_H

#include <stddef.h>

/* Writable memory of ours, whose content stays as it is. */
void cr_prefault(void *start, size_t size);

#endif
