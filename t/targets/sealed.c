/* SPDX-License-Identifier: MIT */
/*
 * Sealed mappings, mseal(2) (6.10): of memory, a file and a shared object, with all
 * kinds of protection, in the middle of others, and in a child that has inherited
 * them.  SKIP as output when the kernel has no such thing.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4

static struct {
	const char *name;
	int prot;
	int flags;
	bool file;
	char *p;	/* the second and third page are sealed */
} list[] = {
	{ "writable", RW, MAP_PRIVATE | MAP_ANONYMOUS, false, NULL },
	{ "read-only", PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, false, NULL },
	{ "no access", PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, false, NULL },
	{ "code", PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, false, NULL },
	{ "shared", RW, MAP_SHARED | MAP_ANONYMOUS, false, NULL },
	{ "a file", RW, MAP_SHARED, true, NULL },
	{ "a private file", PROT_READ, MAP_PRIVATE, true, NULL },
};
#define N (sizeof(list) / sizeof(list[0]))

static void make(unsigned int i, int fd)
{
	char *p = t_must(
		mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	p = t_must(mmap(p + PAGE, PAGES * PAGE, RW, list[i].flags | MAP_FIXED,
			list[i].file ? fd : -1, 0));
	t_fill(p, PAGES * PAGE, i);
	t_must(mprotect(p, PAGES * PAGE, list[i].prot));
	t_must(syscall(SYS_mseal, p + PAGE, 2 * PAGE, 0));
	list[i].p = p;
}

static void denied(const char *who, unsigned int i, const char *what, long result)
{
	int e = errno;

	if (result != -1 || e != EPERM)
		t_differs("%s, %s: %s is not denied", who, list[i].name, what);
}

static void check(const char *who, unsigned int i)
{
	char *p = list[i].p, *at = p + PAGE;

	denied(who, i, "mprotect", mprotect(at, PAGE, PROT_READ | PROT_EXEC));
	denied(who, i, "munmap", munmap(at + PAGE, PAGE));
	denied(who, i, "mremap",
	       mremap(at, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	denied(who, i, "mmap over it",
	       mmap(at, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ?
		       -1 :
		       0);
	/* What is beside it is as free as it was. */
	t_same("before it", 0, (uint64_t)mprotect(p, PAGE, PROT_READ));
	t_same("behind it", 0, (uint64_t)mprotect(p + 3 * PAGE, PAGE, PROT_READ));
	if (list[i].prot & PROT_READ)
		t_check(list[i].name, p, PAGES * PAGE, i);
	if (list[i].prot & PROT_WRITE)
		*(volatile char *)at = *(volatile char *)at;
}

int main(void)
{
	pid_t child;
	int fd;

	t_init();
	if (syscall(SYS_mseal, 0, 0, 0) < 0 && errno == ENOSYS) {
		printf("SKIP this kernel has no mseal(2)\n");
		return 0;
	}
	fd = t_must(open("sealed", O_RDWR | O_CREAT, 0644));
	t_must(ftruncate(fd, PAGES * PAGE));
	for (unsigned int i = 0; i < N; i++)
		if (!list[i].file)
			make(i, -1);
	make(5, fd);
	fd = t_must(open("sealed too", O_RDWR | O_CREAT, 0644));
	t_must(ftruncate(fd, PAGES * PAGE));
	make(6, fd);
	child = t_must(fork());
	if (child == 0) {
		t_touch("child");
		t_wait();
		for (unsigned int i = 0; i < N; i++)
			check("child", i);
		_exit(t_differences ? 1 : 0);
	}
	while (!t_seen("child"))
		t_sleep_ms(1);
	t_ready();
	if (t_spoiled())
		list[0].p -= PAGE;
	t_wait();
	for (unsigned int i = 0; i < N; i++)
		check("parent", i);
	t_join_child("child", child);
	return t_done();
}
