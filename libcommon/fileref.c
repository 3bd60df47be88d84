/* SPDX-License-Identifier: MIT */
#include "fileref.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "build-id.h"
#include "clean.h"
#include "ghost-link.h"

#define NAMES_MAX 100000	/* the tree stands still meanwhile */

static int set_build_id(int fd, const struct stat *sb, Cr__FileRef *ref, struct cr_err *err)
{
	uint8_t id[CR_BUILD_ID_MAX];
	size_t len = cr_build_id(fd, sb, id);

	if (!len)
		return 0;
	ref->build_id.data = malloc(len);
	if (!ref->build_id.data)
		return cr_err_sys(err, "out of memory");
	memcpy(ref->build_id.data, id, len);
	ref->build_id.len = len;
	return 0;
}

/* The kernel prints the path without symbolic links, so none is followed. */
static bool leads_to(const char *path, const struct stat *sb)
{
	struct stat at;

	return path[0] == '/' && lstat(path, &at) == 0 && at.st_dev == sb->st_dev &&
	       at.st_ino == sb->st_ino;
}

int cr_fileref_fill_found(const struct stat *sb, const char *path, Cr__FileRef *ref,
			  struct cr_err *err)
{
	cr__file_ref__init(ref);
	ref->path = strdup(path);
	if (!ref->path)
		return cr_err_sys(err, "out of memory");
	ref->dev = sb->st_dev;
	ref->ino = sb->st_ino;
	ref->mode = sb->st_mode;
	ref->size = (uint64_t)sb->st_size;
	ref->rdev = sb->st_rdev;
	ref->mtime_ns = (uint64_t)sb->st_mtim.tv_sec * 1000000000u + (uint64_t)sb->st_mtim.tv_nsec;
	return 0;
}

int cr_fileref_fill_stat(const struct stat *sb, const char *path, Cr__FileRef *ref,
			 struct cr_err *err)
{
	cr__file_ref__init(ref);
	return leads_to(path, sb) ? cr_fileref_fill_found(sb, path, ref, err) : 1;
}

int cr_fileref_fill(int fd, const char *path, bool build_id, Cr__FileRef *ref, struct cr_err *err)
{
	struct stat sb;
	int ret;

	cr__file_ref__init(ref);
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	ret = cr_fileref_fill_stat(&sb, path, ref, err);
	if (ret == 0 && build_id && set_build_id(fd, &sb, ref, err) < 0) {
		cr_fileref_release(ref);
		return -1;
	}
	return ret;
}

/* Put a name of the file into @path, behind the directory's @len bytes. */
static bool find_name(DIR *dir, const struct stat *sb, char *path, size_t len)
{
	const struct dirent *e;

	for (unsigned int i = 0; i < NAMES_MAX && (e = readdir(dir)); i++) {
		if (e->d_ino != sb->st_ino || len + strlen(e->d_name) >= PATH_MAX ||
		    strncmp(e->d_name, CR_LINK_PREFIX, sizeof(CR_LINK_PREFIX) - 1) == 0)
			continue;
		memcpy(path + len, e->d_name, strlen(e->d_name) + 1);
		if (leads_to(path, sb))
			return true;
	}
	return false;
}

int cr_fileref_fill_beside(int fd, const char *path, Cr__FileRef *ref, struct cr_err *err)
{
	const char *slash = strrchr(path, '/');
	char name[PATH_MAX];
	struct stat sb;
	bool found;
	size_t len;
	DIR *dir;

	cr__file_ref__init(ref);
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	if (!slash || !cr_ghost_has_link(&sb, path))
		return 1;
	len = (size_t)(slash - path) + 1;
	if (len >= sizeof(name))
		return 1;
	memcpy(name, path, len);
	name[len] = '\0';
	dir = opendir(name);
	if (!dir)
		return 1;
	found = find_name(dir, &sb, name, len);
	closedir(dir);
	return found ? cr_fileref_fill(fd, name, true, ref, err) : 1;
}

void cr_fileref_release(Cr__FileRef *ref)
{
	Cr__FileRef empty = CR__FILE_REF__INIT;

	if (ref->path != empty.path)
		free(ref->path);
	free(ref->build_id.data);
	*ref = empty;
}

static const char *type_name(unsigned int mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFIFO:
		return "a fifo";
	case S_IFSOCK:
		return "a socket";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "of no known type";
	}
}

static bool same_build(int fd, const struct stat *sb, const Cr__FileRef *ref)
{
	uint8_t id[CR_BUILD_ID_MAX];
	size_t len = cr_build_id(fd, sb, id);

	return len == ref->build_id.len && memcmp(id, ref->build_id.data, len) == 0;
}

/* What is wrong with the size, under @rule?  NULL: nothing. */
static const char *size_fault(const struct stat *sb, const Cr__FileRef *ref,
			      enum cr_fileref_rule rule)
{
	uint64_t size = (uint64_t)sb->st_size;

	/* Only a regular file's size means something. */
	if (!S_ISREG(sb->st_mode) || size == ref->size)
		return NULL;
	if (rule == CR_FILEREF_GROWN)
		return size > ref->size ? NULL : "it has shrunk";
	return "it has changed";
}

int cr_fileref_check(const Cr__FileRef *ref, enum cr_fileref_rule rule, char *why, size_t why_size,
		     struct cr_err *err)
{
	cr_auto_fd int fd = open(ref->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	const char *fault;
	struct stat sb;

	why[0] = 0;
	if (fd < 0) {
		snprintf(why, why_size, "%s", strerror(errno));
		return 1;
	}
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", ref->path);
	if ((sb.st_mode & S_IFMT) != (ref->mode & S_IFMT)) {
		snprintf(why, why_size, "is %s, was %s", type_name(sb.st_mode),
			 type_name(ref->mode));
		return 1;
	}
	if ((S_ISCHR(sb.st_mode) || S_ISBLK(sb.st_mode)) && sb.st_rdev != ref->rdev) {
		snprintf(why, why_size, "is device %u:%u, was %u:%u", major(sb.st_rdev),
			 minor(sb.st_rdev), major(ref->rdev), minor(ref->rdev));
		return 1;
	}
	if (rule == CR_FILEREF_ANY)
		return 0;
	fault = size_fault(&sb, ref, rule);
	if (fault) {
		snprintf(why, why_size, "size is %llu, was %llu: %s",
			 (unsigned long long)sb.st_size, (unsigned long long)ref->size, fault);
		return 1;
	}
	if (ref->build_id.len && !same_build(fd, &sb, ref)) {
		snprintf(why, why_size, "is another build (build-id)");
		return 1;
	}
	return 0;
}
