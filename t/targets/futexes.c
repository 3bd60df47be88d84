/* SPDX-License-Identifier: MIT */
/*
 * Futexes that are owned and waited for: priority inheritance, robust, both,
 * shared with a child.  After the restore the waiters get them in their turn;
 * an owner that dies is noticed.
 */
#include <sys/mman.h>

#include "mutex.h"

struct shared {
	pthread_mutex_t pi, robust, both;
	volatile bool owned, gone;
};

static struct shared *s;
static pthread_mutex_t mutex;
static volatile bool waiting, got;

static void *wait_for_it(void *arg)
{
	(void)arg;
	waiting = true;
	if (pthread_mutex_lock(&mutex) != 0)
		t_differs("the waiter does not get the mutex");
	got = true;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* Owns two mutexes until it is asked, and dies with them. */
static pid_t start_child(void)
{
	pid_t pid = t_must(fork());

	if (pid)
		return pid;
	if (pthread_mutex_lock(&s->robust) || pthread_mutex_lock(&s->both))
		_exit(98);
	s->owned = true;
	t_wait();
	while (!s->gone)
		t_sleep_ms(1);
	_exit(0);
}

static void check_death(const char *what, pthread_mutex_t *m)
{
	t_same(what, EOWNERDEAD, (uint64_t)pthread_mutex_lock(m));
	t_same(what, 0, (uint64_t)pthread_mutex_consistent(m));
	t_same(what, 0, (uint64_t)pthread_mutex_unlock(m));
}

int main(void)
{
	pthread_t t;
	pid_t child;

	t_init();
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		t_fatal("mmap");
	make(&s->robust, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED);
	make(&s->both, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED);
	make(&mutex, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
	child = start_child();
	while (!s->owned)
		t_sleep_ms(1);
	pthread_mutex_lock(&mutex);
	start_waiter(&t, wait_for_it, &waiting);
	t_ready();
	if (t_spoiled()) {
		pthread_mutex_unlock(&mutex);
		while (!got)
			t_sleep_ms(1);
	}
	t_wait();
	t_true("the waiter waits", !got);
	if (!t_spoiled())
		t_same("unlock", 0, (uint64_t)pthread_mutex_unlock(&mutex));
	pthread_join(t, NULL);
	t_true("the waiter got it", got);
	t_same("robust: owned", EBUSY, (uint64_t)pthread_mutex_trylock(&s->robust));
	t_same("robust, inheriting: owned", EBUSY, (uint64_t)pthread_mutex_trylock(&s->both));
	s->gone = true;
	t_join_child("owner", child);
	check_death("robust", &s->robust);
	check_death("robust, inheriting", &s->both);
	return t_done();
}
