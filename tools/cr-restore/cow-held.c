/* SPDX-License-Identifier: MIT */
#include "cow-held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clean.h"
#include "list.h"
#include "mem.h"
#include "ref.h"
#include "vma.h"

#define HUGE (2ull << 20)
#define LOWEST (1ull << 30)
#define STACK_ROOM (64ull << 20) /* that our own stack may grow by */

struct held held;

static bool lies_in(const struct area *a, const struct area *in)
{
	return a->start >= in->start && a->end <= in->end && area_alike(a, in);
}

/* The first one that ends behind @address. */
static struct held_area *first_behind(uint64_t address)
{
	size_t lo = 0, hi = held.n_areas;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (held.areas[mid].as.end > address)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < held.n_areas ? &held.areas[lo] : NULL;
}

const struct held_area *held_for(const struct area *a)
{
	const struct held_area *in = first_behind(a->start);

	return in && lies_in(a, &in->as) ? in : NULL;
}

static bool near_our_stack(uint64_t start, uint64_t end)
{
	uint64_t sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);

	return start < sp && end + STACK_ROOM > sp;
}

static int open_file(struct restore *r, const struct area *a)
{
	const struct object_fd *o;
	struct cr_err ignored;

	if (a->vma->file)
		return ref_open(r, a->mm->files[a->vma->file - 1], O_RDONLY, &ignored);
	o = object_find(r->shmems, r->n_shmems, a->vma->shmem);
	return o ? fcntl(o->fd[0], F_DUPFD_CLOEXEC, 0) : -1;
}

static int advise(const struct area *a, void *at)
{
	size_t len = a->end - a->start;

	if (a->vma->vma_flags & CR_VMA_HUGEPAGE && madvise(at, len, MADV_HUGEPAGE) < 0)
		return -1;
	return a->vma->vma_flags & CR_VMA_NOHUGEPAGE ? madvise(at, len, MADV_NOHUGEPAGE) : 0;
}

/* mmap(2) of all of @a at @at; -1: something else is there, or it cannot be. */
static int map_at(const struct area *a, int fd, uint64_t at)
{
	bool file = a->vma->kind == CR__VMA_KIND__FILE_PRIVATE;
	uint64_t offset = file ? a->vma->pgoff - a->vma->start + a->start : 0;
	int flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE | (file ? 0 : MAP_ANONYMOUS);
	void *got;

	flags |= a->vma->vma_flags & CR_VMA_NORESERVE ? MAP_NORESERVE : 0;
	flags |= a->vma->vma_flags & CR_VMA_GROWSDOWN ? MAP_GROWSDOWN : 0;
	if (near_our_stack(at, at + (a->end - a->start))) {
		errno = EEXIST;
		return -1;
	}
	got = mmap((void *)at, a->end - a->start, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);
	if (got == MAP_FAILED)
		return -1;
	if (got == (void *)at && advise(a, got) == 0)
		return 0;
	munmap(got, a->end - a->start);
	errno = EINVAL;
	return -1;
}

/* The first place from @at on that no task has anything at, or near to. */
static uint64_t next_free(const struct restore *r, uint64_t at, uint64_t size)
{
	unsigned int quiet = 0;

	for (unsigned int i = 0; quiet < r->img.n_tasks; i = (i + 1) % r->img.n_tasks) {
		const struct task_image *t = &r->img.tasks[i];
		uint64_t behind = task_is_zombie(t) ? 0 : mem_conflict(t, at, at + size);

		quiet = behind ? 0 : quiet + 1;
		if (behind)
			at += (behind - at + HUGE - 1) & ~(HUGE - 1);
	}
	return at;
}

/* Somewhere else, as its huge pages are, from where everybody moves it. */
static int map_elsewhere(const struct restore *r, const struct area *a, int fd, uint64_t *at)
{
	uint64_t size = a->end - a->start;

	for (*at = LOWEST + a->start % HUGE;; *at += 32 * HUGE) {
		*at = next_free(r, *at, size);
		if (*at + size >= MEM_TASK_END)
			return -1;
		if (map_at(a, fd, *at) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
}

int held_add(struct restore *r, const struct area *a, struct cr_err *err)
{
	cr_auto_fd int fd = -1;
	struct held_area *next = first_behind(a->start);
	size_t to = next ? (size_t)(next - held.areas) : held.n_areas;
	uint64_t at = a->start;

	/* What we were born with cannot grow any more: it would be two mappings. */
	if (next && next->as.start < a->end)
		return 0;
	if (cr_list_room(held.areas, held.n_areas, err) < 0)
		return -1;
	/* Where something cannot be, everybody will say why who needs it. */
	if (a->vma->kind == CR__VMA_KIND__FILE_PRIVATE && (fd = open_file(r, a)) < 0)
		return 0;
	if (map_at(a, fd, at) < 0 && (errno != EEXIST || map_elsewhere(r, a, fd, &at) < 0))
		return 0;
	for (size_t i = held.n_areas++; i > to; i--)
		held.areas[i] = held.areas[i - 1];
	held.areas[to] = (struct held_area){ *a, at };
	return 0;
}
