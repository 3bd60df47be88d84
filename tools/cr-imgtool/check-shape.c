/* SPDX-License-Identifier: MIT */
/* What must hold inside one record. */
#include <signal.h>
#include <sys/user.h>

#include "check.h"
#include "hugetlb.h"
#include "schemas.h"

static void check_siginfos(struct check *c, const ProtobufCBinaryData *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].len != sizeof(siginfo_t))
			fault(c, "queued signal %zu has %zu bytes, not %zu", i, list[i].len,
			      sizeof(siginfo_t));
}

static void check_task(struct check *c, const Cr__Task *t)
{
	if (!t->pid)
		fault(c, "pid is 0");
	if (t->state != CR__TASK_STATE__ZOMBIE && !t->n_tids)
		fault(c, "pid %u: lives and has no threads", t->pid);
	if (t->state == CR__TASK_STATE__ZOMBIE && t->n_tids)
		fault(c, "pid %u: is a zombie and has threads", t->pid);
	check_siginfos(c, t->shared_signals, t->n_shared_signals);
}

static void check_thread(struct check *c, const Cr__Thread *t)
{
	if (!ids_has(&c->ids[IDS_TASK_TID], (uint64_t)t->pid << 32 | t->tid))
		fault(c, "thread %u is none of pid %u", t->tid, t->pid);
	if (t->regs.len != sizeof(struct user_regs_struct))
		fault(c, "thread %u: %zu bytes of registers, not %zu", t->tid, t->regs.len,
		      sizeof(struct user_regs_struct));
	if (t->xstate.len < 576)	/* the legacy area and the XSAVE header */
		fault(c, "thread %u: %zu bytes of FPU state are too few", t->tid, t->xstate.len);
	check_siginfos(c, t->signals, t->n_signals);
}

static void check_vma(struct check *c, const Cr__Mm *mm, size_t i)
{
	const Cr__Vma *v = mm->vmas[i];
	bool file = v->kind == CR__VMA_KIND__FILE_PRIVATE || v->kind == CR__VMA_KIND__FILE_SHARED;

	if (v->start >= v->end || v->start % 4096 || v->end % 4096)
		fault(c, "vmas[%zu]: %llx-%llx is no range of pages", i,
		      (unsigned long long)v->start, (unsigned long long)v->end);
	if (v->huge_shift && (!cr_huge_is_shift(v->huge_shift) ||
			      (v->start | v->end | v->pgoff) & ((1ull << v->huge_shift) - 1)))
		fault(c, "vmas[%zu]: not of huge pages of 1 << %u bytes", i, v->huge_shift);
	if (i && v->start < mm->vmas[i - 1]->end)
		fault(c, "vmas[%zu]: %llx is not behind the mapping before it", i,
		      (unsigned long long)v->start);
	if (v->file > mm->n_files)
		fault(c, "vmas[%zu]: file %u of %zu", i, v->file, mm->n_files);
	/* A private mapping of a memfd has the object in place of the file. */
	if (file && !v->file && !v->shmem)
		fault(c, "vmas[%zu]: a mapping of a file without a file", i);
	if (v->pkey > 15)
		fault(c, "vmas[%zu]: protection key %u", i, v->pkey);
	if (v->kind == CR__VMA_KIND__SHMEM && !v->shmem)
		fault(c, "vmas[%zu]: shared memory without an object", i);
}

static void check_fd_table(struct check *c, const Cr__FdTable *t)
{
	/* In ascending order: no number twice. */
	for (size_t i = 1; i < t->n_fds; i++)
		if (t->fds[i]->fd <= t->fds[i - 1]->fd)
			fault(c, "fds[%zu]: descriptor %u is not above the one before it", i,
			      t->fds[i]->fd);
}

static void check_pages(struct check *c, const Cr__Pages *p)
{
	if (!p->pid == !p->shmem)
		fault(c, "pages of neither or both of a process and an object");
	if (p->pid && !ids_has(&c->ids[IDS_MM], p->pid))
		fault(c, "pages of pid %u, which has no mm record", p->pid);
	for (size_t i = 1; i < p->n_extents; i++)
		if (p->extents[i]->address <
		    p->extents[i - 1]->address + p->extents[i - 1]->pages * 4096)
			fault(c, "extents[%zu]: %llx is not behind the one before it", i,
			      (unsigned long long)p->extents[i]->address);
}

void check_shape(struct check *c, const struct cr_record *rec, const void *msg)
{
	const Cr__Mm *mm = msg;

	switch (rec->kind) {
	case CR_KIND_REFUSAL:
		fault(c, "a refusal: this is no image");
		return;
	case CR_KIND_TASK:
		check_task(c, msg);
		return;
	case CR_KIND_THREAD:
		check_thread(c, msg);
		return;
	case CR_KIND_MM:
		for (size_t i = 0; i < mm->n_vmas; i++)
			check_vma(c, mm, i);
		return;
	case CR_KIND_FD_TABLE:
		check_fd_table(c, msg);
		return;
	case CR_KIND_PAGES:
		check_pages(c, msg);
		return;
	default:
		return;
	}
}
