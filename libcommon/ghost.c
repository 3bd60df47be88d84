/* SPDX-License-Identifier: MIT */
#include "ghost.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "fault.h"
#include "fileref.h"
#include "hugetlb.h"
#include "image.h"
#include "ns.h"
#include "xattrs.h"

#define DELETED " (deleted)"
#define CHUNK (256u << 10)
#define RUN_MAX (4u << 20)	/* one checksum for no more than this */
#define ALIGN 4096u

size_t cr_ghost_path_len(const char *path)
{
	const size_t tail = sizeof(DELETED) - 1;
	size_t len = strlen(path);

	return len > tail && strcmp(path + len - tail, DELETED) == 0 ? len - tail : len;
}

/* The kernel calls a file that never had a name by its number. */
static bool never_had_name(const char *path, const struct stat *sb)
{
	const char *base = strrchr(path, '/');
	char name[32];

	snprintf(name, sizeof(name), "/#%llu", (unsigned long long)sb->st_ino);
	return base && strcmp(base, name) == 0;
}

void cr_ghost_fill_stat(const struct stat *sb, Cr__Ghost *g)
{
	g->dev = sb->st_dev;
	g->ino = sb->st_ino;
	g->mode = sb->st_mode;
	g->uid = sb->st_uid;
	g->gid = sb->st_gid;
	g->size = (uint64_t)sb->st_size;
	g->rdev = sb->st_rdev;
	g->atime_ns = cr_ns(&sb->st_atim);
	g->mtime_ns = cr_ns(&sb->st_mtim);
	g->nlink = (uint32_t)sb->st_nlink;
}

static int add_run(Cr__Ghost *g, uint64_t offset, uint64_t length, uint32_t crc, struct cr_err *err)
{
	Cr__GhostRun **grown = realloc(g->runs, (g->n_runs + 1) * sizeof(*grown));
	Cr__GhostRun *r = malloc(sizeof(*r));

	if (grown)
		g->runs = grown;
	if (!grown || !r) {
		free(r);
		return cr_err_sys(err, "out of memory");
	}
	cr__ghost_run__init(r);
	r->offset = offset;
	r->length = length;
	r->bulk_offset = g->bulk_size;
	r->crc = crc;
	g->runs[g->n_runs++] = r;
	return 0;
}

static int copy_run(int from, int to, uint64_t offset, uint64_t length, uint8_t *buf, Cr__Ghost *g,
		    struct cr_err *err)
{
	const uint64_t at = g->bulk_size;
	uint64_t done = 0;
	uint32_t crc = 0;

	while (done < length) {
		size_t want = length - done < CHUNK ? length - done : CHUNK;
		ssize_t n = pread(from, buf, want, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "unable to read a deleted file");
		if (n == 0)
			return cr_err_set(err, CR_SYSTEM,
					  "a deleted file was changed while it was read");
		if (pwrite(to, buf, (size_t)n, (off_t)(at + done)) != n)
			return cr_err_sys(err, "unable to write %s", g->name);
		crc = cr_crc32c(crc, buf, (size_t)n);
		done += (uint64_t)n;
	}
	if (add_run(g, offset, length, crc, err) < 0)
		return -1;
	g->bulk_size = at + length;
	return 0;
}

/* The next data at or after @at: *start, *end; false when there is none. */
static bool next_data(int fd, uint64_t at, uint64_t size, uint64_t *start, uint64_t *end)
{
	off_t data, hole;

	if (at >= size)
		return false;
	data = lseek(fd, (off_t)at, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return false;
	hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	*start = data < 0 ? at : (uint64_t)data;
	*end = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
	return *start < *end;
}

static int add_data(int from, int to, uint64_t start, uint64_t end, uint8_t *buf, Cr__Ghost *g,
		    struct cr_err *err)
{
	while (start < end) {
		uint64_t n = end - start < RUN_MAX ? end - start : RUN_MAX;

		if (copy_run(from, to, start, n, buf, g, err) < 0)
			return -1;
		start += n;
		g->bulk_size = (g->bulk_size + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
	}
	return 0;
}

/* Huge pages with something in them.  A file without holes keeps a bit of each of
 * the others. */
static int copy_huge(int from, int to, bool full, uint8_t *buf, Cr__Ghost *g, struct cr_err *err)
{
	const uint64_t page = 1ull << g->huge_shift;
	bool failed = false;

	for (uint64_t at = 0, start = 0; at < g->size; at = start + page) {
		if (!cr_huge_next_data(from, g->huge_shift, at, g->size, &start, &failed))
			start = g->size;
		for (; full && at < start; at += page)
			if (add_data(from, to, at, at + ALIGN, buf, g, err) < 0)
				return -1;
		if (start < g->size && add_data(from, to, start, start + page, buf, g, err) < 0)
			return -1;
	}
	return failed ? cr_err_sys(err, "unable to read huge pages") : 0;
}

static int copy_data(int from, int to, bool full, Cr__Ghost *g, struct cr_err *err)
{
	cr_auto_free uint8_t *buf = malloc(CHUNK);
	uint64_t at = 0, start, end;

	if (!buf)
		return cr_err_sys(err, "out of memory");
	if (g->huge_shift && copy_huge(from, to, full, buf, g, err) < 0)
		return -1;
	for (; !g->huge_shift && next_data(from, at, g->size, &start, &end); at = end)
		if (add_data(from, to, start, end, buf, g, err) < 0)
			return -1;
	/* The last run ends where it ends. */
	if (g->n_runs)
		g->bulk_size = g->runs[g->n_runs - 1]->bulk_offset + g->runs[g->n_runs - 1]->length;
	return 0;
}

static uint64_t data_size(int fd, uint64_t size)
{
	uint64_t at = 0, start, end, sum = 0;

	for (; next_data(fd, at, size, &start, &end); at = end)
		sum += end - start;
	return sum;
}

static int fill_content(const char *link, const struct stat *sb, uint64_t limit, int dirfd,
			Cr__Ghost *g, struct cr_err *err)
{
	cr_auto_fd int from = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC), to = -1;
	uint64_t data;
	char name[CR_IMAGE_NAME_MAX];

	if (from < 0)
		return cr_err_sys(err, "unable to open a deleted file");
	g->huge_shift = cr_huge_shift(from);
	data = g->huge_shift ? (uint64_t)sb->st_blocks * 512 : data_size(from, g->size);
	if (data > limit) {
		cr_err_set(err, CR_REFUSED, "deleted file %s of %llu bytes", g->path,
			   (unsigned long long)data);
		return 1;
	}
	if (dirfd < 0 || !data)
		return 0;
	to = cr_image_create(dirfd, "ghost", name, err);
	if (to < 0)
		return -1;
	g->name = strdup(name);
	if (!g->name)
		return cr_err_sys(err, "out of memory");
	cr_fault("ghost");
	return copy_data(from, to, cr_huge_is_full(sb), g, err);
}

static int fill_target(int fd, Cr__Ghost *g, struct cr_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	if (n < 0)
		return cr_err_sys(err, "readlinkat");
	g->target = strndup(target, (size_t)n);
	return g->target ? 0 : cr_err_sys(err, "out of memory");
}

int cr_ghost_fill(int fd, const char *path, uint32_t id, uint64_t limit, int dirfd, Cr__Ghost *g,
		  struct cr_err *err)
{
	char link[40];
	struct stat sb;
	int ret = 0;

	cr__ghost__init(g);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	g->id = id;
	cr_ghost_fill_stat(&sb, g);
	g->path = strndup(path, cr_ghost_path_len(path));
	if (!g->path)
		ret = cr_err_sys(err, "out of memory");
	else
		g->tmpfile = never_had_name(g->path, &sb);
	if (ret == 0)
		ret = cr_xattrs_read(link, &g->xattrs, &g->n_xattrs, err);
	if (ret == 0 && S_ISREG(sb.st_mode))
		ret = fill_content(link, &sb, limit, dirfd, g, err);
	if (ret == 0 && S_ISLNK(sb.st_mode))
		ret = fill_target(fd, g, err);
	if (ret == 0)
		return 0;
	if (ret < 0)
		cr_err_wrap(err, "deleted file %s", path);
	cr_ghost_release(g);
	return ret;
}

void cr_ghost_release(Cr__Ghost *g)
{
	Cr__Ghost empty = CR__GHOST__INIT;

	for (size_t i = 0; i < g->n_runs; i++)
		free(g->runs[i]);
	free(g->runs);
	cr_xattrs_free(g->xattrs, g->n_xattrs);
	if (g->name != empty.name)
		free(g->name);
	if (g->path != empty.path)
		free(g->path);
	if (g->target != empty.target)
		free(g->target);
	if (g->link)
		cr_fileref_release(g->link);
	free(g->link);
	*g = empty;
}
