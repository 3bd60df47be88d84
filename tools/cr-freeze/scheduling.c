/* SPDX-License-Identifier: MIT */
#include "scheduling.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "proc.h"
#include "sched-attr.h"

#define MAX_CPUS 8192

struct cpus {
	uint8_t bits[MAX_CPUS / 8];
	size_t len;	/* bytes up to the last that is not zero */
};

/* "0-3,8" */
static bool parse_list(const char *p, struct cpus *c)
{
	memset(c, 0, sizeof(*c));
	for (;;) {
		char *end;
		unsigned long from = strtoul(p, &end, 10), to = from;

		if (end == p)
			return false;
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (to < from || to >= MAX_CPUS)
			return false;
		for (unsigned long cpu = from; cpu <= to; cpu++)
			c->bits[cpu / 8] |= (uint8_t)(1u << cpu % 8);
		if (to / 8 + 1 > c->len)
			c->len = to / 8 + 1;
		if (*end != ',')
			return true;
		p = end + 1;
	}
}

/* The CPUs that are online, once. */
static const struct cpus *online(struct cr_err *err)
{
	static struct cpus all;
	cr_auto_free char *text = NULL;

	if (all.len)
		return &all;
	if (cr_proc_read(getpid(), "../../sys/devices/system/cpu/online", &text, NULL, err) < 0)
		return NULL;
	if (!parse_list(text, &all)) {
		cr_err_set(err, CR_SYSTEM, "/sys/devices/system/cpu/online: not understood");
		return NULL;
	}
	return &all;
}

int scheduling_prepare(struct cr_err *err)
{
	return online(err) ? 0 : -1;
}

static int fill_cpus(pid_t tid, const char *status, Cr__Sched *s, struct cr_err *err)
{
	const char *list = cr_proc_field(status, "Cpus_allowed_list");
	const struct cpus *all = online(err);
	struct cpus its;
	bool partial = false;

	if (!all)
		return -1;
	if (!list || !parse_list(list, &its))
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/status: not understood", (int)tid);
	for (size_t i = 0; i < all->len; i++)
		if (all->bits[i] & ~its.bits[i])
			partial = true;
	if (!partial)
		return 0;
	s->cpus.data = malloc(its.len);
	if (!s->cpus.data)
		return cr_err_sys(err, "out of memory");
	memcpy(s->cpus.data, its.bits, its.len);
	s->cpus.len = its.len;
	return 1;
}

/* The time slice that the kernel gives (6.12): whatever ours is. */
static uint64_t default_slice(void)
{
	static struct cr_sched_attr own;

	if (!own.size && cr_sched_getattr(0, &own) < 0)
		own.size = 1;
	return own.policy == SCHED_OTHER ? own.runtime : 0;
}

static bool fill_attr(const struct cr_sched_attr *a, Cr__Sched *s)
{
	s->policy = a->policy;
	s->nice = a->nice;
	s->priority = a->priority;
	s->sched_flags = (uint32_t)a->flags;
	s->util_min = a->util_min;
	s->util_max = a->util_max;
	if (a->policy == CR_SCHED_DEADLINE) {
		s->runtime_ns = a->runtime;
		s->deadline_ns = a->deadline;
		s->period_ns = a->period;
	} else if (a->runtime != default_slice() && (a->policy == SCHED_OTHER)) {
		s->runtime_ns = a->runtime;
	}
	return s->policy || s->nice || s->sched_flags || s->runtime_ns || s->util_min ||
	       (s->util_max && s->util_max != CR_UTIL_MAX);
}

int scheduling_fill(pid_t tid, const char *status, Cr__Thread *m, struct cr_err *err)
{
	Cr__Sched *s = malloc(sizeof(*s));
	struct cr_sched_attr attr;
	long ioprio;
	int some;

	if (!s)
		return cr_err_sys(err, "out of memory");
	cr__sched__init(s);
	m->sched = s;
	if (cr_sched_getattr(tid, &attr) < 0)
		return cr_err_sys(err, "thread %d: sched_getattr", (int)tid);
	ioprio = syscall(SYS_ioprio_get, CR_IOPRIO_WHO_PROCESS, tid);
	if (ioprio < 0)
		return cr_err_sys(err, "thread %d: ioprio_get", (int)tid);
	/* A real-time thread has one too, for the day when it is none; the call is silent. */
	if (attr.priority || attr.policy == CR_SCHED_DEADLINE)
		attr.nice = getpriority(PRIO_PROCESS, (id_t)tid);
	some = fill_cpus(tid, status, s, err);
	if (some < 0)
		return -1;
	s->ioprio = (uint32_t)ioprio;
	if (!fill_attr(&attr, s) && !some && !ioprio)
		scheduling_release(m);
	return 0;
}

void scheduling_release(Cr__Thread *m)
{
	if (!m->sched)
		return;
	free(m->sched->cpus.data);
	free(m->sched);
	m->sched = NULL;
}
