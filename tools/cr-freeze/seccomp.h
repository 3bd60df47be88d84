/* SPDX-License-Identifier: MIT */
/* Seccomp filters of the tree: each once, threads refer to them. */
#ifndef SECCOMP_H
#define SECCOMP_H

#include "stream.h"
#include "schemas.h"
#include "trace.h"

/* Fills m->seccomp_mode and m->seccomp_filters (to be freed), after putting the
 * filters that are new into the stream. */
int seccomp_fill(struct cr_writer *w, struct cr_tracee *t, const char *status, Cr__Thread *m,
		 struct cr_err *err) CR_MUST;

#endif
