/* SPDX-License-Identifier: MIT */
/*
 * Is a thread in a Landlock domain (5.13)?  No file of /proc and no system call
 * tells.  But who is in one may not look at processes outside of it, even those
 * that everything else would let it look at: so each thread is asked to
 * kcmp(2) itself with this program, and where that is denied, with a process
 * that has its user and group ids and no rights.
 *
 * A domain could not be made again after the restore, and a program that runs
 * on without its fence must not be.
 */
#ifndef LANDLOCK_H
#define LANDLOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "session.h"
#include "stage.h"

#define LANDLOCK_KCMP_VM 1	/* KCMP_VM of <linux/kcmp.h> */

struct landlock_thread {
	pid_t tid;
	int64_t denied;		/* result of the first question */
	uint32_t uid, gid;	/* its real ones */
};

/* Ask the second question where it is needed, and refuse. */
int landlock_check(struct cr_stage *st, struct cr_session *s, pid_t pid,
		   const struct landlock_thread *threads, size_t count, struct cr_err *err) CR_MUST;

/* The processes that were there for it. */
void landlock_end(void);

#endif
