/* SPDX-License-Identifier: MIT */
#include "marks.h"

#include <linux/prctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pagemap.h"
#include "vma.h"

#ifndef SYS_mseal
#define SYS_mseal 462	/* 6.10 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102	/* 6.13 */
#endif

struct marker {
	const struct task_image *t;
	struct vec *v;
	struct arena *a;
};

static bool is_kernels(const Cr__Vma *vma)
{
	return vma->kind == CR__VMA_KIND__VDSO || vma->kind == CR__VMA_KIND__VVAR ||
	       vma->kind == CR__VMA_KIND__VSYSCALL;
}

static const struct {
	uint32_t flag;
	int advice;
} advices[] = {
	{ CR_VMA_DONTFORK, MADV_DONTFORK },	{ CR_VMA_DONTDUMP, MADV_DONTDUMP },
	{ CR_VMA_WIPEONFORK, MADV_WIPEONFORK }, { CR_VMA_MERGEABLE, MADV_MERGEABLE },
	{ CR_VMA_SEQ_READ, MADV_SEQUENTIAL },	{ CR_VMA_RAND_READ, MADV_RANDOM },
};

static void name_vma(struct marker *m, const Cr__Vma *vma, struct cr_err *err)
{
	static const char prefix[] = "[anon:";
	size_t len = strlen(vma->name);
	char *name;

	if (strncmp(vma->name, prefix, sizeof(prefix) - 1) || len < sizeof(prefix) ||
	    !(name = arena_alloc(m->a, len, err)))
		return;
	memcpy(name, vma->name + sizeof(prefix) - 1, len - sizeof(prefix));
	vec_try(m->v, LABEL_NAME, SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, (int64_t)vma->start,
		(int64_t)(vma->end - vma->start), P(name));
}

static bool has_guards(const Cr__Mm *mm, const Cr__Vma *vma)
{
	size_t lo = 0, hi = mm->n_guards;

	/* The first one that ends behind its start. */
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (mm->guards[mid]->address + mm->guards[mid]->pages * CR_PAGE > vma->start)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < mm->n_guards && mm->guards[lo]->address < vma->end;
}

/* A mapping is locked first and then populated: what has pages that nobody can
 * touch (no access, guards, behind the end of a file) is locked by a call that
 * fails with ENOMEM. */
static void lock_vma(struct marker *m, const Cr__Vma *vma)
{
	bool on_fault = vma->vma_flags & CR_VMA_LOCKONFAULT;
	struct cr_op *op = vec_sys(m->v, LABEL_LOCK, SYS_mlock2, (int64_t)vma->start,
				   (int64_t)(vma->end - vma->start), on_fault ? MLOCK_ONFAULT : 0);

	if (vma->kind != CR__VMA_KIND__ANON || !vma->prot || has_guards(m->t->mm, vma))
		op->expect = CR_EXPECT_ANY;
}

static void mark_all(struct marker *m, struct cr_err *err)
{
	for (size_t i = 0; i < m->t->mm->n_vmas; i++) {
		const Cr__Vma *vma = m->t->mm->vmas[i];
		int64_t start = (int64_t)vma->start, len = (int64_t)(vma->end - vma->start);

		if (is_kernels(vma))
			continue;
		for (size_t k = 0; k < sizeof(advices) / sizeof(advices[0]); k++)
			if (vma->vma_flags & advices[k].flag)
				vec_sys(m->v, LABEL_ADVISE, SYS_madvise, start, len,
					advices[k].advice);
		if (vma->vma_flags & CR_VMA_LOCKED)
			lock_vma(m, vma);
		if (vma->kind == CR__VMA_KIND__ANON && vma->name && vma->name[0])
			name_vma(m, vma, err);
	}
}

/* Guard pages without a mapping of their own (6.13). */
static void guard_all(struct marker *m)
{
	for (size_t i = 0; i < m->t->mm->n_guards; i++)
		vec_sys(m->v, LABEL_ADVISE, SYS_madvise, (int64_t)m->t->mm->guards[i]->address,
			(int64_t)(m->t->mm->guards[i]->pages * CR_PAGE), MADV_GUARD_INSTALL);
}

bool marks_can_seal(void)
{
	static int can = -1;

	if (can < 0)
		can = syscall(SYS_mseal, 0, 0, 0) == 0;
	return can;
}

void marks_seal(const struct task_image *t, struct vec *v)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if (vma->vma_flags & CR_VMA_SEALED && vma->kind != CR__VMA_KIND__VSYSCALL)
			vec_sys(v, LABEL_SEAL, SYS_mseal, (int64_t)vma->start,
				(int64_t)(vma->end - vma->start));
	}
}

void marks_build(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err)
{
	struct marker m = { .t = t, .v = v, .a = a };

	/* Guards cannot come into what is locked. */
	guard_all(&m);
	mark_all(&m, err);
}
