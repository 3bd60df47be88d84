/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: with a key and without, removed while attached,
 * read-only, protected, attached twice, by a child, and unmapped in part.
 */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "target.h"

#define SIZE (5 * 4096ul + 100)

/* What was left of a whole one: one page of it, and two whose protections differ. */
static uint8_t *part, *rest;
static int part_id;

static struct segment {
	key_t key;
	int mode;
	bool removed, child;
	int flags;	/* of a second attachment, -1: none */
	int id;
	uint8_t *p, *q;
	struct shmid_ds ds;
} all[] = {
	{ .key = IPC_PRIVATE, .mode = 0600, .removed = true, .flags = -1 },
	{ .key = IPC_PRIVATE, .mode = 0640, .flags = SHM_RDONLY },
	{ .key = 1, .mode = 0666, .child = true, .flags = 0 },
};
#define COUNT (sizeof(all) / sizeof(all[0]))

static void *attach(int id, int flags)
{
	void *p = shmat(id, NULL, flags);

	return p == (void *)-1 ? t_fatal("shmat"), NULL : p;
}

static void make(struct segment *s, uint64_t seed)
{
	if (s->key != IPC_PRIVATE)
		s->key = (key_t)(0x63720000 + getpid());
	s->id = t_must(shmget(s->key, SIZE, IPC_CREAT | IPC_EXCL | s->mode));
	s->p = attach(s->id, 0);
	if (s->flags >= 0)
		s->q = attach(s->id, s->flags);
	t_fill(s->p, SIZE, seed);
	if (s->removed)
		t_must(shmctl(s->id, IPC_RMID, NULL));
	t_must(shmctl(s->id, IPC_STAT, &s->ds));
}

static void make_part(void)
{
	part_id = t_must(shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600));
	part = attach(part_id, 0);
	rest = part + 3 * 4096;
	t_must(shmctl(part_id, IPC_RMID, NULL));
	t_fill(part, SIZE, 77);
	t_must(munmap(part, 4096));
	t_must(munmap(part + 2 * 4096, 4096));
	t_must(munmap(rest + 2 * 4096, 4096));
	t_must(mprotect(rest + 4096, 4096, PROT_READ));
}

static void check_part(void)
{
	struct shmid_ds ds;

	t_check("a part", part + 4096, 4096, 77 + 512);
	t_check("the rest", rest, 2 * 4096, 77 + 3 * 512);
	t_true("nothing between",
	       mmap(part + 2 * 4096, 4096, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == part + 2 * 4096);
	t_must(shmctl(part_id, IPC_STAT, &ds));
	t_same("mappings of parts", 3, ds.shm_nattch);
	/* One call for all parts, which are told by where the whole would begin. */
	t_must(shmdt(part));
	t_same("all parts are gone", (uint64_t)-1, (uint64_t)shmctl(part_id, IPC_STAT, &ds));
}

static void check(struct segment *s, uint64_t seed)
{
	struct shmid_ds ds;

	t_check("its bytes", s->p, SIZE & ~7ul, seed);
	if (s->q) {
		t_check("its bytes, seen through the other", s->q, SIZE & ~7ul, seed);
		s->p[4096] ^= 1;
		t_same("both are one", s->p[4096], s->q[4096]);
		s->p[4096] ^= 1;
	}
	if (shmctl(s->id, IPC_STAT, &ds) < 0) {
		t_differs("segment %d: %s", s->id, strerror(errno));
		return;
	}
	t_same("size", s->ds.shm_segsz, ds.shm_segsz);
	t_same("mode", s->ds.shm_perm.mode, ds.shm_perm.mode);
	t_same("owner", s->ds.shm_perm.uid, ds.shm_perm.uid);
	t_same("key", (uint64_t)s->ds.shm_perm.__key, (uint64_t)ds.shm_perm.__key);
}

int main(void)
{
	pid_t child;

	t_init();
	for (size_t i = 0; i < COUNT; i++)
		make(&all[i], i + 1);
	make_part();
	t_must(shmctl(all[1].id, IPC_STAT, &all[1].ds));
	all[1].ds.shm_perm.uid = 7;
	t_must(shmctl(all[1].id, IPC_SET, &all[1].ds));
	child = t_must(fork());
	if (child == 0) {
		for (size_t i = 0; i < COUNT; i++)
			if (!all[i].child)
				t_must(shmdt(all[i].p));
		t_must(shmdt(part));
		t_must(mprotect(all[2].p, SIZE, PROT_READ));
		t_touch("child");
		while (!t_seen("changed"))
			t_sleep_ms(2);
		t_same("what the parent has written", 99, all[2].p[8192]);
		_exit(t_differences ? 1 : 0);
	}
	while (!t_seen("child"))
		t_sleep_ms(2);
	t_ready();
	if (t_spoiled())
		all[0].p[1] ^= 1;
	t_wait();
	for (size_t i = 0; i < COUNT; i++)
		check(&all[i], i + 1);
	check_part();
	all[2].p[8192] = 99;
	t_touch("changed");
	t_join_child("the child", child);
	unlink("changed");
	for (size_t i = 0; i < COUNT; i++) {
		t_must(shmdt(all[i].p));
		if (all[i].q)
			t_must(shmdt(all[i].q));
	}
	t_same("the removed one is gone", (uint64_t)-1,
	       (uint64_t)shmctl(all[0].id, IPC_STAT, &all[0].ds));
	return t_done();
}
