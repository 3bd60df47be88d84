/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: one code for all tasks of a kernel, mapped at a place of its own
 * in each (AT_SYSINFO_EHDR of the auxiliary vector).
 */
#ifndef CR_VDSO_H
#define CR_VDSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct cr_vdso {
	const uint8_t *start;	/* our own */
	size_t size;		/* of the mapping; 0: the kernel gives none (vdso=0) */
	size_t used;		/* up to the last byte that is not zero */
	uint32_t digest;	/* CRC-32C of the used part */
};

int cr_vdso_own(struct cr_vdso *v, struct cr_err *err) CR_MUST;

/*
 * Address of a task's vDSO as its auxiliary vector has it; 0: it has none.  It
 * may have been moved since, and the vector may say anything.
 */
int cr_vdso_of(pid_t pid, uint64_t *start, struct cr_err *err) CR_MUST;

#endif
