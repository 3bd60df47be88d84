/* SPDX-License-Identifier: MIT */
/*
 * Page faults taken before they are in the way.  One costs more than ten times
 * what a page costs that is asked for (MADV_POPULATE_*, 5.14), most of all in a
 * virtual machine, and those of a stage come while the target is frozen.
 */
#ifndef CR_PREFAULT_H
#define CR_PREFAULT_H

#include <stddef.h>

/* Writable memory of ours, whose content stays as it is. */
void cr_prefault(void *start, size_t size);

/* The code and data of this program, its stack, and a heap to work with. */
void cr_prefault_program(void);

#endif
