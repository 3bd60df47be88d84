/* SPDX-License-Identifier: MIT */
/* How many CPUs this kernel can have: BPF has a value for each of them. */
#ifndef CR_CPUS_H
#define CR_CPUS_H

#include <stdint.h>

#include "err.h"

int cr_cpus_possible(uint32_t *out, struct cr_err *err) CR_MUST;

#endif
