/* SPDX-License-Identifier: MIT */
/*
 * Scheduling of threads that differ in it: nice values, policies, deadlines,
 * reset-on-fork, CPUs, I/O priorities, memory policies; the autogroup of the
 * session.  A policy that this machine does not allow is left out.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "target.h"

#define THREADS 8

struct attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

struct state {
	struct attr attr;
	long ioprio;
	cpu_set_t cpus;
	int nice;	/* also of a policy that does not use it */
	int mempolicy;
	uint64_t nodes[16];
};

static pthread_barrier_t is_set, look;
static struct attr wanted[THREADS] = {
	[1] = { .policy = SCHED_OTHER, .nice = 7 },
	[2] = { .policy = SCHED_BATCH, .nice = -3, .flags = 1 },
	[3] = { .policy = SCHED_IDLE, .nice = 11 },
	[4] = { .policy = SCHED_FIFO, .priority = 5, .nice = -7 },
	[5] = { .policy = SCHED_RR, .priority = 3, .flags = 1 },
	[6] = { .policy = 6, .runtime = 1000000, .deadline = 90000000, .period = 100000000 },
	[7] = { .policy = SCHED_OTHER, .runtime = 5000000 },
};

static void get(struct state *s)
{
	memset(s, 0, sizeof(*s));
	t_must(syscall(SYS_sched_getattr, 0, &s->attr, sizeof(s->attr), 0));
	s->nice = getpriority(PRIO_PROCESS, 0);
	s->ioprio = t_must(syscall(SYS_ioprio_get, 1, 0));
	t_must(sched_getaffinity(0, sizeof(s->cpus), &s->cpus));
	if (syscall(SYS_get_mempolicy, &s->mempolicy, s->nodes, 1025, 0, 0) < 0)
		s->mempolicy = -1;
}

static void differ(const char *what, unsigned int n, uint64_t was, uint64_t is)
{
	char name[64];

	snprintf(name, sizeof(name), "thread %u: %s", n, what);
	t_same(name, was, is);
}

static void compare(unsigned int n, const struct state *a, const struct state *b)
{
	differ("policy", n, a->attr.policy, b->attr.policy);
	differ("nice", n, (uint64_t)a->attr.nice, (uint64_t)b->attr.nice);
	differ("nice by getpriority", n, (uint64_t)a->nice, (uint64_t)b->nice);
	differ("priority", n, a->attr.priority, b->attr.priority);
	differ("flags", n, a->attr.flags, b->attr.flags);
	differ("runtime", n, a->attr.runtime, b->attr.runtime);
	differ("deadline", n, a->attr.deadline, b->attr.deadline);
	differ("period", n, a->attr.period, b->attr.period);
	differ("ioprio", n, (uint64_t)a->ioprio, (uint64_t)b->ioprio);
	differ("mempolicy", n, (uint64_t)a->mempolicy, (uint64_t)b->mempolicy);
	differ("nodes", n, a->nodes[0], b->nodes[0]);
	differ("cpus", n, 1, (uint64_t)CPU_EQUAL(&a->cpus, &b->cpus));
}

static void set(unsigned int n)
{
	uint64_t node0 = 1;
	cpu_set_t one;

	wanted[n].size = sizeof(wanted[n]);
	if (syscall(SYS_sched_setattr, 0, &wanted[n], 0) < 0)
		dprintf(STDOUT_FILENO, "thread %u: no such policy here: %s\n", n, strerror(errno));
	t_must(setpriority(PRIO_PROCESS, 0, wanted[n].nice));
	t_must(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | n));
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (n == 1)
		t_must(sched_setaffinity(0, sizeof(one), &one));
	if (n == 2)
		syscall(SYS_set_mempolicy, 2, &node0, 64);
	if (n == 3)
		syscall(SYS_set_mempolicy, 1 | 1 << 15, &node0, 64);
}

static void *run(void *arg)
{
	unsigned int n = (unsigned int)(uintptr_t)arg;
	struct state then, now;

	if (n)
		set(n);
	get(&then);
	pthread_barrier_wait(&is_set);
	if (t_spoiled() && n == 1)
		t_must(syscall(SYS_ioprio_set, 1, 0, 0));
	pthread_barrier_wait(&look);
	get(&now);
	compare(n, &then, &now);
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	char group[2][128] = { "", "" }, *nice[2];
	int fd;

	t_init();
	fd = open("/proc/self/autogroup", O_WRONLY);
	if (fd >= 0 && (write(fd, "9", 1) < 0 || close(fd) < 0))
		t_fatal("autogroup");
	if (fd >= 0)
		t_read("/proc/self/autogroup", group[0], sizeof(group[0]));
	pthread_barrier_init(&is_set, NULL, THREADS + 1);
	pthread_barrier_init(&look, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, run, (void *)i) != 0)
			t_fatal("pthread_create");
	pthread_barrier_wait(&is_set);
	t_ready();
	t_wait();
	pthread_barrier_wait(&look);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	if (fd >= 0)
		t_read("/proc/self/autogroup", group[1], sizeof(group[1]));
	for (int i = 0; fd >= 0 && i < 2; i++)
		nice[i] = strstr(group[i], "nice");
	if (fd >= 0 && nice[0] && nice[1])
		t_same_str("autogroup", nice[0], nice[1]);
	return t_done();
}
