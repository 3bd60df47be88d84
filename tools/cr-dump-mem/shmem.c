/* SPDX-License-Identifier: MIT */
#include "shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clean.h"
#include "ghost.h"
#include "huge.h"
#include "hugetlb.h"
#include "ns.h"
#include "pagemap.h"
#include "xattrs.h"

#define MEMFD "/memfd:"

int shmem_device(dev_t *out, struct cr_err *err)
{
	cr_auto_fd int fd = memfd_create("", MFD_CLOEXEC);
	struct stat sb;

	if (fd < 0 || fstat(fd, &sb) < 0)
		return cr_err_sys(err, "memfd_create");
	*out = sb.st_dev;
	return 0;
}

/* A file of huge pages does not say where its holes are, only whether there are any. */
static int add_huge(struct batch *b, const struct stat *sb, uint64_t size, uint32_t shift,
		    struct cr_err *err)
{
	const struct span all = { .length = size };

	if (!size)
		return 0;
	return cr_huge_is_full(sb) ? huge_spans(b, 0, size, shift, false, false, err) :
				     batch_span(b, &all, err);
}

/* What of the object has been written, whoever maps it: the rest are holes. */
static int add_spans(struct batch *b, int fd, uint64_t size, struct cr_err *err)
{
	off_t start = 0, end;

	while ((uint64_t)start < size) {
		struct span s = { 0 };

		start = lseek(fd, start, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			return 0;
		end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			return cr_err_sys(err, "unable to look for the data of shared memory");
		s.address = (uint64_t)start & ~(uint64_t)(CR_PAGE - 1);
		s.length = (((uint64_t)end + CR_PAGE - 1) & ~(uint64_t)(CR_PAGE - 1)) - s.address;
		if (batch_span(b, &s, err) < 0)
			return -1;
		start = end;
	}
	return 0;
}

static int put(struct dump *d, int fd, const char *path, const struct stat *sb, uint32_t id,
	       struct cr_err *err)
{
	Cr__Shmem m = CR__SHMEM__INIT;
	cr_auto_free char *name = NULL;
	char link[40];
	int seals, ret = 0;

	m.id = id;
	m.size = (uint64_t)sb->st_size;
	m.ino = sb->st_ino;
	m.mode = sb->st_mode;
	m.uid = sb->st_uid;
	m.gid = sb->st_gid;
	m.huge_shift = cr_huge_own_shift(sb->st_dev);
	m.memfd = strncmp(path, MEMFD, sizeof(MEMFD) - 1) == 0;
	if (m.memfd) {
		/* The whole of it counts: the memfd's own name may be empty. */
		name = strndup(path, cr_ghost_path_len(path));
		if (!name)
			return cr_err_sys(err, "out of memory");
		m.name = name + sizeof(MEMFD) - 1;
		seals = fcntl(fd, F_GET_SEALS);
		if (seals < 0)
			return cr_err_sys(err, "F_GET_SEALS");
		m.seals = (uint32_t)seals;
		m.atime_ns = cr_ns(&sb->st_atim);
		m.mtime_ns = cr_ns(&sb->st_mtim);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ret = cr_xattrs_read(link, &m.xattrs, &m.n_xattrs, err);
	}
	if (ret == 0)
		ret = cr_stage_put(d->st, CR_KIND_SHMEM, &m, err);
	cr_xattrs_free(m.xattrs, m.n_xattrs);
	return ret;
}

static int add_pages(struct dump *d, int fd, uint64_t size, uint32_t shift, uint32_t id,
		     struct cr_err *err)
{
	struct batch *b = batch_new(0, 0, err);
	struct stat sb;
	int ret;

	if (!b)
		return -1;
	b->shmem = id;
	b->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (b->fd < 0) {
		cr_err_sys(err, "unable to keep a descriptor of shared memory%s",
			   errno == EMFILE ? " (raise ulimit -Hn)" : "");
		batch_free(b);
		return -1;
	}
	if (fstat(fd, &sb) < 0)
		ret = cr_err_sys(err, "unable to look at shared memory");
	else if (shift)
		ret = add_huge(b, &sb, cr_huge_round(size, shift), shift, err);
	else
		ret = add_spans(b, fd, size, err);
	if (ret < 0) {
		batch_free(b);
		return -1;
	}
	return pages_add(d, b, err);
}

int shmem_put(struct dump *d, int fd, const Cr__Shmem *s, struct cr_err *err)
{
	if (cr_stage_put(d->st, CR_KIND_SHMEM, s, err) < 0)
		return -1;
	return add_pages(d, fd, s->size, s->huge_shift, s->id, err);
}

int shmem_dump(struct dump *d, int fd, const char *path, const struct stat *sb, uint32_t id,
	       struct cr_err *err)
{
	if (put(d, fd, path, sb, id, err) < 0)
		return -1;
	return add_pages(d, fd, (uint64_t)sb->st_size, cr_huge_own_shift(sb->st_dev), id, err);
}
