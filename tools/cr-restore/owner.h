/* SPDX-License-Identifier: MIT */
/*
 * Owners of open file descriptions (F_SETOWN_EX, F_SETSIG): set when all
 * processes and threads are there, from the restorer, since the owner may be
 * any of them.  O_ASYNC is set before by the process itself, because the kernel
 * keeps the number by which that was done and tells it with the signal.
 */
#ifndef OWNER_H
#define OWNER_H

#include "restore.h"

/* A descriptor of ours for description @id, from ourselves or a process of the tree. */
int owner_get_file(struct restore *r, uint32_t id, struct cr_err *err) CR_MUST;

int owner_set_async(struct restore *r, uint32_t file, int fd, struct cr_err *err) CR_MUST;
int owners_restore(struct restore *r, struct cr_err *err) CR_MUST;

#endif
