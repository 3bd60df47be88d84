/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "ghost-link.h"
#include "image-names.h"
#include "msg.h"
#include "schemas.h"

/* "STEM-N" and then @suffix? */
static bool is_numbered(const char *name, const char *suffix)
{
	const char *p = name;

	if (strlen(name) >= CR_IMAGE_NAME_MAX)
		return false;
	while (*p >= 'a' && *p <= 'z')
		p++;
	if (p == name || *p++ != '-' || *p < '1' || *p > '9')
		return false;
	while (isdigit((unsigned char)*p))
		p++;
	return strcmp(p, suffix) == 0;
}

bool cr_image_is_bulk(const char *name)
{
	return is_numbered(name, ".bulk");
}

bool cr_image_is_temporary(const char *name)
{
	return strncmp(name, "manifest-", 9) == 0 && is_numbered(name, ".tmp");
}

bool cr_image_bulk_of(unsigned int kind, const void *msg, const char **name, uint64_t *size)
{
	switch (kind) {
	case CR_KIND_PAGES_FILE:
		*name = ((const Cr__PagesFile *)msg)->name;
		*size = ((const Cr__PagesFile *)msg)->size;
		return true;
	case CR_KIND_GHOST:
		*name = ((const Cr__Ghost *)msg)->name;
		*size = ((const Cr__Ghost *)msg)->bulk_size;
		return **name != 0;
	default:
		return false;
	}
}

/* Make "STEM-N SUFFIX" with a number that is free. */
static int create_numbered(int dirfd, const char *stem, const char *suffix, char *name,
			   struct cr_err *err)
{
	/* Where the last search ended: many files cost no more than few. */
	static unsigned int next = 1;
	int fd;

	for (;; next++) {
		snprintf(name, CR_IMAGE_NAME_MAX, "%s-%u%s", stem, next, suffix);
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			break;
		if (errno != EEXIST)
			return cr_err_sys(err, "unable to make %s in the image directory", name);
	}
	next++;
	return fd;
}

int cr_image_create(int dirfd, const char *stem, char *name, struct cr_err *err)
{
	return create_numbered(dirfd, stem, ".bulk", name, err);
}

/*
 * Nobody else dumps here: whatever the manifest does not name is left over.
 * A manifest that cannot be read may name anything, so everything stays.
 */
static void sweep(int dirfd)
{
	struct cr_image_files named = { 0 };
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_auto_dir DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	bool looked = false, known = false;
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		if (!cr_image_is_bulk(de->d_name) && !cr_image_is_temporary(de->d_name))
			continue;
		if (!looked)
			known = image_names_read(dirfd, CR_MANIFEST, &named) >= 0;
		looked = true;
		if (!known)
			break;
		if (image_names_has(&named, de->d_name))
			continue;
		cr_ghost_unlink(dirfd, de->d_name);
		if (unlinkat(dirfd, de->d_name, 0) == 0)
			cr_debug("removed %s, left over from a dump that failed", de->d_name);
	}
	cr_image_files_clear(&named);
	if (copy >= 0 && !dir)
		close(copy);
}

/* Our own descriptor of the directory we dump into, and whose it is. */
static int held = -1;
static pid_t holder;

/*
 * The last to leave sweeps: an upgrade of a lock drops the old one first, so of
 * several that leave at once the last finds nobody.  What the exit handler
 * cannot do after a SIGKILL, the next dump does.
 */
static void leave(void)
{
	if (getpid() == holder && flock(held, LOCK_EX | LOCK_NB) == 0)
		sweep(held);
}

/*
 * Waits only as long as a sweep may take: what somebody else does with the
 * lock must not keep a target frozen.  Where the file system has no locks
 * nothing is swept, and the dump goes on.
 */
static int enter(int dirfd, struct cr_err *err)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	if (held >= 0)
		return cr_err_set(err, CR_SYSTEM, "one dump, one image directory");
	held = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	holder = getpid();
	if (held < 0 || atexit(leave) != 0)
		return cr_err_sys(err, "unable to hold the image directory");
	if (flock(held, LOCK_EX | LOCK_NB) == 0)
		sweep(held);
	for (int i = 0; i < 200; i++) {
		if (flock(held, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return 0;
		nanosleep(&pause, NULL);
	}
	return cr_err_set(err, CR_SYSTEM, "another program has locked the image directory");
}

/* The name of a new directory is made durable now, before anything is frozen. */
static int sync_parent(int dirfd, struct cr_err *err)
{
	cr_auto_fd int parent = openat(dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0 || fsync(parent) < 0)
		return cr_err_sys(err, "unable to sync the image directory's parent");
	return 0;
}

int cr_image_dir(const char *path, bool dump, struct cr_err *err)
{
	cr_auto_fd int fd = -1;
	bool made = dump && mkdir(path, 0700) == 0;

	if (dump && !made && errno != EEXIST)
		return cr_err_sys(err, "unable to make the image directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "unable to open the image directory %s", path);
	if (made && sync_parent(fd, err) < 0)
		return -1;
	if (dump && enter(fd, err) < 0)
		return -1;
	return cr_steal_fd(&fd);
}

int cr_image_open_bulk(int dirfd, const char *name, uint64_t size, struct cr_err *err)
{
	cr_auto_fd int fd = -1;
	struct stat sb;

	if (!cr_image_is_bulk(name))
		return cr_err_set(err, CR_BAD_INPUT, "'%.64s' is no name of a bulk file", name);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return cr_err_set(err, CR_BAD_INPUT, "bulk file %s is missing", name);
	if (fd < 0 || fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to open bulk file %s", name);
	if (!S_ISREG(sb.st_mode))
		return cr_err_set(err, CR_BAD_INPUT, "bulk file %s is no regular file", name);
	if ((uint64_t)sb.st_size != size)
		return cr_err_set(err, CR_BAD_INPUT, "bulk file %s has %llu bytes, not %llu", name,
				  (unsigned long long)sb.st_size, (unsigned long long)size);
	return cr_steal_fd(&fd);
}

int cr_image_open_manifest(int dirfd, struct cr_err *err)
{
	int fd = openat(dirfd, CR_MANIFEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return cr_err_set(err, CR_BAD_INPUT, "no complete image: there is no " CR_MANIFEST);
	if (fd < 0)
		return cr_err_sys(err, "unable to open " CR_MANIFEST);
	return fd;
}

int cr_image_manifest_begin(int dirfd, struct cr_image_manifest *m, struct cr_err *err)
{
	memset(m, 0, sizeof(*m));
	m->dirfd = dirfd;
	m->fd = create_numbered(dirfd, "manifest", ".tmp", m->name, err);
	if (m->fd < 0)
		m->name[0] = 0;
	return m->fd < 0 ? -1 : 0;
}

/* With @start writing is only begun, so that all files are written at once. */
static int sync_file(int dirfd, const struct cr_image_file *f, bool start, struct cr_err *err)
{
	cr_auto_fd int fd = cr_image_open_bulk(dirfd, f->name, f->size, err);

	if (fd < 0)
		return -1;
	if (start) {
		/* Not every file system can: the real sync follows. */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		return 0;
	}
	if (fdatasync(fd) < 0)
		return cr_err_sys(err, "unable to sync %s", f->name);
	return 0;
}

static int sync_files(struct cr_image_manifest *m, const struct cr_image_files *files,
		      struct cr_err *err)
{
	for (int start = files->count > 1; start >= 0; start--)
		for (unsigned int i = 0; i < files->count; i++)
			if (sync_file(m->dirfd, &files->list[i], start, err) < 0)
				return -1;
	if (fdatasync(m->fd) < 0)
		return cr_err_sys(err, "unable to sync the manifest");
	return 0;
}

/* RENAME_EXCHANGE (3.15) keeps the former manifest for cr_image_revert(). */
static int put_in_place(struct cr_image_manifest *m)
{
	if (renameat2(m->dirfd, m->name, m->dirfd, CR_MANIFEST, RENAME_EXCHANGE) == 0) {
		m->place = CR_IMAGE_EXCHANGED;
		return 0;
	}
	m->place = errno == ENOENT ? CR_IMAGE_FIRST : CR_IMAGE_OVERWRITTEN;
	if (renameat(m->dirfd, m->name, m->dirfd, CR_MANIFEST) < 0) {
		m->place = CR_IMAGE_TEMPORARY;
		return -1;
	}
	m->name[0] = 0;
	return 0;
}

int cr_image_commit(struct cr_image_manifest *m, const struct cr_image_files *files,
		    struct cr_err *err)
{
	struct cr_err ignored;

	if (sync_files(m, files, err) < 0)
		return -1;
	cr_fault("commit-synced");
	if (put_in_place(m) < 0)
		return cr_err_sys(err, "unable to rename %s to " CR_MANIFEST, m->name);
	cr_fault("commit-renamed");
	if (fsync(m->dirfd) < 0) {
		cr_err_sys(err, "unable to sync the image directory");
		if (cr_image_revert(m, &ignored) < 0)
			cr_msg("%s", ignored.msg);
		return -1;
	}
	return 0;
}

int cr_image_revert(struct cr_image_manifest *m, struct cr_err *err)
{
	int ret = -1;

	errno = ENOTSUP;	/* the former image is gone, the new one is complete */
	if (m->place == CR_IMAGE_EXCHANGED)
		ret = renameat2(m->dirfd, m->name, m->dirfd, CR_MANIFEST, RENAME_EXCHANGE);
	else if (m->place == CR_IMAGE_FIRST)
		ret = unlinkat(m->dirfd, CR_MANIFEST, 0);
	if (ret < 0)
		return cr_err_sys(err, "unable to take " CR_MANIFEST " back");
	m->place = CR_IMAGE_TEMPORARY;
	return 0;
}

void cr_image_finish(struct cr_image_manifest *m, struct cr_image_files *files)
{
	struct cr_image_files old = { 0 };

	if (!m->name[0])
		return;
	/* What cannot be removed now, the next dump removes. */
	if (m->place == CR_IMAGE_EXCHANGED && image_names_read(m->dirfd, m->name, &old) >= 0)
		for (unsigned int i = 0; i < old.count; i++)
			if (cr_image_is_bulk(old.list[i].name) &&
			    !image_names_has(files, old.list[i].name))
				unlinkat(m->dirfd, old.list[i].name, 0);
	unlinkat(m->dirfd, m->name, 0);
	cr_image_files_clear(&old);
	m->name[0] = 0;
}
