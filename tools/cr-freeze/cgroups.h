/* SPDX-License-Identifier: MIT */
/*
 * In which cgroups processes and threads are: one record for all that are in the
 * same.
 *
 * Where a thread is costs a file of /proc.  That all threads of a process are
 * where the process is, the list of those in its cgroup tells at once, and where
 * a hierarchy has but one cgroup nobody need be asked.
 */
#ifndef CGROUPS_H
#define CGROUPS_H

#include <stdint.h>
#include <sys/types.h>

#include "stream.h"
#include "tree.h"

/* Before the freeze: where this program is, and what is needed for the root's threads. */
int cgroups_prepare(pid_t root, struct cr_err *err) CR_MUST;

/* The id of the Cgroups record of a thread, which is put when it is a new one;
 * 0: the kernel has no cgroups. */
int cgroups_of(struct cr_writer *w, pid_t tid, uint32_t *id, struct cr_err *err) CR_MUST;

/* May a thread of the process be elsewhere than its first one, which is at @id? */
bool cgroups_may_differ(const struct cr_process *p, uint32_t id);

#endif
