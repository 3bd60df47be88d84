/* SPDX-License-Identifier: MIT */
/* Does this CPU have what the image's had?  arch/MACHINE/cpu.c. */
#ifndef CPU_H
#define CPU_H

#include "restore.h"

/* The words of --cpu-cap (NULL: it was not given); -1: one is unknown. */
int cpu_parse_caps(const char *words, unsigned int *caps) CR_MUST;

/* Refuses each feature that is missing by its name. */
int cpu_check(struct restore *r, struct cr_err *err) CR_MUST;

#endif
