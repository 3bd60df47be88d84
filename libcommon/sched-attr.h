/* SPDX-License-Identifier: MIT */
/*
 * sched_getattr(2) and sched_setattr(2) (3.14, clamps 5.3, slices 6.12), which
 * the C library does not have, and ioprio_set(2).
 */
#ifndef CR_SCHED_ATTR_H
#define CR_SCHED_ATTR_H

#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define CR_SCHED_DEADLINE 6
#define CR_SCHED_FLAG_UTIL_CLAMP 0x60
#define CR_UTIL_MAX 1024
#define CR_IOPRIO_WHO_PROCESS 1

/* struct sched_attr of the kernel */
struct cr_sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
	uint32_t util_min;
	uint32_t util_max;
};

static inline int cr_sched_getattr(pid_t tid, struct cr_sched_attr *a)
{
	memset(a, 0, sizeof(*a));
	return (int)syscall(SYS_sched_getattr, tid, a, sizeof(*a), 0);
}

static inline int cr_sched_setattr(pid_t tid, struct cr_sched_attr *a)
{
	a->size = sizeof(*a);
	return (int)syscall(SYS_sched_setattr, tid, a, 0);
}

#endif
