/* SPDX-License-Identifier: MIT */
/* A process for a moment, whose pid is none of the image's. */
#ifndef SPARE_H
#define SPARE_H

#include <linux/sched.h>

#include "restore.h"

/*
 * A child that waits to be killed.  Returns its pid and in *pidfd (may be
 * NULL) a descriptor for it; @want: the pid it must have, 0: any.
 */
pid_t spare_start(struct restore *r, pid_t want, int *pidfd, struct cr_err *err) CR_MUST;
/*
 * A child that shares our descriptors, runs @fn in a session of its own and
 * ends; whatever it opens is ours.  Returns 0, or the errno that @fn returned,
 * or -1.
 */
int spare_run(struct restore *r, int (*fn)(void *arg), void *arg, struct cr_err *err) CR_MUST;
/* Kill it: a zombie; kill and reap it, or leave it to our own end. */
int spare_kill(pid_t pid, struct cr_err *err) CR_MUST;
void spare_end(pid_t pid);

/* clone3(2) with a pid that is none of the image's; the set_tid of @args is
 * ours to use. */
long spare_clone(struct restore *r, struct clone_args *args);

#endif
