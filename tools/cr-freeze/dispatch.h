/* SPDX-License-Identifier: MIT */
/* PR_SET_SYSCALL_USER_DISPATCH of a thread, which its tracer can read (6.4). */
#ifndef DISPATCH_H
#define DISPATCH_H

#include <sys/types.h>

#include "err.h"
#include "schemas.h"

/* Sets m->user_dispatch to @d when the thread has it switched on. */
int dispatch_fill(pid_t tid, Cr__Thread *m, Cr__UserDispatch *d, struct cr_err *err) CR_MUST;

#endif
