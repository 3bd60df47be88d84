/* SPDX-License-Identifier: MIT */
/*
 * No memory that is writable and executable (PR_SET_MDWE): in a process with
 * threads, children that inherit it, one that does not, and one that shares
 * the memory.  Memory that was both before stays so.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "target.h"

#define PR_SET_MDWE_NR 65
#define PR_GET_MDWE_NR 66
#define REFUSE_EXEC_GAIN 1
#define NO_INHERIT 2			/* 6.6 */
#define PAGE 4096

static char stack[65536];
static unsigned char *before;
static pthread_barrier_t look;

static void *try_map(int prot)
{
	return mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void check(const char *who, int want)
{
	void *p = try_map(PROT_READ | PROT_WRITE);

	if (p == MAP_FAILED)
		t_fatal("mmap");
	t_same(who, (uint64_t)want, (uint64_t)prctl(PR_GET_MDWE_NR, 0, 0, 0, 0));
	t_true("it forbids mprotect", (mprotect(p, PAGE, PROT_READ | PROT_EXEC) < 0) == !!want);
	munmap(p, PAGE);
	p = try_map(PROT_READ | PROT_WRITE | PROT_EXEC);
	t_true("it forbids mmap", (p == MAP_FAILED) == !!want);
	if (p != MAP_FAILED)
		munmap(p, PAGE);
}

/* mov $EDI + 1,%eax; ret: written now, run now. */
static void check_before(const char *who, uint32_t value)
{
	const unsigned char code[] = { 0xb8, (unsigned char)value, 0, 0, 0, 0xc3 };
	uint32_t (*call)(void) = (uint32_t(*)(void))(uintptr_t)before;

	memcpy(before, code, sizeof(code));
	t_same(who, value, call());
}

static void *thread(void *arg)
{
	pthread_barrier_wait(&look);
	pthread_barrier_wait(&look);
	check("thread", REFUSE_EXEC_GAIN);
	return arg;
}

static int sharer(void *arg)
{
	(void)arg;
	t_touch("sharer");
	t_wait();
	check("sharer", REFUSE_EXEC_GAIN);
	_exit(0);	/* what it found stands in the memory that they share */
}

static pid_t start_child(const char *name, int want)
{
	pid_t pid = t_must(fork());

	if (pid)
		return pid;
	t_touch(name);
	t_wait();
	check(name, want);
	check_before(name, 11);
	_exit(t_done());
}

/* Which does not inherit it. */
static pid_t start_parent(void)
{
	pid_t pid = t_must(fork()), child;

	if (pid)
		return pid;
	if (prctl(PR_SET_MDWE_NR, REFUSE_EXEC_GAIN | NO_INHERIT, 0, 0, 0) < 0)
		t_fatal("PR_SET_MDWE");
	child = start_child("grandchild", 0);
	t_touch("parent");
	t_wait();
	check("parent", REFUSE_EXEC_GAIN | NO_INHERIT);
	t_join_child("grandchild", child);
	_exit(t_done());
}

int main(void)
{
	static const char *const names[] = { "parent", "grandchild", "child", "sharer" };
	pid_t parent, child, shares;
	pthread_t t;

	t_init();
	before = try_map(PROT_READ | PROT_WRITE | PROT_EXEC);
	if (before == MAP_FAILED)
		t_fatal("mmap");
	check_before("before", 3);
	parent = start_parent();
	t_must(prctl(PR_SET_MDWE_NR, REFUSE_EXEC_GAIN, 0, 0, 0));
	child = start_child("child", REFUSE_EXEC_GAIN);
	shares = t_must(clone(sharer, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));
	pthread_barrier_init(&look, NULL, 2);
	if (pthread_create(&t, NULL, thread, NULL) != 0)
		t_fatal("pthread_create");
	pthread_barrier_wait(&look);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		while (!t_seen(names[i]))
			t_sleep_ms(1);
	t_ready();
	if (t_spoiled())
		before[1] = 0, munmap(before, PAGE), before = try_map(PROT_READ | PROT_WRITE);
	t_wait();
	check("main", t_spoiled() ? 0 : REFUSE_EXEC_GAIN);
	if (!t_spoiled())
		check_before("main", 5);
	pthread_barrier_wait(&look);
	pthread_join(t, NULL);
	waitpid(shares, NULL, 0);
	t_join_child("child", child);
	t_join_child("parent", parent);
	return t_done();
}
