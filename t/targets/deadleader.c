/* SPDX-License-Identifier: MIT */
/*
 * A process whose main thread has ended while others live on: /proc has it as
 * a zombie with its exit status, and it has children.  Argument "root": the
 * root itself.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define THREADS 5
#define STATUS 23

static pid_t tids[THREADS];
static unsigned int running, right;
static pid_t child;
static uint64_t memory[1024];

/* State and exit status of the main thread: fields 3 and 52. */
static char leader_state(unsigned long *status)
{
	char path[64], text[1024], *s;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)getpid(), (int)getpid());
	t_read(path, text, sizeof(text));
	s = strrchr(text, ' ');
	*status = strtoul(s, NULL, 10);
	return strrchr(text, ')')[2];
}

static unsigned int count_threads(void)
{
	char text[4096], path[64], *p;

	/* /proc/self/status is the main thread's. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)syscall(SYS_gettid));
	t_read(path, text, sizeof(text));
	p = strstr(text, "\nThreads:");
	return p ? (unsigned int)strtoul(p + 9, NULL, 10) : 0;
}

static void *run(void *arg)
{
	unsigned int n = (unsigned int)(uintptr_t)arg;
	char name[16], is[17] = "";
	pid_t parent;
	unsigned long ended;
	int status;

	tids[n] = (pid_t)syscall(SYS_gettid);
	snprintf(name, sizeof(name), "thread %u", n);
	prctl(PR_SET_NAME, name);
	if (n == 1) {
		parent = getpid();
		child = t_must(fork());
		if (child == 0) {
			t_wait();
			_exit(getppid() == parent ? 7 : 8);
		}
	}
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	if (n == 0) {
		while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < THREADS ||
		       leader_state(&ended) != 'Z')
			t_sleep_ms(1);
		t_touch("dead leader");
	}
	t_wait();
	t_same("tid", (uint64_t)tids[n], (uint64_t)syscall(SYS_gettid));
	prctl(PR_GET_NAME, is);
	t_same_str("name", name, is);
	t_check("memory", memory, sizeof(memory), 5);
	if (n == 1 && (waitpid(child, &status, 0) != child || status != 7 << 8))
		t_differs("the child ended with %#x", status);
	if (n == 0) {
		t_same("main thread's state", 'Z', (uint64_t)leader_state(&ended));
		t_same("main thread's exit status", (t_spoiled() ? STATUS + 1 : STATUS) << 8,
		       ended);
		t_same("threads", THREADS + 1, count_threads());
	}
	/* Nobody leaves before thread 0 has counted. */
	__atomic_add_fetch(&right, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&right, __ATOMIC_SEQ_CST) < THREADS)
		t_sleep_ms(1);
	if (t_differences)
		_exit(1);
	return NULL;
}

static void __attribute__((noreturn)) lead(void)
{
	pthread_t id;

	t_fill(memory, sizeof(memory), 5);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&id, NULL, run, (void *)i) != 0)
			t_fatal("pthread_create");
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < THREADS)
		t_sleep_ms(1);
	/* pthread_exit() of the main thread would end with 0. */
	syscall(SYS_exit, STATUS);
	__builtin_unreachable();
}

static void await_leader(void)
{
	while (!t_seen("dead leader"))
		t_sleep_ms(1);
}

int main(int argc, char **argv)
{
	pid_t pid;

	t_init();
	if (argc > 1 && strcmp(argv[1], "root") == 0) {
		if (t_must(fork()) == 0) {
			await_leader();
			t_ready();
			t_wait();
			_exit(0);
		}
		lead();
	}
	pid = t_must(fork());
	if (pid == 0)
		lead();
	await_leader();
	t_ready();
	t_wait();
	t_join_child("process without a main thread", pid);
	return t_done();
}
