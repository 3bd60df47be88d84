/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads that come and go at full speed: fork and wait, orphans
 * that a subreaper takes in, threads, vfork and exec.  Nothing may fail, and
 * each kind must have gone on after the restore.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "target.h"

enum { PLAIN, ORPHANS, THREADS, VFORK, KINDS };

static const char *const names[KINDS] = { "fork", "orphans", "threads", "vfork" };

struct shared {
	uint64_t count[KINDS];
	uint32_t over;
};

static struct shared *shared;

static bool is_over(void)
{
	return __atomic_load_n(&shared->over, __ATOMIC_ACQUIRE);
}

static void join(pid_t pid, int want)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != want << 8)
		t_differs("child %d ended with %#x", (int)pid, (unsigned int)status);
}

static void plain(void)
{
	pid_t pid = t_must(fork());

	if (pid == 0)
		_exit(3);
	join(pid, 3);
}

/* The child ends at once, the grandchild a moment later, with another parent. */
static void orphans(void)
{
	pid_t pid = t_must(fork());

	if (pid == 0) {
		if (t_must(fork()) == 0)
			_exit(0);
		_exit(4);
	}
	join(pid, 4);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void *end_at_once(void *arg)
{
	return arg;
}

static void threads(void)
{
	pthread_t id[4];
	void *ret;

	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_create(&id[i], NULL, end_at_once, (void *)i) != 0)
			t_fatal("pthread_create");
	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_join(id[i], &ret) != 0 || ret != (void *)i)
			t_differs("a thread returned %p, not %zu", ret, (size_t)i);
}

static void vforks(void)
{
	pid_t pid = t_must(vfork());

	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
	join(pid, 0);
}

static void __attribute__((noreturn)) work(int kind)
{
	static void (*const turns[KINDS])(void) = { plain, orphans, threads, vforks };

	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	while (!is_over()) {
		turns[kind]();
		__atomic_add_fetch(&shared->count[kind], 1, __ATOMIC_RELAXED);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	_exit(t_differences ? 1 : 0);
}

static uint64_t counted(int kind)
{
	return __atomic_load_n(&shared->count[kind], __ATOMIC_RELAXED);
}

int main(void)
{
	uint64_t before[KINDS];
	pid_t pids[KINDS];

	t_init();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		t_fatal("mmap");
	for (int k = 0; k < KINDS; k++) {
		pids[k] = t_must(fork());
		if (pids[k] == 0)
			work(k);
	}
	for (int k = 0; k < KINDS; k++)
		while (!counted(k))
			t_sleep_ms(1);
	t_ready();
	t_wait();
	for (int k = 0; k < KINDS; k++)
		before[k] = counted(k);
	for (int k = 0; k < KINDS; k++) {
		for (int n = 0; n < 5000 && counted(k) < before[k] + 2; n++)
			t_sleep_ms(1);
		t_true(names[k], counted(k) >= before[k] + 2);
	}
	__atomic_store_n(&shared->over, 1, __ATOMIC_RELEASE);
	for (int k = 0; k < KINDS; k++)
		t_join_child(names[k], t_spoiled() ? pids[k] + 1 : pids[k]);
	return t_done();
}
