/* SPDX-License-Identifier: MIT */
/*
 * memfd: an object of the kernel's own tmpfs, or hugetlbfs.  One that is mapped somewhere is
 * a Shmem that cr-dump-mem has written; the others are carried like deleted
 * files.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "clean.h"
#include "fileref.h"
#include "ghosts.h"
#include "hugetlb.h"
#include "kinds.h"

/* The device number of that tmpfs; no path can have it. */
static dev_t own_tmpfs(void)
{
	static dev_t dev;
	cr_auto_fd int fd = -1;
	struct stat sb;

	if (!dev) {
		fd = memfd_create("", MFD_CLOEXEC);
		dev = fd >= 0 && fstat(fd, &sb) == 0 ? sb.st_dev : (dev_t)-1;
	}
	return dev;
}

static bool match(const struct file *f)
{
	return (file_target_is(f, "/memfd:") || file_target_is(f, "/dev/zero (deleted)") ||
		file_target_is(f, "/anon_hugepage (deleted)") || file_target_is(f, "/SYSV")) &&
	       (f->sb.st_dev == own_tmpfs() || cr_huge_own_shift(f->sb.st_dev));
}

/* One that can be read, also when ours is O_PATH. */
static int get_readable(const struct file *f, struct cr_err *err)
{
	cr_auto_fd int fd = file_get(f, err);
	char path[40];
	int readable;

	if (fd < 0 || !(f->flags & (O_PATH | O_WRONLY)))
		return cr_steal_fd(&fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readable = open(path, O_RDONLY | O_CLOEXEC);
	return readable < 0 ? cr_err_sys(err, "unable to open it again") : readable;
}

static int put_ghost(struct dump *d, struct file *f, Cr__Memfd *m, struct cr_err *err)
{
	cr_auto_fd int fd = get_readable(f, err);
	struct ghost_hint hint = { .memfd = true, .limit = UINT64_MAX };
	Cr__FileRef ref = CR__FILE_REF__INIT;
	int seals, ret;

	if (fd < 0)
		return -1;
	seals = fcntl(fd, F_GET_SEALS);
	/* Huge pages have their own file system, but no seals before 4.16. */
	if (seals < 0)
		return cr_err_sys(err, "F_GET_SEALS");
	hint.seals = (uint32_t)seals;
	ret = ghosts_ref(d, fd, f->target, &hint, &ref, err);
	if (ret == GHOST_REFUSED)
		return file_refuse(d, f, "memfd", err->msg, "use -D", err);
	if (ret < 0)
		return -1;
	m->ghost = ref.ghost;
	cr_fileref_release(&ref);
	return cr_stage_put(d->st, CR_KIND_MEMFD, m, err);
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Memfd m = CR__MEMFD__INIT;

	m.id = f->id;
	m.open_flags = f->flags;
	m.pos = f->pos;
	m.mode = f->sb.st_mode;
	m.shmem = (uint32_t)(uintptr_t)map_get(
		&d->shmems, dump_shmem_key(f->ino, cr_huge_own_shift(f->sb.st_dev)));
	if (m.shmem)
		return cr_stage_put(d->st, CR_KIND_MEMFD, &m, err);
	if (!file_target_is(f, "/memfd:"))
		return file_refuse(d, f, "shared memory", "no process has it mapped", "close it",
				   err);
	return put_ghost(d, f, &m, err);
}

const struct file_kind kind_memfd = {
	.name = "memfd",
	.match = match,
	.late = late,
};
