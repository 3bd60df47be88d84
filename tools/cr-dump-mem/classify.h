/* SPDX-License-Identifier: MIT */
/* What a mapping is, and whether it can be carried. */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "dump.h"

/* Vma.vma_flags */
uint32_t classify_flags(const struct cr_map *m);

/* The kernel's own code and data, by their names in brackets. */
bool classify_special(const char *name, const struct cr_map *m, Cr__VmaKind *kind);

/* Plain memory, by its name: "", "[heap]", "[stack]", "[anon:...]" */
bool classify_is_anonymous(const char *name);

/* Why it cannot be carried, by its flags; NULL: nothing is wrong. */
const char *classify_refusal(const struct cr_map *m, const char **remedy);

/* Refuse a vDSO that the process has changed: it would be lost. */
int classify_check_vdso(struct dump *d, const struct target *t, const Cr__Mm *mm,
			struct cr_err *err) CR_MUST;

/*
 * Where an agent may have its way out in pages that are dumped: bytes that must
 * be zeroes in the image.  Both 0: nowhere.
 */
int classify_agent_room(const struct target *t, const Cr__Mm *mm, uint64_t *start, uint64_t *end,
			struct cr_err *err) CR_MUST;

#endif
