/* SPDX-License-Identifier: MIT */
/* Threads under seccomp: who can have the agent. */
#ifndef CR_INJECT_SECCOMP_H
#define CR_INJECT_SECCOMP_H

#include "err.h"
#include "seccomp-filter.h"
#include "trace.h"

/*
 * While we trace a thread its filters can be suspended (4.3), but not beyond
 * our death: then the filters judge the call that it is about to make, and
 * those by which it finds its way out.  So an agent comes only where the
 * filters allow the way out, and answer everything else with at most an error.
 * Suspends them; fails with CR_REFUSED and the reason.
 */
int inject_seccomp(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* The first call that an agent would need and cannot have there, or NULL. */
const char *inject_seccomp_forbids(const struct cr_tracee *t, const struct cr_filter *list,
				   size_t count);

#endif
