/* SPDX-License-Identifier: MIT */
#include "ghost.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "fault.h"
#include "file.h"
#include "ghost-place.h"
#include "hugetlb.h"
#include "image.h"
#include "memfd.h"
#include "msg.h"
#include "ns.h"
#include "ref.h"

#define COPY_CHUNK (1u << 20)
#define MEMFD "/memfd:"

int ghosts_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_GHOST];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Ghost *g = l->items[i];
		int why;

		if (g->huge_shift && !cr_huge_is_shift(g->huge_shift))
			return cr_err_set(err, CR_BAD_INPUT,
					  "deleted file %u: malformed size of pages", g->id);
		if (g->memfd || g->embedded)
			continue;
		if (g->path[0] != '/')
			return cr_err_set(err, CR_BAD_INPUT, "deleted file %u: malformed path",
					  g->id);
		why = place_check(g->path);
		if (why)
			refuse(r, 0, g->path, "a deleted file cannot be made there: %s",
			       strerror(why));
		else if (g->huge_shift && place_huge_shift(g->path) != g->huge_shift)
			refuse(r, 0, g->path,
			       "a deleted file cannot be made there: no hugetlbfs with pages of "
			       "%llu kB is mounted",
			       (1ull << g->huge_shift) / 1024);
		if (g->link &&
		    ref_check(r, 0, g->link,
			      r->opts.new_pid_ns ? CR_FILEREF_GROWN : CR_FILEREF_EXACT, err) < 0)
			return -1;
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

static int copy_huge(int to, uint32_t shift, int from, const Cr__GhostRun *run, struct cr_err *err)
{
	uint32_t crc = 0;

	if (cr_huge_copy(to, shift, run->offset, from, run->bulk_offset, run->length, &crc, err) <
	    0)
		return -1;
	return crc == run->crc ? 0 :
				 cr_err_set(err, CR_BAD_INPUT, "its content has a wrong checksum");
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
	for (size_t i = 0; i < g->n_runs; i++) {
		int ret = g->huge_shift ? copy_huge(fd, g->huge_shift, from, g->runs[i], err) :
					  copy_run(fd, from, g->runs[i], err);

		if (ret < 0)
			return -1;
	}
	return 0;
}

static int make_node(const Cr__Ghost *g, const char *path)
{
	switch (g->mode & S_IFMT) {
	case S_IFREG:
		return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	case S_IFDIR:
		return mkdir(path, 0700) < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case S_IFLNK:
		return symlink(g->target, path) < 0 ? -1 :
						      open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	default:
		if (mknod(path, (mode_t)g->mode, (dev_t)g->rdev) < 0)
			return -1;
		return open(path, O_PATH | O_CLOEXEC);
	}
}

static void set_attributes(const Cr__Ghost *g, const char *path)
{
	struct timespec times[2] = {
		cr_ns_timespec(g->atime_ns),
		cr_ns_timespec(g->mtime_ns),
	};

	/* Best effort: a file system may know none of these; no link has a mode. */
	if (lchown(path, g->uid, g->gid) < 0 ||
	    (!S_ISLNK(g->mode) && chmod(path, (mode_t)(g->mode & 07777)) < 0))
		errno = 0;
	for (size_t i = 0; i < g->n_xattrs; i++)
		lsetxattr(path, g->xattrs[i]->name, g->xattrs[i]->value.data,
			  g->xattrs[i]->value.len, 0);
	utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* The same for what has no name. */
static int set_fd_attributes(const Cr__Ghost *g, int fd, struct cr_err *err)
{
	struct timespec times[2] = {
		cr_ns_timespec(g->atime_ns),
		cr_ns_timespec(g->mtime_ns),
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
	cr_auto_fd int fd = memfd_make(name, g->mode, g->seals, g->huge_shift, err);

	if (fd < 0)
		return -1;
	if (fill(r, g, fd, err) < 0 || set_fd_attributes(g, fd, err) < 0)
		return -1;
	if (g->seals && fcntl(fd, F_ADD_SEALS, g->seals) < 0)
		return cr_err_sys(err, "F_ADD_SEALS");
	return cr_steal_fd(&fd);
}

/* May it be given a name?  A description of it says so. */
static bool is_unlinkable(const struct restore *r, const Cr__Ghost *g)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_REG];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Reg *m = l->items[i];

		if (m->unlinkable && m->ref && m->ref->ghost == g->id)
			return true;
	}
	return false;
}

/* In the directory of its place, but without any name. */
static int make_unnamed(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	char dir[PATH_MAX];
	cr_auto_fd int fd = -1;

	if (place_dir(r->place, dir, sizeof(dir)) < 0)
		return cr_err_set(err, CR_BAD_INPUT, "malformed path");
	fd = open(dir,
		  O_TMPFILE | O_RDWR | O_CLOEXEC | (g->tmpfile && is_unlinkable(r, g) ? O_EXCL : 0),
		  0600);
	if (fd < 0)
		return cr_err_sys(err, "unable to make a nameless file in %s", dir);
	if (fill(r, g, fd, err) < 0 || set_fd_attributes(g, fd, err) < 0)
		return -1;
	return cr_steal_fd(&fd);
}

/* Take it by its name, which it then loses. */
static int take(struct restore *r, struct cr_err *err)
{
	int fd = open(place_path(r->place), O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", place_path(r->place));
	cr_fault("ghost-named");
	if (place_hide(r->place, err) == 0)
		return fd;
	close(fd);
	return -1;
}

/* It is seen only when it is whole; where that cannot be, it is made by name. */
static int make_file(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	cr_auto_fd int fd = make_unnamed(r, g, err);

	if (fd >= 0 && place_show(r->place, fd, err) == 0)
		return take(r, err);
	if (fd >= 0 || err->errnum != EOPNOTSUPP)
		return -1;
	fd = place_make(r->place, make_node, g, err);
	if (fd < 0 || fill(r, g, fd, err) < 0)
		return -1;
	set_attributes(g, place_path(r->place));
	return take(r, err);
}

/* It is there, by a name that the dump has given it. */
static int use_link(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	cr_auto_fd int fd = open(g->link->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", g->link->path);
	return place_show(r->place, fd, err) < 0 ? -1 : take(r, err);
}

static int make_other(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	cr_auto_fd int fd = place_make(r->place, make_node, g, err);

	if (fd < 0)
		return -1;
	set_attributes(g, place_path(r->place));
	return take(r, err);
}

/* The place of a copy is the image's when its own directory is missing. */
static int open_place(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	char path[PATH_MAX], link[40];
	ssize_t n;

	if (!g->embedded || place_is_there(g->path))
		return place_open(r->place, g->path, err);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", r->dirfd);
	n = readlink(link, path, sizeof(path) - 40);
	if (n < 0)
		return cr_err_sys(err, "unable to find the image's directory");
	snprintf(path + n, 40, "/embedded-%d-%u.tmp", (int)getpid(), g->id);
	return place_open(r->place, path, err);
}

static int make_placed(struct restore *r, const Cr__Ghost *g, struct cr_err *err)
{
	int fd = -1;

	if (open_place(r, g, err) < 0)
		return -1;
	if (g->huge_shift != place_huge_shift(place_path(r->place)) && S_ISREG(g->mode) &&
	    (g->huge_shift || g->n_runs))
		cr_err_set(err, CR_REFUSED, "its place has pages of another size");
	else if (g->link)
		fd = use_link(r, g, err);
	else if (g->tmpfile)
		fd = make_unnamed(r, g, err);
	else if (S_ISREG(g->mode))
		fd = make_file(r, g, err);
	else
		fd = make_other(r, g, err);
	place_undo(r);
	return fd;
}

static int make(struct restore *r, const Cr__Ghost *g, struct object_fd *o, struct cr_err *err)
{
	int fd = g->memfd ? make_memfd(r, g, err) : make_placed(r, g, err);

	if (fd < 0)
		return cr_err_wrap(err, "deleted file %s", g->path);
	o->id = g->id;
	o->fd[0] = file_stash(r, fd, err);
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
		if (make(r, g, &r->ghosts[r->n_ghosts], err) < 0)
			return -1;
		r->n_ghosts++;
	}
	return 0;
}

void ghosts_remove_links(const struct restore *r)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_GHOST];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Ghost *g = l->items[i];

		if (g->link && !r->opts.new_pid_ns && unlink(g->link->path) < 0)
			cr_msg("unable to remove %s: %s", g->link->path, strerror(errno));
	}
}
