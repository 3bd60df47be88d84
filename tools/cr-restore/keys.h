/* SPDX-License-Identifier: MIT */
/*
 * Protection keys, pkeys(7): those that the program has allocated, and the one
 * that the kernel takes by itself for memory that may only be executed.  What
 * rights a thread has to them is a part of its XSAVE state.
 *
 * All memory is there when keys_build() comes, and until then nothing is
 * protected by PROT_EXEC alone, which would take a key: see keys_first_prot().
 */
#ifndef KEYS_H
#define KEYS_H

#include "restore.h"
#include "vec.h"

/* Find which ones the task uses, and refuse them where this CPU has none. */
int keys_check(struct restore *r, struct task_image *t, struct cr_err *err) CR_MUST;

uint32_t keys_first_prot(uint32_t prot);

/* At the beginning of a thread's vector: whatever it registers with the kernel may
 * be in memory that its new rights do not reach. */
void keys_open(const struct task_image *t, struct vec *v);

/* The last of what is done to memory. */
void keys_build(const struct task_image *t, struct vec *v);

#endif
