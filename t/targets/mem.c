/* SPDX-License-Identifier: MIT */
/*
 * Private memory: heap, anonymous mappings with every third page touched, all
 * protections, code written at run time, a stack that has grown and must grow
 * on, a mapping that grows down, names and advice of mappings.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "target.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d61	/* 5.17 */
#define PR_SET_VMA_ANON_NAME 0
#endif

#define PAGE 4096ul
#define SPARSE_PAGES 3000

static uint8_t *sparse, *readonly, *locked_out, *code, *grows;
static uint64_t *heap[200];
static uint8_t bss[10 * PAGE];
static uint8_t data[3 * PAGE] = "initialised";
static char *maps_before, *maps_after;

#define MAPS_SIZE (1ul << 20)

static uint8_t *map(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		t_fatal("mmap");
	return p;
}

static void fill_sparse(void)
{
	sparse = map(SPARSE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	for (size_t i = 0; i < SPARSE_PAGES; i += 3)
		t_fill(sparse + i * PAGE, PAGE, i);
	/* Pages of zeros that were read, or written: they stay zero. */
	for (size_t i = 1; i < 300; i += 3)
		if (sparse[i * PAGE])
			t_fatal("not zero");
	for (size_t i = 301; i < 600; i += 3)
		sparse[i * PAGE] = 0;
}

static void check_sparse(void)
{
	static const uint8_t zeros[PAGE];

	for (size_t i = 0; i < SPARSE_PAGES; i++) {
		if (i % 3 == 0)
			t_check("sparse", sparse + i * PAGE, PAGE, i);
		else if (memcmp(sparse + i * PAGE, zeros, PAGE) != 0)
			t_differs("page %zu is not zero", i);
	}
}

/* Also where not every page can be touched: mlock(2) fails, having locked it. */
static void make_locked(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat sb;
	uint8_t *p;

	mlock(map(PAGE * 2, PROT_READ | PROT_WRITE, 0), PAGE * 2);
	mlock(map(PAGE * 2, PROT_NONE, 0), PAGE * 2);
	p = map(PAGE * 8, PROT_READ | PROT_WRITE, 0);
	madvise(p + PAGE, PAGE, MADV_GUARD_INSTALL);
	mlock(p, PAGE * 8);
	t_must(fd);
	t_must(fstat(fd, &sb));
	p = mmap(NULL, PAGE * 3, PROT_READ, MAP_SHARED, fd, sb.st_size & ~(off_t)(PAGE - 1));
	if (p == MAP_FAILED)
		t_fatal("mmap of a file");
	mlock(p, PAGE * 3);
	close(fd);
	p = map(PAGE * 4, PROT_READ | PROT_WRITE, 0);
	t_fill(p, PAGE * 4, 4000);
	t_must(mprotect(p, PAGE * 4, PROT_NONE));
	mlock(p, PAGE * 4);
}

static void make_maps(void)
{
	static const uint8_t returns_42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };	/* mov; ret */

	readonly = map(4 * PAGE, PROT_READ | PROT_WRITE, 0);
	t_fill(readonly, 4 * PAGE, 1000);
	t_must(mprotect(readonly, 4 * PAGE, PROT_READ));
	locked_out = map(4 * PAGE, PROT_READ | PROT_WRITE, 0);
	t_fill(locked_out, 4 * PAGE, 2000);
	t_must(mprotect(locked_out + PAGE, 2 * PAGE, PROT_NONE));
	code = map(PAGE, PROT_READ | PROT_WRITE, 0);
	memcpy(code, returns_42, sizeof(returns_42));
	t_must(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, sparse, SPARSE_PAGES * PAGE, "sparse pages");
	t_must(madvise(readonly, PAGE, MADV_DONTFORK));
	t_must(madvise(readonly + PAGE, PAGE, MADV_DONTDUMP));
	madvise(map(PAGE * 1024, PROT_READ | PROT_WRITE, 0), PAGE * 1024, MADV_HUGEPAGE);
	madvise(map(PAGE * 4, PROT_READ | PROT_WRITE, 0), PAGE * 4, MADV_WIPEONFORK);
	make_locked();
}

/* Made last: nothing may come to lie in the hole below, and an accessible
 * mapping must be at least 256 pages away (stack_guard_gap). */
static void make_growing(void)
{
	grows = map(PAGE * 1000, PROT_NONE, 0);
	t_must(munmap(grows + PAGE, PAGE * 998));
	if (mmap(grows + PAGE * 998, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0) == MAP_FAILED)
		t_fatal("MAP_GROWSDOWN");
	t_fill(grows + PAGE * 998, PAGE, 3000);
}

/* Lines of smaps that say what a mapping is, not how full it is. */
static void read_maps(char *out)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	size_t fill = 0;

	if (!f)
		t_fatal("smaps");
	while (fgets(line, sizeof(line), f)) {
		bool head = line[0] >= '0' && line[0] <= '9';

		head |= line[0] >= 'a' && line[0] <= 'f';
		/* The heap and the stack grow while we look. */
		if ((!head && strncmp(line, "VmFlags", 7) != 0) || strstr(line, "[stack]") ||
		    strstr(line, "[heap]") || fill + sizeof(line) > MAPS_SIZE)
			continue;
		fill += (size_t)snprintf(out + fill, MAPS_SIZE - fill, "%s", line);
	}
	fclose(f);
}

/* The stack: every frame has its pattern. */
static __attribute__((noinline)) uint64_t recurse(unsigned int depth, bool pause)
{
	volatile uint64_t frame[64];
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 64; i++)
		frame[i] = t_mix(depth * 64 + i);
	if (depth)
		sum = recurse(depth - 1, pause);
	else if (pause)
		t_wait();
	for (unsigned int i = 0; i < 64; i++)
		if (frame[i] != t_mix(depth * 64 + i)) {
			t_differs("stack: frame %u word %u", depth, i);
			break;
		}
	return sum + frame[depth & 63];
}

static void spoil(void)
{
	sparse[1234 * PAGE] = 1;
	heap[7][3]++;
	t_must(mprotect(code, PAGE, PROT_READ));
}

int main(void)
{
	uint64_t expected = 0;

	t_init();
	maps_before = (char *)map(MAPS_SIZE, PROT_READ | PROT_WRITE, 0);
	maps_after = (char *)map(MAPS_SIZE, PROT_READ | PROT_WRITE, 0);
	fill_sparse();
	make_maps();
	for (unsigned int i = 0; i < 200; i++) {
		heap[i] = malloc(1000 * i + 8);
		t_fill(heap[i], 1000 * i + 8, i);
	}
	t_fill(bss, sizeof(bss), 5000);
	t_fill(data + PAGE, PAGE, 6000);
	for (unsigned int d = 0; d <= 200; d++)
		expected += t_mix(d * 64 + (d & 63));
	make_growing();
	read_maps(maps_before);
	t_ready();
	if (t_spoiled())
		spoil();
	t_same("sum over the stack", expected, recurse(200, true));
	read_maps(maps_after);
	t_same_lines("mapping", maps_before, maps_after);
	check_sparse();
	for (unsigned int i = 0; i < 200; i++)
		t_check("heap", heap[i], 1000 * i + 8, i);
	t_check("bss", bss, sizeof(bss), 5000);
	t_check("data", data + PAGE, PAGE, 6000);
	t_same_str("data", "initialised", (char *)data);
	t_check("read-only", readonly, 4 * PAGE, 1000);
	t_must(mprotect(locked_out, 4 * PAGE, PROT_READ));
	t_check("PROT_NONE", locked_out, 4 * PAGE, 2000);
	if (!t_differences)
		t_same("run-time code", 42, (uint64_t)((int (*)(void))(void *)code)());
	t_check("growing down", grows + PAGE * 998, PAGE, 3000);
	for (unsigned int i = 997; i > 800; i--)	/* it grows on */
		grows[i * PAGE + PAGE - 8] = 1;
	recurse(1200, false);	/* some MiB of stack */
	for (unsigned int i = 0; i < 200; i++)
		free(heap[i]);
	return t_done();
}
