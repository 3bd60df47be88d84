/* SPDX-License-Identifier: MIT */
#include "ghost.h"

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
#include "image.h"

#define COPY_CHUNK (1u << 20)
#define NS 1000000000ull
#define NAME_TRIES 100
#define MEMFD "/memfd:"

/* The directory that a path is in; "/" for what is in the root. */
static int parent_of(const char *path, char *dir, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!slash || len >= size)
		return -1;
	if (len == 0)
		len = 1;
	memcpy(dir, path, len);
	dir[len] = '\0';
	return 0;
}

int ghosts_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_GHOST];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Ghost *g = l->items[i];
		char dir[4096];
		struct stat st;

		if (g->memfd || g->embedded)
			continue;
		if (parent_of(g->path, dir, sizeof(dir)) < 0)
			return cr_err_set(err, CR_BAD_INPUT, "deleted file %u: malformed path",
					  g->id);
		if (stat(dir, &st) < 0)
			refuse(r, 0, g->path, "the directory of a deleted file is missing");
	}
	return 0;
}

static int copy_run(int to, int from, const Cr__GhostRun *run, struct cr_err *err)
{
	uint64_t done = 0;
	uint32_t crc = 0;
	cr_auto_free char *buf = malloc(COPY_CHUNK);

	if (!buf)
		return cr_err_sys(err, "out of memory");
	while (done < run->length) {
		uint64_t left = run->length - done;
		ssize_t n = pread(from, buf, left < COPY_CHUNK ? left : COPY_CHUNK,
				  (off_t)(run->bulk_offset + done));

		if (n == 0)
			return cr_err_set(err, CR_BAD_INPUT,
					  "the content of a deleted file is truncated");
		if (n < 0 || pwrite(to, buf, (size_t)n, (off_t)(run->offset + done)) != n)
			return cr_err_sys(err, "unable to fill a deleted file");
		crc = cr_crc32c(crc, buf, (size_t)n);
		done += (uint64_t)n;
	}
	if (crc != run->crc)
		return cr_err_set(err, CR_BAD_INPUT, "its content has a wrong checksum");
	return 0;
}

static int fill(struct restore *r, const Cr__Ghost *g, int fd, struct cr_err *err)
{
	cr_auto_fd int from = -1;

	if (g->n_runs) {
		from = cr_image_open_bulk(r->dirfd, g->name, g->bulk_size, err);
		if (from < 0)
			return -1;
	}
	if (ftruncate(fd, (off_t)g->size) < 0)
		return cr_err_sys(err, "unable to give it %llu bytes", (unsigned long long)g->size);
	for (size_t i = 0; i < g->n_runs; i++)
		if (copy_run(fd, from, g->runs[i], err) < 0)
			return -1;
	return 0;
}

static int make_node(const Cr__Ghost *g, const char *path)
{
	switch (g->mode & S_IFMT) {
	case S_IFREG:
		return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	case S_IFDIR:
		return mkdir(path, 0700) < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	default:
		if (mknod(path, (mode_t)g->mode, (dev_t)g->rdev) < 0)
			return -1;
		return open(path, O_PATH | O_CLOEXEC);
	}
}

static void set_attributes(const Cr__Ghost *g, const char *path)
{
	struct timespec times[2] = {
		{ (time_t)(g->atime_ns / NS), (long)(g->atime_ns % NS) },
		{ (time_t)(g->mtime_ns / NS), (long)(g->mtime_ns % NS) },
	};

	/* Best effort: a file system may know none of these. */
	if (lchown(path, g->uid, g->gid) < 0 || chmod(path, (mode_t)(g->mode & 07777)) < 0)
		errno = 0;
	for (size_t i = 0; i < g->n_xattrs; i++)
		lsetxattr(path, g->xattrs[i]->name, g->xattrs[i]->value.data,
			  g->xattrs[i]->value.len, 0);
	utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* Under its own name when that is free, so that the kernel shows it. */
static int make_named(const struct restore *r, const Cr__Ghost *g, char *path, size_t size,
		      struct cr_err *err)
{
	int fd;

	snprintf(path, size, "%s", g->path);
	fd = make_node(g, path);
	for (int i = 0; fd < 0 && errno == EEXIST && i < NAME_TRIES; i++) {
		snprintf(path, size, "%.4000s.deleted-%d-%d", g->path, (int)getpid(), i);
		fd = make_node(g, path);
	}
	/* A copy of a file whose directory is not here either. */
	if (fd < 0 && g->embedded) {
		snprintf(path, size, "/proc/self/fd/%d/embedded-%d-%u.tmp", r->dirfd, (int)getpid(),
			 g->id);
		fd = make_node(g, path);
	}
	return fd < 0 ? cr_err_sys(err, "unable to make %s", path) : fd;
}

/* The same for what has no name. */
static int set_fd_attributes(const Cr__Ghost *g, int fd, struct cr_err *err)
{
	struct timespec times[2] = {
		{ (time_t)(g->atime_ns / NS), (long)(g->atime_ns % NS) },
		{ (time_t)(g->mtime_ns / NS), (long)(g->mtime_ns % NS) },
	};

	if (fchown(fd, g->uid, g->gid) < 0 || fchmod(fd, (mode_t)(g->mode & 07777)) < 0)
		return cr_err_sys(err, "unable to set its owner and mode");
	for (size_t i = 0; i < g->n_xattrs; i++)
		fsetxattr(fd, g->xattrs[i]->name, g->xattrs[i]->value.data, g->xattrs[i]->value.len,
			  0);
	futimens(fd, times);
	return 0;
}

/* Seals come last; a memfd that allows none has F_SEAL_SEAL from the start. */
static int make_memfd(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	const char *name = strncmp(g->path, MEMFD, sizeof(MEMFD) - 1) == 0 ?
				   g->path + sizeof(MEMFD) - 1 :
				   g->path;
	cr_auto_fd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return cr_err_sys(err, "memfd_create");
	if (fill(r, g, fd, err) < 0 || set_fd_attributes(g, fd, err) < 0)
		return -1;
	if (g->seals && fcntl(fd, F_ADD_SEALS, g->seals) < 0)
		return cr_err_sys(err, "F_ADD_SEALS");
	return cr_steal_fd(&fd);
}

/* In the directory of its path, but without any name. */
static int make_tmpfile(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	char dir[4096];
	cr_auto_fd int fd = -1;

	if (parent_of(g->path, dir, sizeof(dir)) < 0)
		return cr_err_set(err, CR_BAD_INPUT, "malformed path");
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return cr_err_sys(err, "unable to make a nameless file in %s", dir);
	if (fill(r, g, fd, err) < 0 || set_fd_attributes(g, fd, err) < 0)
		return -1;
	return cr_steal_fd(&fd);
}

static int make_nameless(struct restore *r, const Cr__Ghost *g, struct object_fd *o,
			 struct cr_err *err)
{
	int fd = g->memfd ? make_memfd(r, g, err) : make_tmpfile(r, g, err);

	if (fd < 0)
		return cr_err_wrap(err, "%s", g->path);
	o->id = g->id;
	o->fd[0] = file_stash(r, fd, err);
	return o->fd[0] < 0 ? -1 : 0;
}

static int make(struct restore *r, const Cr__Ghost *g, struct object_fd *o, struct cr_err *err)
{
	char path[4096 + 64];
	cr_auto_fd int fd = make_named(r, g, path, sizeof(path), err);
	int ret = -1, named = -1;

	if (fd < 0)
		return -1;
	if (!S_ISREG(g->mode) || fill(r, g, fd, err) == 0) {
		set_attributes(g, path);
		named = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		ret = named < 0 ? cr_err_sys(err, "unable to open %s", path) : 0;
	}
	if ((S_ISDIR(g->mode) ? rmdir(path) : unlink(path)) < 0 && ret == 0)
		ret = cr_err_sys(err, "unable to remove %s", path);
	if (ret < 0)
		return cr_err_wrap(err, "deleted file %s", g->path);
	o->id = g->id;
	o->fd[0] = file_stash(r, named, err);
	return o->fd[0] < 0 ? -1 : 0;
}

int ghosts_make(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_GHOST];

	r->ghosts = calloc(l->count + 1, sizeof(*r->ghosts));
	if (!r->ghosts)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Ghost *g = l->items[i];

		if (g->embedded && !(r->embedded && r->embedded[i]))
			continue;
		if ((g->memfd || g->tmpfile ? make_nameless : make)(r, g, &r->ghosts[r->n_ghosts],
								    err) < 0)
			return -1;
		r->n_ghosts++;
	}
	return 0;
}
