/* SPDX-License-Identifier: MIT */
#include "mem-ring.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "aio.h"
#include "clean.h"
#include "io_uring.h"
#include "vec.h"

#define TASK_START 0x10000ull /* vm.mmap_min_addr: the kernel chooses no lower place */
#define TASK_END 0x7ffffffff000ull

struct range {
	uint64_t start, end;
};

struct ranges {
	struct range *list;
	size_t count;
};

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* What is there already, by address; with @rings also the places of rings. */
static struct ranges taken(const struct task_image *t, const struct agent_place *p, bool rings)
{
	const struct piece_list *kept = &p->reuse.kept;
	struct ranges out = { .list = calloc(t->mm->n_vmas + kept->count + 1, sizeof(*out.list)) };

	if (!out.list)
		return out;
	out.list[out.count++] = (struct range){ p->start, p->end };
	for (size_t i = 0; i < kept->count; i++)
		out.list[out.count++] =
			(struct range){ kept->list[i].at.start, kept->list[i].at.end };
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if (rings && vma->kind == CR__VMA_KIND__RING)
			out.list[out.count++] = (struct range){ vma->start, vma->end };
	}
	qsort(out.list, out.count, sizeof(*out.list), by_start);
	return out;
}

static void reserve(struct vec *v, uint64_t start, uint64_t end)
{
	struct cr_op *op;

	if (start >= end)
		return;
	op = vec_sys(v, LABEL_MAP, SYS_mmap, (int64_t)start, (int64_t)(end - start), PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	vec_want(op, (int64_t)start);
}

/* For each free range between those that are taken. */
static int each_gap(struct vec *v, const struct task_image *t, const struct agent_place *p,
		    bool rings, void (*what)(struct vec *, uint64_t, uint64_t), struct cr_err *err)
{
	struct ranges r = taken(t, p, rings);
	uint64_t at = TASK_START;

	if (!r.list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < r.count; i++) {
		what(v, at, r.list[i].start);
		if (r.list[i].end > at)
			at = r.list[i].end;
	}
	what(v, at, TASK_END);
	free(r.list);
	return 0;
}

static int map_ring(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		    const Cr__Vma *vma, struct cr_err *err)
{
	int64_t len = (int64_t)(vma->end - vma->start);
	struct cr_op *op;
	int fd;

	if (!vma->ino) {
		vec_unmap(v, vma->start, vma->end);
		return aio_make(r, t, vma, v, a, err);
	}
	if (uring_of_mapping(r, t, vma, &fd, err) < 0)
		return cr_err_wrap(err, "vma %" PRIx64, vma->start);
	vec_unmap(v, vma->start, vma->end);
	op = vec_sys(v, LABEL_MAP, SYS_mmap, 0, len, vma->prot, MAP_SHARED, fd,
		     (int64_t)vma->pgoff);
	vec_want(op, (int64_t)vma->start);
	return 0;
}

int mem_map_rings(struct restore *r, const struct task_image *t, const struct agent_place *p,
		  struct vec *v, struct arena *a, struct cr_err *err)
{
	bool any = false;

	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if (vma->kind != CR__VMA_KIND__RING)
			continue;
		if (!any && each_gap(v, t, p, false, reserve, err) < 0)
			return -1;
		any = true;
		if (map_ring(r, t, v, a, vma, err) < 0)
			return -1;
	}
	return any ? each_gap(v, t, p, true, vec_unmap, err) : 0;
}
