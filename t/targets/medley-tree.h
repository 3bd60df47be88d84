/* SPDX-License-Identifier: MIT */
/* The tree of medley.c: its members, and what is left to chance. */
#ifndef T_MEDLEY_TREE_H
#define T_MEDLEY_TREE_H

#include "medley.h"

#define MAX_TASKS 24
#define MAX_FDS 96

struct member {
	pid_t pid;
	int status;		/* as wait(2) will tell it */
	bool looks;		/* takes part in the comparison */
	size_t n;
	int fds[MAX_FDS];
};

/* Common to the tree. */
static struct common {
	uint32_t members, alive, at_barrier[7], looking;
	struct member member[MAX_TASKS];
} * common;

static struct member *me;
static uint64_t seed;

static uint32_t chance(uint32_t n)
{
	seed++;
	return (uint32_t)(t_mix(seed) >> 33) % n;
}

static bool one_in(uint32_t n)
{
	return chance(n) == 0;
}

static struct member *new_member(bool looks)
{
	struct member *m =
		&common->member[__atomic_fetch_add(&common->members, 1, __ATOMIC_SEQ_CST)];

	m->looks = looks;
	if (looks)
		__atomic_add_fetch(&common->alive, 1, __ATOMIC_SEQ_CST);
	return m;
}

/* Until all that are alive have come here. */
static void barrier(unsigned int n)
{
	__atomic_add_fetch(&common->at_barrier[n], 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&common->at_barrier[n], __ATOMIC_SEQ_CST) <
	       __atomic_load_n(&common->alive, __ATOMIC_SEQ_CST))
		t_sleep_ms(1);
}

/*
 * One at a time: an epoll that another one watches is not ready while a third
 * process asks it, which the other one takes for its end.
 */
static void begin_to_look(void)
{
	while (__atomic_exchange_n(&common->looking, 1, __ATOMIC_SEQ_CST))
		t_sleep_ms(1);
}

static void end_of_look(void)
{
	__atomic_store_n(&common->looking, 0, __ATOMIC_SEQ_CST);
}

static int some_fd(void)
{
	int fds[MAX_FDS + 8];
	size_t n = list_numbers("/proc/self/fd", fds, MAX_FDS + 8);

	if (n <= 3)
		return -1;
	/* Not the log and its like. */
	for (unsigned int i = 0; i < 8; i++) {
		int fd = fds[chance((uint32_t)n)];

		if (fd > 2)
			return fd;
	}
	return -1;
}

static pid_t common_pid(void)
{
	pid_t pid = common->member[chance(common->members)].pid;

	return pid ? pid : getpid();
}

#endif
