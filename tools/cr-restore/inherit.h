/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that are given to the restore (--inherit-fd fd[N]:KEY) for what
 * the dump left outside (--external), or instead of a file.
 */
#ifndef INHERIT_H
#define INHERIT_H

#include "restore.h"

/* Parse the options; exits 100 when one is malformed. */
void inherit_parse(struct restore *r);

/* Put them away from the numbers of the tasks. */
int inherit_keep(struct restore *r, struct cr_err *err) CR_MUST;

/* The descriptor for @key, -1: none. */
int inherit_find(const struct restore *r, const char *key);

/* A new one with @flags; @mode: the st_mode that the dump saw. */
int inherit_open(int from, uint32_t flags, struct cr_err *err) CR_MUST;

#endif
