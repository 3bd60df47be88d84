/* SPDX-License-Identifier: MIT */
/*
 * The NUMA policies of mappings, mbind(2): only the process itself can be asked
 * about them without a walk over all of its pages.  Where the machine has one
 * node they have no meaning, and nothing is asked.
 */
#ifndef NUMA_H
#define NUMA_H

#include "schemas.h"
#include "session.h"

struct policies {
	Cr__VmaPolicy **list;
	size_t count;
};

int numa_ask(struct cr_session *s, pid_t pid, struct policies *p, struct cr_err *err) CR_MUST;
void numa_free(struct policies *p);

#endif
