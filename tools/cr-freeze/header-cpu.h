/* SPDX-License-Identifier: MIT */
/* What the Header says of the CPU; arch/MACHINE/header-cpu.c. */
#ifndef HEADER_CPU_H
#define HEADER_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* @flags points into @text; both are malloc'ed. */
int header_cpu(uint64_t *xfeatures, char **text, char ***flags, size_t *count,
	       struct cr_err *err) CR_MUST;

#endif
