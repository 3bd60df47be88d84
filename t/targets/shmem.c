/* SPDX-License-Identifier: MIT */
/*
 * Anonymous memory and fork: shared mappings stay shared between parent,
 * child and grandchild (also when mapped twice, in part, or with other
 * protections), private ones stay private.
 */
#include <sys/mman.h>

#include "target.h"

#define PAGE 4096ul
#define PAGES 32ul

enum { GRANDCHILD, CHILD, PARENT, WHO };

struct board {
	uint64_t turn;
	uint64_t counts[WHO];
	uint64_t errors;
};

static struct board *board;
static uint8_t *shared, *twice, *part, *private_map;

static uint8_t *map(size_t pages, int flags)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		t_fatal("mmap");
	return p;
}

static void compare(int who)
{
	char what[64];

	snprintf(what, sizeof(what), "private memory of process %d", who);
	t_check(what, private_map, PAGES * PAGE, 100 + (uint64_t)who);
	snprintf(what, sizeof(what), "shared memory seen by process %d", who);
	t_check(what, shared, 8 * PAGE, 500);
	t_check(what, twice, 8 * PAGE, 500);
	t_same("a page never touched", 0, shared[20 * PAGE]);
}

/* Each writes in its turn, all others see it, through every mapping. */
static void play(int who)
{
	for (uint64_t round = 0; round < 30; round++) {
		uint64_t mine = round * WHO + (uint64_t)who, *cell;

		while (__atomic_load_n(&board->turn, __ATOMIC_ACQUIRE) != mine)
			usleep(50);
		cell = (uint64_t *)(shared + 30 * PAGE);
		if (mine && *cell != mine - 1)
			t_differs("process %d: round %llu: the shared cell holds %llu", who,
				  (unsigned long long)round, (unsigned long long)*cell);
		*(uint64_t *)(twice + 30 * PAGE) = mine;
		t_same("seen through the first", mine, *(volatile uint64_t *)cell);
		if (part)
			t_same("seen through the part", mine,
			       *(volatile uint64_t *)(part + 2 * PAGE));
		__atomic_store_n(&board->turn, mine + 1, __ATOMIC_RELEASE);
	}
}

static void live(int who)
{
	pid_t kid = 0;

	t_fill(private_map, PAGES * PAGE, 100 + (uint64_t)who);
	if (who > GRANDCHILD) {
		kid = t_must(fork());
		if (kid == 0) {
			live(who - 1);
			_exit(t_differences ? 1 : 0);
		}
	}
	if (who == CHILD) {	/* this one has only a part of it, read-only */
		part = mremap(twice + 28 * PAGE, 0, 4 * PAGE, MREMAP_MAYMOVE);
		if (part == MAP_FAILED)
			t_fatal("mremap");
		t_must(mprotect(part, 4 * PAGE, PROT_READ));
	}
	__atomic_add_fetch(&board->counts[0], 1, __ATOMIC_SEQ_CST);
	while (who == PARENT && __atomic_load_n(&board->counts[0], __ATOMIC_SEQ_CST) < WHO)
		t_sleep_ms(1);
	if (who == PARENT) {
		t_ready();
		if (t_spoiled())
			private_map[PAGE] ^= 1;
	}
	t_wait();
	compare(who);
	play(who);
	if (kid)
		t_join_child("child", kid);
}

int main(void)
{
	t_init();
	board = (struct board *)map(1, MAP_SHARED);
	shared = map(PAGES, MAP_SHARED);
	private_map = map(PAGES, MAP_PRIVATE);
	t_fill(shared, 8 * PAGE, 500);
	/* A second mapping of the same object (old size 0). */
	twice = mremap(shared, 0, PAGES * PAGE, MREMAP_MAYMOVE);
	if (twice == MAP_FAILED)
		t_fatal("mremap");
	live(PARENT);
	return t_done();
}
