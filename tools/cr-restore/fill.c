/* SPDX-License-Identifier: MIT */
#include "fill.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clean.h"
#include "pagemap.h"
#include "vma.h"

#define HUGE (2ull << 20)
#define IOV_BATCH 1024ull	  /* UIO_MAXIOV */
#define FILL_BATCH (256ull << 20) /* bytes in one preadv: progress, and SIGKILL acts */
#define POPULATE_MIN (64u << 10)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25	/* 6.1 */
#endif

struct filler {
	const struct restore *r;
	const struct fill_vmas *in;
	struct vec *v;
	struct arena *a;
	size_t vma;		/* the first that may reach behind the runs so far */
};

size_t fill_size(size_t n_vmas, const struct extent_list *x)
{
	size_t n = x->count * (sizeof(struct iovec) + 64 + 2 * sizeof(struct cr_op));

	for (size_t i = 0; i < x->count; i++)
		n += x->list[i].pages / (HUGE / CR_PAGE) * sizeof(struct iovec);
	/* In the worst case a run of pages is in many mappings. */
	return n + (n_vmas + x->count) * (3 * sizeof(struct cr_op) + 2 * sizeof(struct iovec) + 64);
}

bool fill_may_be_huge(void)
{
	cr_auto_fd int fd =
		open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && !strstr(text, "[never]");
}

/* Room for a page of each huge page in [start, end): at least one must be there
 * for the kernel to make a huge page of it. */
static int touch(struct filler *f, const struct extent *x, uint64_t start, uint64_t end,
		 struct cr_err *err)
{
	while (start < end) {
		uint64_t n = (end - start) / HUGE;
		struct iovec *iov;

		if (n > IOV_BATCH)
			n = IOV_BATCH;
		iov = arena_alloc(f->a, n * sizeof(*iov), err);
		if (!iov)
			return -1;
		for (uint64_t i = 0; i < n; i++, start += HUGE)
			iov[i] = (struct iovec){ (void *)start, CR_PAGE };
		/* Whatever is there; the run's own bytes come over it. */
		vec_try(f->v, LABEL_FILL, SYS_preadv, f->r->bulk[x->bulk].fd[0], P(iov), (int64_t)n,
			(int64_t)x->offset);
	}
	return 0;
}

/*
 * Memory in huge pages is made and filled several times as fast, and all of
 * these pages are wanted anyway.  A mapping that does not ask for them
 * (MADV_HUGEPAGE) gets them all the same, and stays as it was otherwise: the
 * kernel takes them apart when it must.
 */
static int collapse(struct filler *f, const struct extent *x, uint64_t start, uint64_t end,
		    struct cr_err *err)
{
	const struct fill_vmas *in = f->in;

	while (f->vma < in->count && in->list[f->vma]->end <= start)
		f->vma++;
	for (size_t i = f->vma; in->huge && i < in->count && in->list[i]->start < end; i++) {
		const Cr__Vma *vma = in->list[i];
		uint64_t from = vma->start > start ? vma->start : start;
		uint64_t to = vma->end < end ? vma->end : end;

		from = (from + HUGE - 1) & ~(HUGE - 1);
		to &= ~(HUGE - 1);
		if (vma->kind != CR__VMA_KIND__ANON || vma->huge_shift || from >= to ||
		    vma->vma_flags & (CR_VMA_NOHUGEPAGE | CR_VMA_GROWSDOWN))
			continue;
		if (touch(f, x, from, to, err) < 0)
			return -1;
		vec_try(f->v, LABEL_FILL, SYS_madvise, (int64_t)from, (int64_t)(to - from),
			MADV_COLLAPSE);
	}
	return 0;
}

/*
 * Have the kernel make the pages of a long run at once (5.14): a fault for
 * each costs more than filling it.  A kernel that cannot just says so.
 */
static int populate(struct filler *f, const struct extent *x, uint64_t start, uint64_t end,
		    struct cr_err *err)
{
	if (end - start < POPULATE_MIN)
		return 0;
	if (end - start >= HUGE && collapse(f, x, start, end, err) < 0)
		return -1;
	vec_try(f->v, LABEL_FILL, SYS_madvise, (int64_t)start, (int64_t)(end - start),
		MADV_POPULATE_WRITE);
	return 0;
}

static int populate_all(struct filler *f, const struct extent *x, size_t n, struct cr_err *err)
{
	uint64_t start = x[0].address, end = start;

	for (size_t i = 0; i < n; i++) {
		if (x[i].address != end) {
			if (populate(f, x, start, end, err) < 0)
				return -1;
			start = x[i].address;
		}
		end = x[i].address + x[i].pages * CR_PAGE;
	}
	return populate(f, x, start, end, err);
}

/* Read runs of extents that follow each other in the file with one call each. */
int fill_pages(struct restore *r, const struct fill_vmas *in, const struct extent_list *xs,
	       struct vec *v, struct arena *a, struct cr_err *err)
{
	struct filler f = { .r = r, .in = in, .v = v, .a = a };
	struct iovec *iov;
	size_t i = 0;

	while (i < xs->count) {
		const struct extent *x = &xs->list[i];
		size_t n = 0, left = xs->count - i;
		uint64_t bytes = 0;
		struct cr_op *op;

		if (left > IOV_BATCH)
			left = IOV_BATCH;
		iov = arena_alloc(a, sizeof(*iov) * left, err);
		if (!iov)
			return -1;
		while (n < left && bytes < FILL_BATCH && x[n].bulk == x->bulk &&
		       x[n].offset == x->offset + bytes) {
			iov[n].iov_base = (void *)x[n].address;
			iov[n].iov_len = x[n].pages * CR_PAGE;
			bytes += iov[n++].iov_len;
		}
		/* What was not used goes back. */
		a->used -= (sizeof(*iov) * (left - n)) & ~63ull;
		if (populate_all(&f, x, n, err) < 0)
			return -1;
		op = vec_sys(v, LABEL_FILL, SYS_preadv, r->bulk[x->bulk].fd[0], P(iov), (int64_t)n,
			     (int64_t)x->offset);
		vec_want(op, (int64_t)bytes);
		i += n;
	}
	return 0;
}
