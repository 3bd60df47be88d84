/* SPDX-License-Identifier: MIT */
/*
 * How long an interrupted call still had to wait.
 *
 * nanosleep(2), poll(2) and futex(2) with a relative time keep their end in
 * the kernel's restart block, which nobody can read.  nanosleep with a "rem"
 * pointer writes the rest there when it is interrupted; for the others the
 * time that has passed is known from when the thread last ran: exec_start in
 * /proc/TID/sched, read before the freeze.  Of a call that was continued once
 * already neither that nor its number is there; see restart-block.h.
 *
 * sleepers_sample() before the freeze, sleepers_remaining() after.
 */
#ifndef SLEEPERS_H
#define SLEEPERS_H

#include <stdbool.h>
#include <stdint.h>

#include "trace.h"

struct sleepers;

/* NULL when there is no memory; sleepers_remaining() copes. */
struct sleepers *sleepers_sample(pid_t root);
void sleepers_free(struct sleepers *s);

/*
 * The call that @t was interrupted in, when it is one that restart_syscall(2)
 * would continue: its number, and the rest of its time.  False when it is in
 * no such call or nothing is known about it.
 */
bool sleepers_remaining(const struct sleepers *s, const struct cr_tracee *t, uint64_t frozen_ns,
			long *nr, uint64_t *remaining_ns);

#endif
