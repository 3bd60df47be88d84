/* SPDX-License-Identifier: MIT */
/*
 * Mappings of every kind that can be dumped, for t/dump-mem.t, which compares
 * the image with the frozen memory; it does nothing with them itself.  A child
 * shares some.  "plain" as argument: no guard regions.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "target.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08	/* 6.11 */
#endif
#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static uint64_t seed;

static uint8_t *map(size_t pages, int flags, int fd, size_t page_offset)
{
	void *p = mmap(NULL, pages * PAGE, RW, flags, fd, (off_t)(page_offset * PAGE));

	if (p == MAP_FAILED)
		t_fatal("mmap of %zu pages", pages);
	return p;
}

static uint8_t *anon(size_t pages)
{
	return map(pages, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void fill(uint8_t *p, size_t pages)
{
	t_fill(p, pages * PAGE, seed);
	seed += 1000000;
}

static int make_file(const char *name, size_t pages)
{
	int fd = t_must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
	uint8_t *p;

	t_must(ftruncate(fd, (off_t)(pages * PAGE)));
	p = map(pages, MAP_SHARED, fd, 0);
	fill(p, pages);
	munmap(p, pages * PAGE);
	return fd;
}

static void protections(void)
{
	static const int prots[] = { PROT_NONE,	    PROT_READ, PROT_WRITE,
				     PROT_EXEC,	    RW,	       PROT_READ | PROT_EXEC,
				     RW | PROT_EXEC };

	for (size_t i = 0; i < sizeof(prots) / sizeof(prots[0]); i++) {
		uint8_t *p = anon(9);

		fill(p + PAGE, 3);
		fill(p + 6 * PAGE, 2);
		t_must(mprotect(p, 9 * PAGE, prots[i]));
	}
}

/* Zeros that were read, written, in long and short runs, and none. */
static void zeros(void)
{
	uint8_t *p = anon(2304 + 16);	/* more than two units of the copier */
	volatile uint8_t sum = 0;

	fill(p, 2304);
	memset(p + 100 * PAGE, 0, 15 * PAGE);
	memset(p + 200 * PAGE, 0, 16 * PAGE);
	memset(p + 300 * PAGE, 0, 17 * PAGE);
	memset(p + 1020 * PAGE, 0, 300 * PAGE);	/* over the end of a unit */
	memset(p + 2300 * PAGE, 0, 4 * PAGE);
	for (size_t i = 2304; i < 2304 + 16; i++)
		sum += p[i * PAGE];
	p = anon(40);
	memset(p, 0, 40 * PAGE);
	p = anon(40);
	p[39 * PAGE + 4095] = 1;
	for (size_t i = 0; i < 200; i++) {
		p = anon(2);
		memset(p, i & 1, 2 * PAGE);
		t_must(mprotect(p + PAGE, PAGE, i & 2 ? PROT_READ : PROT_NONE));
	}
}

static void advices(void)
{
	static const int list[] = { MADV_DONTDUMP,   MADV_DONTFORK,  MADV_WIPEONFORK, MADV_HUGEPAGE,
				    MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_SEQUENTIAL, MADV_RANDOM };
	uint8_t *p;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		p = anon(4);
		fill(p + PAGE, 2);
		madvise(p, 4 * PAGE, list[i]);
	}
	p = anon(3);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 3 * PAGE, "a name");
	fill(p, 1);
	fill(map(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), 3);
	t_must(mlock(anon(3), 3 * PAGE));
	p = anon(3);
	t_must(mlock2(p, 3 * PAGE, MLOCK_ONFAULT));
	fill(p + PAGE, 1);
	p = mmap(NULL, 3 * PAGE, RW, MAP_ANONYMOUS | MAP_DROPPABLE, -1, 0);
	if (p != MAP_FAILED)
		fill(p, 3);
	/* A huge page, where the kernel gives one, with zeros in it. */
	p = anon(1024);
	madvise(p, 1024 * PAGE, MADV_HUGEPAGE);
	fill(p + 600 * PAGE, 7);
}

static void growing(void)
{
	uint8_t *hole = anon(600), *p = hole + 590 * PAGE;

	t_must(munmap(hole, 600 * PAGE));
	p = mmap(p, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		t_fatal("MAP_GROWSDOWN");
	fill(p, 2);
	p -= 3 * PAGE;
	*(volatile uint8_t *)p = 1;
}

static void guards(int fd)
{
	uint8_t *p[] = { anon(16), map(8, MAP_PRIVATE, fd, 0), map(8, MAP_SHARED, fd, 0),
			 map(8, MAP_SHARED | MAP_ANONYMOUS, -1, 0) };

	fill(p[0], 16);
	fill(p[1], 3);
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		madvise(p[i] + PAGE, PAGE, MADV_GUARD_INSTALL);
		madvise(p[i] + 4 * PAGE, 3 * PAGE, MADV_GUARD_INSTALL);
	}
}

static void files(bool plain)
{
	int fd = make_file("file", 20), ro;
	uint8_t *p = map(20, MAP_PRIVATE, fd, 0);

	fill(p + 2 * PAGE, 2);
	memset(p + 5 * PAGE, 0, PAGE);		/* zeros that hide the file's bytes */
	memset(p + 7 * PAGE, 0, 12 * PAGE);
	t_must(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
	t_must(mprotect(p + 10 * PAGE, 3 * PAGE, PROT_READ | PROT_EXEC));
	fill(map(4, MAP_SHARED, fd, 3), 1);
	map(4, MAP_SHARED, make_file("with a\nnew line, \\012 and ü (deleted)", 4), 0);
	ro = t_must(open("file", O_RDONLY));
	if (mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, ro, PAGE) == MAP_FAILED)
		t_fatal("mmap");
	if (!plain)
		guards(fd);
	/* Not a whole number of pages. */
	t_must(ftruncate(make_file("short", 3), 2 * PAGE + 100));
	p = map(3, MAP_PRIVATE, t_must(open("short", O_RDWR)), 0);
	p[PAGE] = p[2 * PAGE] = 1;
	/* Deleted: shared twice, private, and with a hole. */
	fd = make_file("deleted", 30);
	t_must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * PAGE, 7 * PAGE));
	fill(map(30, MAP_SHARED, fd, 0), 2);
	map(2, MAP_SHARED, fd, 4);
	fill(map(30, MAP_PRIVATE, fd, 0) + 9 * PAGE, 2);
	t_must(unlink("deleted"));
}

static void shared(void)
{
	int fd = t_must(memfd_create("a memfd\n(deleted)", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	uint8_t *p = map(40, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* Only its middle stays mapped, the rest is there all the same. */
	fill(p + 3 * PAGE, 20);
	t_must(munmap(p, 10 * PAGE));
	t_must(munmap(p + 30 * PAGE, 10 * PAGE));
	t_must(ftruncate(fd, 50 * PAGE + 10));
	p = map(50, MAP_SHARED, fd, 0);
	fill(p + 10 * PAGE, 7);
	fill(p + 40 * PAGE, 10);
	map(5, MAP_SHARED, fd, 12);
	fill(map(50, MAP_PRIVATE, fd, 0) + 11 * PAGE, 2);
	t_must(pwrite(fd, "end", 3, 50 * PAGE));
	t_must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	fd = t_must(open("/dev/zero", O_RDWR));
	fill(map(6, MAP_PRIVATE, fd, 0) + PAGE, 2);
	fill(map(6, MAP_SHARED, fd, 0) + PAGE, 2);
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		t_fatal("mmap");
}

int main(int argc, char **argv)
{
	volatile uint8_t *stack = __builtin_alloca(300000);
	char *heap = malloc(100000);
	pid_t child;

	t_init();
	for (size_t i = 0; i < 300000; i += 1000)
		stack[i] = (uint8_t)i;
	memset(heap, 'h', 100000);
	protections();
	zeros();
	advices();
	growing();
	files(argc > 1 && strcmp(argv[1], "plain") == 0);
	shared();
	child = t_must(fork());
	if (child == 0) {
		fill(anon(5), 5);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	} else {
		t_ready();
	}
	t_wait();
	if (child)
		waitpid(child, NULL, 0);
	return child ? t_done() : 0;
}
