/* SPDX-License-Identifier: MIT */
/*
 * Shared memory objects: anonymous shared mappings and memfds.  The restorer
 * makes each once, with its bytes; r->shmems has a descriptor to read [0] and
 * one to write [1] for the mappings and the descriptors that refer to it.
 */
#ifndef SHMEM_H
#define SHMEM_H

#include "restore.h"

int shmems_check(struct restore *r, struct cr_err *err) CR_MUST;
int shmems_make(struct restore *r, struct cr_err *err) CR_MUST;
/* When all mappings are made: seals that they could not be made under, and the
 * removal of segments. */
int shmems_finish(struct restore *r, struct cr_err *err) CR_MUST;

#endif
