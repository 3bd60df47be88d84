/* SPDX-License-Identifier: MIT */
/* memfd: the object is a Shmem or a Ghost, made before; opened again here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file-kinds.h"
#include "hugetlb.h"
#include "memfd.h"
#include "restore.h"

#ifndef MFD_EXEC /* 6.3 */
#define MFD_NOEXEC_SEAL 0x0008u
#define MFD_EXEC 0x0010u
#endif
#ifndef F_SEAL_EXEC /* 6.3 */
#define F_SEAL_EXEC 0x0020
#endif

int memfd_make(const char *name, uint32_t mode, uint32_t seals, uint32_t huge_shift,
	       struct cr_err *err)
{
	bool never = !(mode & 0111) && seals & F_SEAL_EXEC;
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	if (huge_shift)
		flags |= MFD_HUGETLB | (unsigned int)cr_huge_flag(huge_shift);
	fd = memfd_create(name, flags | (never ? MFD_NOEXEC_SEAL : MFD_EXEC));

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	if (fd < 0)
		return cr_err_sys(err, "memfd_create of %s%s", name,
				  errno == EACCES ? " (vm.memfd_noexec is 2)" : "");
	return fd;
}

static const struct object_fd *object_of(struct restore *r, const Cr__Memfd *m)
{
	return m->shmem ? object_find(r->shmems, r->n_shmems, m->shmem) :
			  object_find(r->ghosts, r->n_ghosts, m->ghost);
}

static bool listed(const struct restore *r, enum cr_kind kind, uint32_t id)
{
	const struct msg_list *l = &r->img.kinds[kind];

	for (unsigned int i = 0; i < l->count; i++) {
		uint32_t its = kind == CR_KIND_SHMEM ? ((const Cr__Shmem *)l->items[i])->id :
						       ((const Cr__Ghost *)l->items[i])->id;

		if (its == id)
			return true;
	}
	return false;
}

static int memfd_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Memfd *m = msg;

	if (m->shmem ? !listed(r, CR_KIND_SHMEM, m->shmem) : !listed(r, CR_KIND_GHOST, m->ghost))
		return cr_err_set(err, CR_BAD_INPUT, "memfd %u: its object is missing", m->id);
	return 0;
}

static int memfd_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Memfd *m = msg;
	const struct object_fd *o = object_of(r, m);
	char path[40];
	int fd;

	if (!o)
		return cr_err_set(err, CR_BAD_INPUT, "memfd %u: no such object", m->id);
	/* A Shmem's writable descriptor is the second one. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->shmem ? o->fd[1] : o->fd[0]);
	fd = open(path, (int)(m->open_flags & ~O_ASYNC) | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "memfd %u: unable to open it again", m->id);
	if (m->pos && lseek(fd, (off_t)m->pos, SEEK_SET) < 0) {
		cr_err_sys(err, "memfd %u: lseek", m->id);
		close(fd);
		return -1;
	}
	return fd;
}

const struct file_ops memfd_ops = {
	.kind = CR_KIND_MEMFD,
	.check = memfd_check,
	.open = memfd_open,
};
