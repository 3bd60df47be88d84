/* SPDX-License-Identifier: MIT */
/*
 * A child that shares its parent's memory, and with "sighand" as argument also
 * its signal handlers: a process of its own, no thread.
 */
#include <sched.h>
#include <signal.h>

#include "target.h"

static volatile uint64_t counted[2];
static volatile int over;
static char stack[65536] __attribute__((aligned(16)));

/* Without the C library: it has one errno for both. */
static int child(void *arg)
{
	(void)arg;
	while (!over)
		counted[1]++;
	return counted[0] ? 0 : 1;
}

int main(int argc, char **argv)
{
	int flags = CLONE_VM | SIGCHLD;
	pid_t pid;

	t_init();
	if (argc > 1 && strcmp(argv[1], "sighand") == 0)
		flags |= CLONE_SIGHAND;
	pid = t_must(clone(child, stack + sizeof(stack), flags, NULL));
	counted[0] = 1;
	t_ready();
	if (t_spoiled())
		counted[0] = 0;
	t_wait();
	t_true("the child counts", counted[1] > 0);
	over = 1;
	t_join_child("child with our memory", pid);
	return t_done();
}
