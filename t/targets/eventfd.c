/* SPDX-License-Identifier: MIT */
/*
 * eventfd: counts of all sizes, semaphores, flags, and one that a child has
 * too, in which both go on adding.
 */
#include <sys/eventfd.h>

#include "target.h"

static int zero, five, big, sem, shared, back;

static uint64_t take(int fd)
{
	uint64_t v = 0;

	if (read(fd, &v, sizeof(v)) != sizeof(v))
		return 0;
	return v;
}

static void give(int fd, uint64_t v)
{
	if (write(fd, &v, sizeof(v)) != sizeof(v))
		t_fatal("write to an eventfd");
}

static void child_of(void)
{
	t_wait();
	t_same("the child: shared count", 100, take(shared));
	give(back, 7);
	_exit(t_differences ? 1 : 0);
}

static void check(void)
{
	t_same("nothing to read", (uint64_t)-1, (uint64_t)read(zero, &(uint64_t){ 0 }, 8));
	t_same("flags", O_RDWR | O_NONBLOCK, (uint64_t)fcntl(zero, F_GETFL));
	t_same("close-on-exec", FD_CLOEXEC, (uint64_t)fcntl(zero, F_GETFD));
	t_same("count", 5, take(five));
	t_same("flags of a blocking one", O_RDWR, (uint64_t)fcntl(five, F_GETFL));
	t_same("a count of 64 bits", UINT64_MAX - 1, take(big));
	for (int i = 0; i < 3; i++)
		t_same("a semaphore gives one", 1, take(sem));
	t_true("and then no more", take(sem) == 0);
}

int main(void)
{
	pid_t child;

	t_init();
	zero = t_must(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	five = t_must(eventfd(5, 0));
	big = t_must(eventfd(0, EFD_NONBLOCK));
	give(big, UINT64_MAX - 1);
	sem = t_must(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	shared = t_must(eventfd(100, 0));
	back = t_must(eventfd(0, 0));
	child = t_must(fork());
	if (child == 0)
		child_of();
	t_ready();
	if (t_spoiled())
		take(sem);
	t_wait();
	check();
	t_same("what the child gave", 7, take(back));
	t_join_child("the child", child);
	return t_done();
}
