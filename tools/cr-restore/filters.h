/* SPDX-License-Identifier: MIT */
/*
 * Seccomp.  Whoever installs a filter needs CAP_SYS_ADMIN or no_new_privs, so
 * it must come before the credentials, but then it judges all that follows.
 * So a thread that will have filters stops before it (the gate), the restorer
 * seizes it with its filters suspended, and only then it goes on; they begin to
 * count when the restorer lets it go.
 *
 * What all threads of a process have in common, the oldest filters, is one
 * object for all of them (SECCOMP_FILTER_FLAG_TSYNC), as it will have been.
 */
#ifndef FILTERS_H
#define FILTERS_H

#include "restore.h"
#include "vec.h"

int filters_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;
bool filters_has(const struct task_image *t, unsigned int n);

/* Bytes in the arena for one task. */
size_t filters_size(const struct task_image *t);

/* In the vector of thread @n, before the credentials. */
int filters_build(struct restore *r, const struct task_image *t, unsigned int n,
		  struct cr_agent_ctl *ctl, struct vec *v, struct arena *a,
		  struct cr_err *err) CR_MUST;

/* Seize those who wait at the gate and open it. */
int filters_open(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

#endif
