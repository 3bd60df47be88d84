/* SPDX-License-Identifier: MIT */
#include "scheduling.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "sched-attr.h"

#define CPU_BYTES 1024
#define SCHED_RR_NR 2
#define SCHED_FIFO_NR 1
#define SCHED_BATCH_NR 3

/* What threads of ours are born with. */
struct born {
	bool known;
	struct cr_sched_attr attr;
	uint32_t ioprio;
	uint8_t cpus[CPU_BYTES];
	size_t cpus_len;
};

static bool all_online(const uint8_t *cpus, size_t len)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN), have = 0;

	for (size_t i = 0; i < len * 8; i++)
		have += cpus[i / 8] >> i % 8 & 1;
	return have >= n;
}

static const struct born *born(void)
{
	static struct born b;
	long n;

	if (b.known)
		return &b;
	if (cr_sched_getattr(0, &b.attr) < 0)
		memset(&b.attr, 0, sizeof(b.attr));
	n = syscall(SYS_ioprio_get, CR_IOPRIO_WHO_PROCESS, 0);
	b.ioprio = n > 0 ? (uint32_t)n : 0;
	n = syscall(SYS_sched_getaffinity, 0, sizeof(b.cpus), b.cpus);
	b.cpus_len = n > 0 ? (size_t)n : 0;
	b.known = true;
	return &b;
}

int scheduling_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	(void)r;
	for (unsigned int n = 0; n < t->n_threads; n++) {
		const Cr__Sched *s = t->threads[n].thread->sched;

		if (s && s->cpus.len > CPU_BYTES)
			return cr_err_set(err, CR_BAD_INPUT, "thread %u: too many CPUs",
					  t->threads[n].thread->tid);
	}
	return 0;
}

static int set_cpus(const Cr__Sched *s, pid_t tid, struct cr_err *err)
{
	const struct born *b = born();
	uint8_t want[CPU_BYTES];
	size_t len = s->cpus.len;

	memset(want, 0xff, sizeof(want));
	if (len) {
		memset(want, 0, sizeof(want));
		memcpy(want, s->cpus.data, len);
		if (len <= b->cpus_len && memcmp(want, b->cpus, b->cpus_len) == 0)
			return 0;
	} else if (all_online(b->cpus, b->cpus_len)) {
		return 0;
	}
	if (syscall(SYS_sched_setaffinity, tid, sizeof(want), want) < 0)
		return cr_err_sys(err, "thread %d: unable to bind it to its CPUs", (int)tid);
	return 0;
}

static int set_attr(const Cr__Sched *s, pid_t tid, struct cr_err *err)
{
	const struct born *b = born();
	struct cr_sched_attr a = {
		.policy = s->policy,
		.nice = s->nice,
		.priority = s->priority,
		.flags = s->sched_flags,
		.runtime = s->runtime_ns,
		.deadline = s->deadline_ns,
		.period = s->period_ns,
	};
	bool slice = s->policy != SCHED_OTHER ||
		     (s->runtime_ns && s->runtime_ns != b->attr.runtime);

	if (s->util_max && (s->util_min != b->attr.util_min || s->util_max != b->attr.util_max)) {
		a.flags |= CR_SCHED_FLAG_UTIL_CLAMP;
		a.util_min = s->util_min;
		a.util_max = s->util_max;
	}
	if (a.policy == b->attr.policy && a.nice == b->attr.nice &&
	    a.priority == b->attr.priority && a.flags == b->attr.flags && !slice)
		return 0;
	if (cr_sched_setattr(tid, &a) < 0)
		return cr_err_sys(err, "thread %d: unable to set scheduling policy %u%s", (int)tid,
				  s->policy,
				  errno == EBUSY ? " (no bandwidth left on its CPUs)" :
				  (s->policy == SCHED_FIFO_NR || s->policy == SCHED_RR_NR) ?
						   " (does its cgroup allow real time?)" :
						   "");
	return 0;
}

/* With these policies sched_setattr(2) sets no nice value, which they yet have. */
static int set_nice(const Cr__Sched *s, pid_t tid, struct cr_err *err)
{
	if (s->policy == SCHED_OTHER || s->policy == SCHED_BATCH_NR || s->nice == born()->attr.nice)
		return 0;
	if (setpriority(PRIO_PROCESS, (id_t)tid, s->nice) < 0)
		return cr_err_sys(err, "thread %d: unable to set its nice value", (int)tid);
	return 0;
}

static int set_autogroup(int nice, pid_t pid, struct cr_err *err)
{
	char path[48], text[16];
	cr_auto_fd int fd = -1;
	int len = snprintf(text, sizeof(text), "%d", nice);

	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return cr_err_sys(err, "unable to write %s to %s", text, path);
	return 0;
}

int scheduling_set(const struct task_image *t, unsigned int n, pid_t tid, struct cr_err *err)
{
	static const Cr__Sched plain = CR__SCHED__INIT;
	const Cr__Sched *s = t->threads[n].thread->sched;

	if (!s)
		s = &plain;
	if (n == 0 && t->task->autogroup_nice &&
	    set_autogroup(t->task->autogroup_nice, tid, err) < 0)
		return -1;
	/* A SCHED_DEADLINE task cannot be bound any more. */
	if (set_cpus(s, tid, err) < 0 || set_attr(s, tid, err) < 0 || set_nice(s, tid, err) < 0)
		return -1;
	if (s->ioprio != born()->ioprio &&
	    syscall(SYS_ioprio_set, CR_IOPRIO_WHO_PROCESS, tid, s->ioprio) < 0)
		return cr_err_sys(err, "thread %d: unable to set its I/O priority", (int)tid);
	return 0;
}
