/* SPDX-License-Identifier: MIT */
/* Empty session keyrings: made by the first process that has one, and inherited. */
#ifndef SESSION_RING_H
#define SESSION_RING_H

#include "restore.h"

void session_rings_check(struct restore *r);

/* In a new process, of the birth @index. */
int session_ring_join(const struct restore *r, unsigned int index, struct cr_err *err) CR_MUST;

#endif
