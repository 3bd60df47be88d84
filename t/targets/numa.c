/* SPDX-License-Identifier: MIT */
/* Mappings with NUMA policies, for t/numa.t. */
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

#define PAGE 4096ul

/* Parts of one mapping, and a shared one. */
static const struct {
	unsigned int page, pages, mode;
	bool nodes;
} parts[] = {
	{ 1, 2, MPOL_BIND, true },
	{ 4, 1, MPOL_PREFERRED, true },
	{ 5, 3, MPOL_INTERLEAVE, true },
	{ 9, 1, MPOL_LOCAL, false },
	{ 11, 1, MPOL_BIND | MPOL_F_STATIC_NODES, true },
	{ 16, 2, MPOL_PREFERRED, true },
};
#define PAGES 20u

struct policy {
	int mode;
	uint64_t nodes[16];
};

static void get(uint8_t *base, struct policy *list)
{
	memset(list, 0, PAGES * sizeof(*list));
	for (unsigned int i = 0; i < PAGES; i++)
		t_must(syscall(SYS_get_mempolicy, &list[i].mode, list[i].nodes, 1025,
			       base + i * PAGE, MPOL_F_ADDR));
}

int main(void)
{
	static struct policy before[PAGES], after[PAGES];
	uint64_t node0 = 1;
	uint8_t *base;

	t_init();
	base = t_must(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0));
	t_must(mmap(base + 16 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		t_must(syscall(SYS_mbind, base + parts[i].page * PAGE, parts[i].pages * PAGE,
			       parts[i].mode, parts[i].nodes ? &node0 : NULL,
			       parts[i].nodes ? 64 : 0, 0));
	get(base, before);
	t_ready();
	if (t_spoiled())
		t_must(syscall(SYS_mbind, base + PAGE, PAGE, MPOL_DEFAULT, NULL, 0, 0));
	t_wait();
	get(base, after);
	for (unsigned int i = 0; i < PAGES; i++) {
		char what[32];

		snprintf(what, sizeof(what), "policy of page %u", i);
		t_same(what, (uint64_t)before[i].mode, (uint64_t)after[i].mode);
		t_same(what, before[i].nodes[0], after[i].nodes[0]);
	}
	return t_done();
}
