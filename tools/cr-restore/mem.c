/* SPDX-License-Identifier: MIT */
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "fill.h"
#include "filters.h"
#include "huge.h"
#include "hugetlb.h"
#include "io_uring.h"
#include "keys.h"
#include "marks.h"
#include "mem-ring.h"
#include "numbers.h"
#include "pagemap.h"
#include "proc.h"
#include "ref.h"
#include "share.h"
#include "sysv.h"
#include "vma.h"

#define TASK_END MEM_TASK_END
#define MARGIN (1ull << 30) /* kept free below the target's mappings: stacks grow */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08	/* 6.11 */
#endif

int mem_own_maps(struct restore *r, struct cr_err *err)
{
	cr_auto_free char *maps = NULL;
	char *line, *save = NULL;

	if (cr_proc_read(getpid(), "maps", &maps, NULL, err) < 0)
		return -1;
	for (line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct own_map *m = &r->maps[r->n_maps];
		const char *name = strchr(line, '[');

		if (!name || (strncmp(name, "[vvar", 5) && strcmp(name, "[vdso]")))
			continue;
		if (r->n_maps == OWN_MAPS ||
		    sscanf(line, "%" SCNx64 "-%" SCNx64, &m->start, &m->end) != 2)
			return cr_err_set(err, CR_SYSTEM, "/proc/self/maps: not understood");
		snprintf(m->name, sizeof(m->name), "%s", name);
		r->n_maps++;
	}
	return 0;
}

static const struct own_map *own_map(const struct restore *r, const char *name)
{
	for (unsigned int i = 0; i < r->n_maps; i++)
		if (strcmp(r->maps[i].name, name) == 0)
			return &r->maps[i];
	return NULL;
}

static bool is_kernel_code(const Cr__Vma *vma)
{
	return vma->kind == CR__VMA_KIND__VDSO || vma->kind == CR__VMA_KIND__VVAR;
}

/* Beside its own: the agent's memory, and a mapping that is cut before its
 * halves join their neighbours. */
#define EXTRA_MAPPINGS 2

static void check_count(struct restore *r, const struct task_image *t)
{
	size_t n = t->mm->n_vmas;

	/* The kernel does not count that one. */
	if (n && t->mm->vmas[n - 1]->kind == CR__VMA_KIND__VSYSCALL)
		n--;
	if (n + EXTRA_MAPPINGS > cr_proc_max_mappings())
		refuse(r, t->task->pid, "",
		       "its %zu mappings are too many here; raise vm.max_map_count to %zu", n,
		       n + EXTRA_MAPPINGS);
}

static bool is_shmem(const struct restore *r, uint32_t id)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_SHMEM];

	for (unsigned int i = 0; id && i < l->count; i++)
		if (((const Cr__Shmem *)l->items[i])->id == id)
			return true;
	return false;
}

/* The files of the address space, and the kernel's own mappings in it. */
int mem_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	char object[40];

	check_count(r, t);
	if (!t->mm->exe && !is_shmem(r, t->mm->exe_shmem))
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: no executable", t->task->pid);
	if (t->mm->exe && ref_check(r, t->task->pid, t->mm->exe, CR_FILEREF_EXACT, err) < 0)
		return -1;
	for (size_t i = 0; i < t->mm->n_files; i++)
		if (ref_check(r, t->task->pid, t->mm->files[i], CR_FILEREF_EXACT, err) < 0)
			return -1;
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];
		const struct own_map *own = own_map(r, vma->name);

		if (vma->kind != CR__VMA_KIND__VSYSCALL &&
		    (vma->start >= vma->end || vma->end > TASK_END ||
		     (vma->start | vma->end) % CR_PAGE ||
		     (i && vma->start < t->mm->vmas[i - 1]->end)))
			return cr_err_set(err, CR_BAD_INPUT, "pid %u: vma %" PRIx64 ": malformed",
					  t->task->pid, vma->start);
		if (vma->file > t->mm->n_files)
			return cr_err_set(err, CR_BAD_INPUT,
					  "pid %u: vma %" PRIx64 ": no such file", t->task->pid,
					  vma->start);
		if (huge_check_vma(r, t, vma, err) < 0)
			return -1;
		snprintf(object, sizeof(object), "vma %" PRIx64, vma->start);
		if (vma->vma_flags & CR_VMA_SEALED && !marks_can_seal())
			refuse(r, t->task->pid, object, "this kernel has no mseal(2)");
		if (!is_kernel_code(vma))
			continue;
		if (!own || own->end - own->start != vma->end - vma->start)
			refuse(r, t->task->pid, object, "this kernel has no %s of that size",
			       vma->name);
	}
	return 0;
}

/* How much memory the vectors of a task can take, generously. */
static size_t arena_size(const struct task_image *t, const struct reuse *reuse)
{
	size_t n = 1 << 20;

	n += (t->mm->n_vmas * 10 + t->mm->n_guards) * sizeof(struct cr_op);
	n += fill_size(t->mm->n_vmas, &reuse->rest);
	n += reuse_ops(reuse) * sizeof(struct cr_op);
	n += (size_t)t->n_threads * 16384;
	for (unsigned int i = 0; i < t->n_threads; i++)
		n += protobuf_c_message_get_packed_size(&t->threads[i].thread->base) * 4;
	n += protobuf_c_message_get_packed_size(&t->task->base) * 4;
	n += t->inside->n_timers * 1024 + filters_size(t);
	/* Kernels that cannot give a timer an id by wish count up to it. */
	if (t->inside->n_timers)
		n += 8192 * sizeof(struct cr_op);
	return (n + CR_PAGE - 1) & ~(CR_PAGE - 1);
}

uint64_t mem_conflict(const struct task_image *t, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];
		uint64_t lo = vma->start > MARGIN ? vma->start - MARGIN : 0;

		if (start < vma->end + CR_PAGE && end > lo)
			return vma->end + CR_PAGE;
	}
	return 0;
}

int mem_place_agent(struct restore *r, const struct task_image *t, struct agent_place *p,
		    struct cr_err *err)
{
	static const struct reuse nothing;
	uint64_t at = MARGIN, kernel = 0, size, ctls;
	void *got;

	if (cow_settle(r, t, &p->reuse, err) < 0)
		return -1;
	for (unsigned int i = 0; i < r->n_maps; i++)
		kernel += r->maps[i].end - r->maps[i].start;
	kernel = (kernel + CR_PAGE - 1) & ~(CR_PAGE - 1);
	p->arena.size = arena_size(t, &p->reuse);
	for (unsigned int i = t->index + 1; t->n_vm_users && i < r->img.n_tasks; i++)
		if (r->img.tasks[i].share_vm == t)
			p->arena.size += arena_size(&r->img.tasks[i], &nothing);
	ctls = (1 + t->n_vm_users) * SHARED_PAGE;
	size = kernel + ctls + p->arena.size;
	while (at + size < TASK_END) {
		uint64_t next = mem_conflict(t, at, at + size);

		if (next) {
			at = next;
			continue;
		}
		got = mmap((void *)at, size, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			   0);
		if (got == (void *)at) {
			p->start = p->vdso = at;
			p->end = at + size;
			p->ctls = (uint8_t *)at + kernel;
			p->arena.base = p->ctls + ctls;
			p->arena.used = 0;
			return 0;
		}
		if (errno != EEXIST)
			return cr_err_sys(err, "pid %u: unable to map the agent's memory",
					  t->task->pid);
		at += 64 * MARGIN / 1024;
	}
	return cr_err_set(err, CR_REFUSED, "pid %u: its address space has no room for the agent",
			  t->task->pid);
}

/* Our own [vvar] and [vdso] into the agent's place, all else away. */
static int clear_space(const struct restore *r, const struct agent_place *p, struct vec *v,
		       struct cr_err *err)
{
	uint64_t to = p->vdso;

	for (unsigned int i = 0; i < r->n_maps; i++) {
		uint64_t len = r->maps[i].end - r->maps[i].start;

		vec_sys(v, LABEL_VDSO, SYS_mremap, (int64_t)r->maps[i].start, (int64_t)len,
			(int64_t)len, MREMAP_MAYMOVE | MREMAP_FIXED, (int64_t)to);
		to += len;
	}
	return reuse_clear(&p->reuse, p->start, p->end, v, err);
}

/* As the kernel maps it. */
static uint32_t first_prot(const Cr__Vma *vma)
{
	return vma->kind == CR__VMA_KIND__VDSO ? PROT_READ | PROT_EXEC : PROT_READ;
}

/* What a task has unmapped stays with the agent, and goes with it. */
static void place_vdso(const struct restore *r, const struct task_image *t,
		       const struct agent_place *p, struct vec *v)
{
	uint64_t from = p->vdso;

	for (unsigned int i = 0; i < r->n_maps; i++) {
		uint64_t len = r->maps[i].end - r->maps[i].start;

		for (size_t k = 0; k < t->mm->n_vmas; k++) {
			const Cr__Vma *vma = t->mm->vmas[k];

			if (!is_kernel_code(vma) || strcmp(vma->name, r->maps[i].name) != 0)
				continue;
			vec_sys(v, LABEL_VDSO, SYS_mremap, (int64_t)from, (int64_t)len,
				(int64_t)len, MREMAP_MAYMOVE | MREMAP_FIXED, (int64_t)vma->start);
			if (vma->prot != first_prot(vma))
				vec_sys(v, LABEL_PROTECT, SYS_mprotect, (int64_t)vma->start,
					(int64_t)len, keys_first_prot(vma->prot));
		}
		from += len;
	}
}

struct mapper {
	struct restore *r;
	const struct task_image *t;
	const struct agent_place *place;
	struct vec *v;
	struct arena *a;
	struct extent_list x;
	int *fds; /* of mm->files: [2 * i] to read, [2 * i + 1] to write */
};

static int mapped_file(struct mapper *m, const Cr__Vma *vma, struct cr_err *err)
{
	bool write = vma->kind == CR__VMA_KIND__FILE_SHARED &&
		     (vma->prot & PROT_WRITE || vma->vma_flags & CR_VMA_MAYWRITE);
	int *fd = &m->fds[2 * (vma->file - 1) + write];

	if (*fd < 0)
		*fd = ref_open(m->r, m->t->mm->files[vma->file - 1], write ? O_RDWR : O_RDONLY,
			       err);
	return *fd;
}

static int shared_object(struct mapper *m, const Cr__Vma *vma, int *fd, int *flags,
			 struct cr_err *err)
{
	const struct object_fd *o = object_find(m->r->shmems, m->r->n_shmems, vma->shmem);
	bool private = vma->kind == CR__VMA_KIND__FILE_PRIVATE;

	if (!o)
		return cr_err_set(err, CR_BAD_INPUT, "no such shared object");
	*flags |= private ? MAP_PRIVATE : MAP_SHARED;
	*fd = o->fd[!private && (vma->vma_flags & CR_VMA_MAYWRITE || vma->prot & PROT_WRITE)];
	return 0;
}

/* Descriptor and mmap flags of a mapping; *flags 0: nothing to map. */
static int source(struct mapper *m, const Cr__Vma *vma, int *fd, int *flags, struct cr_err *err)
{
	*fd = -1;
	*flags = MAP_FIXED_NOREPLACE | (vma->vma_flags & CR_VMA_NORESERVE ? MAP_NORESERVE : 0);
	switch (vma->kind) {
	case CR__VMA_KIND__ANON:
		*flags |= vma->vma_flags & CR_VMA_DROPPABLE ? MAP_DROPPABLE : MAP_PRIVATE;
		*flags |= MAP_ANONYMOUS;
		if (vma->huge_shift)
			*flags |= MAP_HUGETLB | cr_huge_flag(vma->huge_shift);
		if (vma->vma_flags & CR_VMA_GROWSDOWN)
			*flags |= MAP_GROWSDOWN;
		break;
	case CR__VMA_KIND__FILE_PRIVATE:
	case CR__VMA_KIND__FILE_SHARED:
		if (!vma->file)
			return shared_object(m, vma, fd, flags, err);
		*flags |= vma->kind == CR__VMA_KIND__FILE_SHARED ? MAP_SHARED : MAP_PRIVATE;
		*fd = mapped_file(m, vma, err);
		if (*fd < 0)
			return -1;
		break;
	case CR__VMA_KIND__SHMEM:
		return shared_object(m, vma, fd, flags, err);
	default:
		*flags = 0;
	}
	return 0;
}

static bool has_pages(const struct extent_list *x, size_t *at, const Cr__Vma *vma)
{
	while (*at < x->count && x->list[*at].address + x->list[*at].pages * CR_PAGE <= vma->start)
		++*at;
	return *at < x->count && x->list[*at].address < vma->end;
}

/* Before it is filled. */
static void advise_size(struct vec *v, const Cr__Vma *vma)
{
	int64_t len = (int64_t)(vma->end - vma->start);

	if (vma->vma_flags & CR_VMA_HUGEPAGE)
		vec_sys(v, LABEL_ADVISE, SYS_madvise, (int64_t)vma->start, len, MADV_HUGEPAGE);
	if (vma->vma_flags & CR_VMA_NOHUGEPAGE)
		vec_sys(v, LABEL_ADVISE, SYS_madvise, (int64_t)vma->start, len, MADV_NOHUGEPAGE);
}

static int map_all(struct mapper *m, struct cr_err *err)
{
	size_t at = 0;

	for (size_t i = 0; i < m->t->mm->n_vmas; i++) {
		const Cr__Vma *vma = m->t->mm->vmas[i];
		int64_t len = (int64_t)(vma->end - vma->start);
		uint32_t prot = keys_first_prot(vma->prot);
		struct cr_op *op;
		int fd, flags;

		if (reuse_keeps(&m->place->reuse, vma))
			continue;
		if (sysv_of(m->r, vma)) {
			if (sysv_map(m->r, m->t, m->place, m->v, vma, err) < 0)
				return cr_err_wrap(err, "vma %" PRIx64, vma->start);
			advise_size(m->v, vma);
			continue;
		}
		if (source(m, vma, &fd, &flags, err) < 0)
			return cr_err_wrap(err, "vma %" PRIx64, vma->start);
		if (!flags)
			continue;
		if (has_pages(&m->x, &at, vma))
			prot |= PROT_WRITE;
		op = vec_sys(m->v, LABEL_MAP, SYS_mmap, (int64_t)vma->start, len, prot, flags, fd,
			     (int64_t)vma->pgoff);
		vec_want(op, (int64_t)vma->start);
		advise_size(m->v, vma);
	}
	return 0;
}

static void protect_all(struct mapper *m)
{
	size_t at = 0;

	for (size_t i = 0; i < m->t->mm->n_vmas; i++) {
		const Cr__Vma *vma = m->t->mm->vmas[i];

		if (is_kernel_code(vma) || vma->kind == CR__VMA_KIND__VSYSCALL)
			continue;
		if (reuse_keeps(&m->place->reuse, vma) ?
			    vma->prot != (PROT_READ | PROT_WRITE) :
			    has_pages(&m->x, &at, vma) && !(vma->prot & PROT_WRITE))
			vec_sys(m->v, LABEL_PROTECT, SYS_mprotect, (int64_t)vma->start,
				(int64_t)(vma->end - vma->start), keys_first_prot(vma->prot));
	}
}

static int open_exe(const struct mapper *m, struct cr_err *err)
{
	const Cr__Mm *mm = m->t->mm;
	const struct object_fd *o;

	if (mm->exe)
		return ref_open(m->r, mm->exe, O_RDONLY, err);
	o = object_find(m->r->shmems, m->r->n_shmems, mm->exe_shmem);
	return o ? o->fd[0] : cr_err_set(err, CR_BAD_INPUT, "its program is missing");
}

static int set_layout(struct mapper *m, struct cr_err *err)
{
	const Cr__Mm *mm = m->t->mm;
	struct prctl_mm_map *map = arena_alloc(m->a, sizeof(*map), err);
	uint8_t *auxv = arena_alloc(m->a, mm->auxv.len, err);
	int exe = open_exe(m, err);

	if (!map || !auxv || exe < 0)
		return -1;
	if (mm->auxv.len)
		memcpy(auxv, mm->auxv.data, mm->auxv.len);
	*map = (struct prctl_mm_map){
		.start_code = mm->start_code,
		.end_code = mm->end_code,
		.start_data = mm->start_data,
		.end_data = mm->end_data,
		.start_brk = mm->start_brk,
		.brk = m->t->inside->brk,
		.start_stack = mm->start_stack,
		.arg_start = mm->arg_start,
		.arg_end = mm->arg_end,
		.env_start = mm->env_start,
		.env_end = mm->env_end,
		.auxv = (void *)auxv,
		.auxv_size = (uint32_t)mm->auxv.len,
		.exe_fd = (uint32_t)exe,
	};
	vec_sys(m->v, LABEL_MM, SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, P(map), sizeof(*map), 0);
	if (!number_is_own(m->r, exe))
		vec_sys(m->v, LABEL_CLOSE, SYS_close, exe);
	return 0;
}

void mem_close_own(const struct restore *r, struct vec *v)
{
	vec_sys(v, LABEL_CLOSE, SYS_close_range, r->fd_base, r->fd_end - 1);
}

int mem_build(struct restore *r, const struct task_image *t, const struct agent_place *p,
	      struct vec *v, struct arena *a, struct cr_err *err)
{
	struct mapper m = { .r = r, .t = t, .place = p, .v = v, .a = a, .x = t->extents };
	const struct fill_vmas in = { t->mm->vmas, t->mm->n_vmas,
				      r->huge_pages && !t->inside->thp_disable };
	size_t n = t->mm->n_files * 2;
	int ret = -1;

	m.fds = malloc((n + 1) * sizeof(int));
	if (!m.fds)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < n; i++)
		m.fds[i] = -1;
	if (clear_space(r, p, v, err) < 0 || mem_map_rings(r, t, p, v, a, err) < 0)
		goto out;
	place_vdso(r, t, p, v);
	if (map_all(&m, err) < 0 || fill_pages(r, &in, &p->reuse.rest, v, a, err) < 0 ||
	    uring_register_buffers(r, t, v, a, err) < 0)
		goto out;
	protect_all(&m);
	marks_build(t, v, a, err);
	keys_build(t, v);
	if (set_layout(&m, err) < 0)
		goto out;
	marks_seal(t, v);
	for (size_t i = 0; i < n; i++)
		if (m.fds[i] >= 0 && !number_is_own(r, m.fds[i]))
			vec_sys(v, LABEL_CLOSE, SYS_close, m.fds[i]);
	if (!share_has_table(t))
		mem_close_own(r, v);
	ret = 0;
out:
	free(m.fds);
	return ret;
}
