/* SPDX-License-Identifier: MIT */
/*
 * What this CPU has: the state components that the kernel saves (XCR0) and the
 * flags line of /proc/cpuinfo.  In arch/MACHINE/cpu-features.c.
 */
#ifndef CR_CPU_FEATURES_H
#define CR_CPU_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* @flags points into @text; both are malloc'ed. */
int cr_cpu_features(uint64_t *xfeatures, char **text, char ***flags, size_t *count,
		    struct cr_err *err) CR_MUST;

#endif
