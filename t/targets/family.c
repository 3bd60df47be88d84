/* SPDX-License-Identifier: MIT */
/*
 * A small family for tests that disturb a restore: three children, each with
 * threads that compute and memory with a pattern, joined by a pipe.
 */
#include <pthread.h>

#include "target.h"

#define CHILDREN 3
#define THREADS 2
#define WORDS 65536

static volatile uint64_t counts[THREADS];
static uint64_t *pattern;

static void *compute(void *arg)
{
	volatile uint64_t *n = arg;

	for (;;) {
		++*n;
		if (*n % 1000 == 0)
			t_sleep_ms(1);
	}
	return NULL;
}

static void start(uint64_t seed)
{
	pattern = malloc(WORDS * sizeof(*pattern));
	for (uint64_t i = 0; i < WORDS; i++)
		pattern[i] = seed * 0x9e3779b97f4a7c15ull + i;
	for (int i = 0; i < THREADS; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, compute, (void *)&counts[i]))
			t_fatal("pthread_create");
	}
}

static void check(uint64_t seed)
{
	uint64_t before[THREADS];

	for (uint64_t i = 0; i < WORDS; i++)
		if (pattern[i] != seed * 0x9e3779b97f4a7c15ull + i) {
			t_differs("member %d: word %d of its pattern", (int)seed, (int)i);
			break;
		}
	for (int i = 0; i < THREADS; i++)
		before[i] = counts[i];
	/* They share two processors with whatever else goes on. */
	for (int i = 0; i < THREADS; i++)
		for (int tries = 0; counts[i] == before[i] && tries < 2000; tries++)
			t_sleep_ms(10);
	for (int i = 0; i < THREADS; i++)
		if (counts[i] == before[i])
			t_differs("member %d: thread %d stands still", (int)seed, i);
}

static void child(uint64_t seed, int fd, pid_t parent)
{
	char c;

	start(seed);
	t_must(write(fd, "+", 1));
	t_wait();
	check(seed);
	if (getppid() != parent)
		t_differs("member %d: its parent is %d", (int)seed, (int)getppid());
	t_must(write(fd, "-", 1));
	c = (char)(t_differences != 0);
	_exit(c);
}

static void expect(int fd, char want)
{
	char c = 0;

	if (read(fd, &c, 1) != 1 || c != want)
		t_differs("pipe: '%c' was expected, '%c' came", want, c);
}

int main(void)
{
	pid_t kids[CHILDREN], self = getpid();
	int fd[2];

	t_init();
	t_must(pipe(fd));
	for (int i = 0; i < CHILDREN; i++) {
		kids[i] = t_must(fork());
		if (kids[i] == 0)
			child((uint64_t)i + 1, fd[1], self);
	}
	for (int i = 0; i < CHILDREN; i++)
		expect(fd[0], '+');
	start(99);
	t_ready();
	if (t_spoiled())
		pattern[77]++;
	t_wait();
	check(99);
	for (int i = 0; i < CHILDREN; i++)
		expect(fd[0], '-');
	for (int i = 0; i < CHILDREN; i++)
		t_join_child("a member", kids[i]);
	return t_done();
}
