/* SPDX-License-Identifier: MIT */
#include "sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "hugetlb.h"
#include "keys.h"
#include "pagemap.h"
#include "vma.h"

#define NEXT_ID "/proc/sys/kernel/shm_next_id"
#define TASK_END 0x7ffffffff000ull

static int *made;
static size_t n_made;

const Cr__Shmem *sysv_of(const struct restore *r, const Cr__Vma *vma)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_SHMEM];

	for (unsigned int i = 0; vma->shmem && i < l->count; i++) {
		const Cr__Shmem *s = l->items[i];

		if (s->id == vma->shmem)
			return s->sysv ? s : NULL;
	}
	return NULL;
}

static key_t key_of(const Cr__Shmem *s)
{
	return s->removed ? IPC_PRIVATE : (key_t)s->key;
}

int sysv_check(struct restore *r, const Cr__Shmem *s, struct cr_err *err)
{
	char object[48];
	struct shmid_ds ds;
	int other;

	(void)err;
	snprintf(object, sizeof(object), "System V segment %u", s->shmid);
	if (shmctl((int)s->shmid, IPC_STAT, &ds) == 0) {
		if (s->removed || (uint32_t)ds.shm_perm.__key != s->key || ds.shm_segsz != s->size)
			refuse(r, 0, object, "another one has its id");
		else if (ds.shm_nattch)
			refuse(r, 0, object, "somebody has attached it");
		return 0;
	}
	if (access(NEXT_ID, W_OK) < 0)
		refuse(r, 0, object, "this kernel makes none of a given id (%s)", NEXT_ID);
	other = key_of(s) == IPC_PRIVATE ? -1 : shmget(key_of(s), 0, 0);
	if (other >= 0)
		refuse(r, 0, object, "segment %d has its key %#x", other, s->key);
	return 0;
}

static int ask_for(uint32_t id, struct cr_err *err)
{
	cr_auto_fd int fd = open(NEXT_ID, O_WRONLY | O_CLOEXEC);
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", id);

	if (fd < 0 || write(fd, text, (size_t)n) != n)
		return cr_err_sys(err, "unable to write %s", NEXT_ID);
	return 0;
}

static int create(const Cr__Shmem *s, struct cr_err *err)
{
	int huge = s->huge_shift ? SHM_HUGETLB | cr_huge_flag(s->huge_shift) : 0;
	int id, *grown = realloc(made, (n_made + 1) * sizeof(*grown));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	made = grown;
	if (ask_for(s->shmid, err) < 0)
		return -1;
	id = shmget(key_of(s), s->size, IPC_CREAT | IPC_EXCL | (int)(s->mode & 0777) | huge);
	if (id < 0)
		return cr_err_sys(err, "shmget of segment %u", s->shmid);
	made[n_made++] = id;
	if ((uint32_t)id != s->shmid)
		return cr_err_set(err, CR_SYSTEM, "System V segment %u: its id is taken", s->shmid);
	return 0;
}

static int set_owner(const Cr__Shmem *s, struct cr_err *err)
{
	struct shmid_ds ds;

	if (shmctl((int)s->shmid, IPC_STAT, &ds) < 0)
		return cr_err_sys(err, "shmctl");
	ds.shm_perm.uid = s->uid;
	ds.shm_perm.gid = s->gid;
	ds.shm_perm.mode = (unsigned short)(s->mode & 0777);
	return shmctl((int)s->shmid, IPC_SET, &ds) < 0 ? cr_err_sys(err, "shmctl") : 0;
}

/* The pages that are there stay, those that are not are not made. */
static int empty_huge(const Cr__Shmem *s, int fd, uint8_t *p, struct cr_err *err)
{
	const uint64_t page = 1ull << s->huge_shift, size = cr_huge_round(s->size, s->huge_shift);
	uint64_t at = 0;
	bool failed;

	if (cr_huge_shift(fd) != s->huge_shift)
		return cr_err_set(err, CR_REFUSED,
				  "System V segment %u: another one, with pages of another size, "
				  "has its id",
				  s->shmid);
	for (; cr_huge_next_data(fd, s->huge_shift, at, size, &at, &failed); at += page)
		memset(p + at, 0, page);
	return failed ? cr_err_sys(err, "unable to read segment %u", s->shmid) : 0;
}

/* The file behind it; it is empty then, as a new one is. */
static int open_memory(const Cr__Shmem *s, struct cr_err *err)
{
	size_t size = cr_huge_round(s->size, s->huge_shift);
	char path[96];
	void *p = shmat((int)s->shmid, NULL, 0);
	int fd;

	if (p == (void *)-1)
		return cr_err_sys(err, "shmat of segment %u", s->shmid);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + size);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		cr_err_sys(err, "unable to open %s", path);
	else if (!s->huge_shift)
		memset(p, 0, s->size);
	else if (empty_huge(s, fd, p, err) < 0) {
		close(fd);
		fd = -1;
	}
	shmdt(p);
	return fd;
}

int sysv_make(const Cr__Shmem *s, struct cr_err *err)
{
	struct shmid_ds ds;

	if (shmctl((int)s->shmid, IPC_STAT, &ds) < 0 && create(s, err) < 0)
		return -1;
	return set_owner(s, err) < 0 ? -1 : open_memory(s, err);
}

/* Room for all of a segment that neither the task nor the agent uses; 0: none. */
static uint64_t find_gap(const struct task_image *t, const struct agent_place *p, uint64_t size,
			 uint32_t shift)
{
	uint64_t at = cr_huge_round(CR_PAGE * 16, shift);

	for (size_t i = 0; i <= t->mm->n_vmas; i++) {
		const Cr__Vma *vma = i < t->mm->n_vmas ? t->mm->vmas[i] : NULL;
		uint64_t end = vma && vma->start < TASK_END ? vma->start : TASK_END;

		if (p->start >= at && p->start < end) {
			if (p->start - at >= size)
				return at;
			at = cr_huge_round(p->end, shift);
		}
		if (end > at && end - at >= size)
			return at;
		if (vma && vma->end > at)
			at = cr_huge_round(vma->end, shift);
	}
	return 0;
}

static bool is_same_attachment(const Cr__Vma *a, const Cr__Vma *b)
{
	return a->shmem == b->shmem && a->start - a->pgoff == b->start - b->pgoff;
}

/* How much of the address space all of it takes; mremap(2) may have extended it. */
static uint64_t extent_of(const struct task_image *t, const Cr__Vma *vma, uint64_t size)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *other = t->mm->vmas[i];
		uint64_t end = other->pgoff + (other->end - other->start);

		if (is_same_attachment(other, vma) && end > size)
			size = end;
	}
	return size;
}

static bool is_first_part(const struct task_image *t, const Cr__Vma *vma)
{
	for (size_t i = 0; t->mm->vmas[i] != vma; i++)
		if (is_same_attachment(t->mm->vmas[i], vma))
			return false;
	return true;
}

/* From the whole at @at each part goes to its place. */
static void move_parts(const struct task_image *t, struct vec *v, const Cr__Vma *first, uint64_t at,
		       uint64_t size)
{
	uint64_t done = at;

	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];
		int64_t len = (int64_t)(vma->end - vma->start);

		if (!is_same_attachment(vma, first))
			continue;
		vec_unmap(v, done, at + vma->pgoff);
		vec_want(vec_sys(v, LABEL_MAP, SYS_mremap, (int64_t)(at + vma->pgoff), len, len,
				 MREMAP_MAYMOVE | MREMAP_FIXED, (int64_t)vma->start),
			 (int64_t)vma->start);
		done = at + vma->pgoff + (uint64_t)len;
	}
	vec_unmap(v, done, at + size);
}

/*
 * Only shmat(2) maps a segment, and only as a whole: one of which parts were left,
 * or have other protections, is attached elsewhere first.  All parts come from one
 * call: shmdt(2) takes them together.
 */
int sysv_map(const struct restore *r, const struct task_image *t, const struct agent_place *p,
	     struct vec *v, const Cr__Vma *vma, struct cr_err *err)
{
	const Cr__Shmem *s = sysv_of(r, vma);
	uint64_t size = cr_huge_round(s->size, s->huge_shift), len = vma->end - vma->start;
	bool whole = len == size && !vma->pgoff;
	uint64_t extent = whole ? size : extent_of(t, vma, size);
	uint64_t at = whole ? vma->start : find_gap(t, p, extent, s->huge_shift);
	int flags = vma->vma_flags & CR_VMA_MAYWRITE || vma->prot & PROT_WRITE ? 0 : SHM_RDONLY;
	uint32_t prot = PROT_READ | (flags ? 0 : PROT_WRITE);

	if (!at)
		return cr_err_set(err, CR_REFUSED, "no room to attach all of a System V segment");
	if (whole || is_first_part(t, vma)) {
		vec_want(vec_sys(v, LABEL_MAP, SYS_shmat, s->shmid, (int64_t)at, flags),
			 (int64_t)at);
		if (extent > size)
			vec_want(vec_sys(v, LABEL_MAP, SYS_mremap, (int64_t)at, (int64_t)size,
					 (int64_t)extent, 0),
				 (int64_t)at);
		if (!whole)
			move_parts(t, v, vma, at, extent);
	}
	if (vma->prot != prot)
		vec_sys(v, LABEL_PROTECT, SYS_mprotect, (int64_t)vma->start, (int64_t)len,
			keys_first_prot(vma->prot));
	return 0;
}

int sysv_finish(const Cr__Shmem *s, struct cr_err *err)
{
	if (s->removed && shmctl((int)s->shmid, IPC_RMID, NULL) < 0)
		return cr_err_sys(err, "shmctl");
	return 0;
}

void sysv_undo(void)
{
	for (size_t i = 0; i < n_made; i++)
		shmctl(made[i], IPC_RMID, NULL);
}
