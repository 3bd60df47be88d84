/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include "clean.h"
#include "pagemap.h"
#include "ref.h"

static const Cr__Vma *vma_at(const Cr__Mm *mm, uint64_t address)
{
	for (size_t i = 0; i < mm->n_vmas; i++)
		if (address >= mm->vmas[i]->start && address < mm->vmas[i]->end)
			return mm->vmas[i];
	return NULL;
}

/* The holder that it has now: 0 when it was nobody's and is ours again. */
static uint32_t take(uint32_t *word, uint32_t held)
{
	uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	do {
		if (seen & FUTEX_TID_MASK)
			return seen & FUTEX_TID_MASK;
	} while (!__atomic_compare_exchange_n(word, &seen, held | (seen & FUTEX_WAITERS), false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	return 0;
}

static int take_one(struct restore *r, const struct task_image *t, uint32_t tid,
		    const Cr__HeldFutex *held, struct cr_err *err)
{
	const Cr__Mm *mm = (t->share_vm ? t->share_vm : t)->mm;
	const Cr__Vma *vma = vma_at(mm, held->address);
	uint64_t at, page;
	cr_auto_fd int fd = -1;
	uint32_t holder;
	uint8_t *p;

	if (!vma || vma->kind != CR__VMA_KIND__FILE_SHARED || !vma->file || held->address % 4)
		return 0;
	fd = ref_open(r, mm->files[vma->file - 1], O_RDWR, err);
	if (fd < 0)
		return -1;
	at = held->address - vma->start + vma->pgoff;
	page = at & ~(CR_PAGE - 1);
	p = mmap(NULL, CR_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page);
	if (p == MAP_FAILED)
		return cr_err_sys(err, "unable to map %s", mm->files[vma->file - 1]->path);
	holder = take((uint32_t *)(void *)(p + (at - page)), held->word);
	munmap(p, CR_PAGE);
	if (!holder || holder == tid)
		return 0;
	return cr_err_set(err, CR_REFUSED,
			  "pid %u: thread %u: the futex at %" PRIx64 ", in %s, which it held, has "
			  "been taken by thread %u",
			  t->task->pid, tid, held->address, mm->files[vma->file - 1]->path, holder);
}

int held_take(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		for (unsigned int n = 0; n < t->n_threads; n++) {
			const Cr__Thread *th = t->threads[n].thread;

			for (size_t k = 0; k < th->n_held_futexes; k++)
				if (take_one(r, t, th->tid, th->held_futexes[k], err) < 0)
					return -1;
		}
	}
	return 0;
}
