/* SPDX-License-Identifier: MIT */
#include "shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "file.h"
#include "hugetlb.h"
#include "memfd.h"
#include "ns.h"
#include "pagemap.h"
#include "sysv.h"

int shmems_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_SHMEM];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Shmem *s = l->items[i];

		if (s->size > INT64_MAX || (!s->memfd && s->size == 0))
			return cr_err_set(err, CR_BAD_INPUT, "shared object %u: malformed size",
					  s->id);
		if (s->huge_shift &&
		    (!cr_huge_is_shift(s->huge_shift) ||
		     (!s->sysv && s->size != cr_huge_round(s->size, s->huge_shift))))
			return cr_err_set(err, CR_BAD_INPUT,
					  "shared object %u: malformed size of pages", s->id);
		if (s->sysv && sysv_check(r, s, err) < 0)
			return -1;
	}
	return 0;
}

/* MAP_SHARED|MAP_ANONYMOUS has no descriptor; /proc/self/map_files gives one,
 * so that every mapping of it bears the kernel's own name for such memory. */
static int make_anonymous(const Cr__Shmem *s, struct cr_err *err)
{
	char path[96];
	size_t size = cr_huge_round(s->size, s->huge_shift);
	int huge = s->huge_shift ? MAP_HUGETLB | cr_huge_flag(s->huge_shift) : 0;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | huge, -1, 0);
	int fd;

	if (p == MAP_FAILED)
		return cr_err_sys(err, "shared object %u: unable to map %zu bytes", s->id, size);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + size);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		cr_err_sys(err, "unable to open %s", path);
	munmap(p, size);
	return fd;
}

/* Some task's program: what is open for writing is not executed. */
static bool is_program(const struct restore *r, const Cr__Shmem *s)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_MM];

	for (unsigned int i = 0; i < l->count; i++)
		if (((const Cr__Mm *)l->items[i])->exe_shmem == s->id)
			return true;
	return false;
}

static int make_memfd(const Cr__Shmem *s, struct cr_err *err)
{
	int fd = memfd_make(s->name, s->mode, s->seals, s->huge_shift, err);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)s->size) < 0) {
		cr_err_sys(err, "shared object %u: unable to give it %llu bytes", s->id,
			   (unsigned long long)s->size);
		close(fd);
		return -1;
	}
	return fd;
}

static int copy_run(int to, int from, const struct extent *x, uint64_t size, struct cr_err *err)
{
	off_t in = (off_t)x->offset;
	uint64_t left = x->pages * CR_PAGE;
	cr_auto_free char *buf = malloc(1 << 20);
	off_t out = (off_t)x->address;
	uint32_t crc = 0;

	if (!buf)
		return cr_err_sys(err, "out of memory");
	/* The last page may reach beyond the end of the object. */
	if (x->address >= size)
		return cr_err_set(err, CR_BAD_INPUT, "a page beyond the end of a shared object");
	while (left) {
		ssize_t n = pread(from, buf, left < 1 << 20 ? left : 1 << 20, in);

		size_t wanted = n > 0 ? (size_t)n : 0;

		if (n <= 0)
			return cr_err_sys(err, "unable to read the pages of a shared object");
		crc = cr_crc32c(crc, buf, (size_t)n);
		if ((uint64_t)out + wanted > size)
			wanted = (uint64_t)out < size ? size - (uint64_t)out : 0;
		if (pwrite(to, buf, wanted, out) != (ssize_t)wanted)
			return cr_err_sys(err, "unable to fill a shared object");
		in += n;
		out += n;
		left -= (uint64_t)n;
	}
	if (crc != x->crc)
		return cr_err_set(err, CR_BAD_INPUT,
				  "the pages of a shared object have a wrong checksum");
	return 0;
}

static int copy_huge(int to, const Cr__Shmem *s, int from, const struct extent *x,
		     struct cr_err *err)
{
	uint64_t size = cr_huge_round(s->size, s->huge_shift);
	uint32_t crc = 0;

	if (x->pages > size / CR_PAGE || x->address > size - x->pages * CR_PAGE)
		return cr_err_set(err, CR_BAD_INPUT, "a page beyond the end of a shared object");
	if (cr_huge_copy(to, s->huge_shift, x->address, from, x->offset, x->pages * CR_PAGE, &crc,
			 err) < 0)
		return cr_err_wrap(err, "shared object %u", s->id);
	if (crc != x->crc)
		return cr_err_set(err, CR_BAD_INPUT,
				  "the pages of a shared object have a wrong checksum");
	return 0;
}

static int fill(const struct restore *r, const Cr__Shmem *s, int fd, struct cr_err *err)
{
	struct extent_list x;
	int ret = image_extents(&r->img, 0, s->id, &x, err);

	for (size_t i = 0; ret == 0 && i < x.count; i++) {
		int from = r->bulk[x.list[i].bulk].fd[0];

		ret = s->huge_shift ? copy_huge(fd, s, from, &x.list[i], err) :
				      copy_run(fd, from, &x.list[i], s->size, err);
	}
	free(x.list);
	return ret;
}

/*
 * This seal leaves the mappings writable that were made before it, so it is put
 * on when the tasks have theirs; and with it the one that forbids further seals.
 */
static uint32_t late_seals(const struct restore *r, const Cr__Shmem *s)
{
	if (is_program(r, s))
		return 0;
	return s->seals & F_SEAL_FUTURE_WRITE ? s->seals & (F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) : 0;
}

/* A label of a security module is what the module of this machine makes it. */
static int set_xattrs(const Cr__Shmem *s, int fd, struct cr_err *err)
{
	static const char label[] = "security.";

	for (size_t i = 0; i < s->n_xattrs; i++) {
		const Cr__Xattr *x = s->xattrs[i];

		if (fsetxattr(fd, x->name, x->value.data, x->value.len, 0) < 0 &&
		    strncmp(x->name, label, strlen(label)) != 0)
			return cr_err_sys(err, "shared object %u: unable to set its attribute %s",
					  s->id, x->name);
	}
	return 0;
}

static int set_attributes(const struct restore *r, const Cr__Shmem *s, int fd, struct cr_err *err)
{
	uint32_t seals = s->seals & ~late_seals(r, s);

	if (fchown(fd, s->uid, s->gid) < 0 || fchmod(fd, (mode_t)(s->mode & 07777)) < 0)
		return cr_err_sys(err, "shared object %u: unable to set its owner and mode", s->id);
	if (set_xattrs(s, fd, err) < 0)
		return -1;
	if (seals && fcntl(fd, F_ADD_SEALS, seals) < 0)
		return cr_err_sys(err, "shared object %u: F_ADD_SEALS", s->id);
	return 0;
}

/* When nobody maps it any more, which counts as a read. */
static int set_times(const Cr__Shmem *s, int fd, struct cr_err *err)
{
	struct timespec times[2] = {
		cr_ns_timespec(s->atime_ns),
		cr_ns_timespec(s->mtime_ns),
	};

	if (futimens(fd, times) < 0)
		return cr_err_sys(err, "shared object %u: unable to set its times", s->id);
	return 0;
}

int shmems_finish(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_SHMEM];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Shmem *s = l->items[i];
		const struct object_fd *o = object_find(r->shmems, r->n_shmems, s->id);

		if (s->sysv && sysv_finish(s, err) < 0)
			return -1;
		if (s->memfd && late_seals(r, s) && o &&
		    fcntl(o->fd[1], F_ADD_SEALS, late_seals(r, s)) < 0)
			return cr_err_sys(err, "shared object %u: F_ADD_SEALS", s->id);
		if (s->memfd && o && set_times(s, o->fd[0], err) < 0)
			return -1;
	}
	return 0;
}

static int make(struct restore *r, const Cr__Shmem *s, struct object_fd *o, struct cr_err *err)
{
	char path[40];
	int fd = s->sysv  ? sysv_make(s, err) :
		 s->memfd ? make_memfd(s, err) :
			    make_anonymous(s, err);

	if (fd < 0)
		return -1;
	o->id = s->id;
	o->fd[1] = file_stash(r, fd, err);
	if (o->fd[1] < 0 || fill(r, s, o->fd[1], err) < 0)
		return -1;
	if (s->memfd && set_attributes(r, s, o->fd[1], err) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "shared object %u", s->id);
	o->fd[0] = file_stash(r, fd, err);
	if (o->fd[0] < 0)
		return -1;
	if (is_program(r, s) && dup3(o->fd[0], o->fd[1], O_CLOEXEC) < 0)
		return cr_err_sys(err, "shared object %u", s->id);
	return 0;
}

int shmems_make(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_SHMEM];

	r->shmems = calloc(l->count + 1, sizeof(*r->shmems));
	if (!r->shmems)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < l->count; i++) {
		if (make(r, l->items[i], &r->shmems[i], err) < 0)
			return -1;
		r->n_shmems++;
	}
	return 0;
}
