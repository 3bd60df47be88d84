/* SPDX-License-Identifier: MIT */
/*
 * Robust mutexes in a file that is mapped shared, as databases have them, held while
 * the processes are killed: the restored ones hold them still, and who waits for one
 * gets it in its turn, and not as from an owner that died.
 */
#include <sys/mman.h>

#include "mutex.h"

#define PAGE 4096
#define LOCKS 3

struct shared {
	pthread_mutex_t locks[LOCKS], mine, died;
	volatile bool owned, gone;
};

static struct shared *s;
static volatile bool waiting;
static volatile int got = -1;

static void make_robust(pthread_mutex_t *m, int protocol)
{
	make(m, protocol, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED);
}

static void *wait_for_it(void *arg)
{
	waiting = true;
	got = pthread_mutex_lock(&s->mine);
	if (got == 0)
		pthread_mutex_unlock(&s->mine);
	return arg;
}

/* Owns some until it is asked. */
static pid_t start_child(void)
{
	pid_t pid = t_must(fork());

	if (pid)
		return pid;
	for (int i = 0; i < LOCKS; i++)
		if (pthread_mutex_lock(&s->locks[i]))
			_exit(98);
	s->owned = true;
	t_wait();
	while (!s->gone)
		t_sleep_ms(1);
	for (int i = 0; i < LOCKS; i++)
		if (pthread_mutex_unlock(&s->locks[i]))
			_exit(97);
	_exit(0);
}

/* One that a process has died with, before the dump, stays so. */
static void die_with_it(void)
{
	pid_t pid = t_must(fork());

	if (pid == 0) {
		pthread_mutex_lock(&s->died);
		_exit(0);
	}
	t_join_child("who died", pid);
}

int main(void)
{
	pthread_t t;
	pid_t child;
	int fd;

	t_init();
	fd = t_must(open("locks", O_RDWR | O_CREAT | O_TRUNC, 0600));
	t_must(ftruncate(fd, 3 * PAGE));
	/* Not at the start of the file, nor of a page. */
	s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	if (s == MAP_FAILED)
		t_fatal("mmap");
	s = (struct shared *)((char *)s + PAGE - 128);
	for (int i = 0; i < LOCKS; i++)
		make_robust(&s->locks[i], i == 1 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
	make_robust(&s->mine, PTHREAD_PRIO_NONE);
	make_robust(&s->died, PTHREAD_PRIO_NONE);
	die_with_it();
	child = start_child();
	while (!s->owned)
		t_sleep_ms(1);
	pthread_mutex_lock(&s->mine);
	start_waiter(&t, wait_for_it, &waiting);
	t_ready();
	if (t_spoiled()) {
		pthread_mutex_unlock(&s->mine);
		while (got < 0)
			t_sleep_ms(1);
	}
	t_wait();
	t_same("the waiter waits", (uint64_t)-1, (uint64_t)got);
	if (!t_spoiled())
		t_same("unlock", 0, (uint64_t)pthread_mutex_unlock(&s->mine));
	pthread_join(t, NULL);
	t_same("the waiter got it", 0, (uint64_t)got);
	for (int i = 0; i < LOCKS; i++)
		t_same("owned", EBUSY, (uint64_t)pthread_mutex_trylock(&s->locks[i]));
	s->gone = true;
	t_join_child("owner", child);
	for (int i = 0; i < LOCKS; i++)
		t_same("free", 0, (uint64_t)pthread_mutex_trylock(&s->locks[i]));
	t_same("its owner died", EOWNERDEAD, (uint64_t)pthread_mutex_lock(&s->died));
	return t_done();
}
