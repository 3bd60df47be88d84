/* SPDX-License-Identifier: MIT */
#include "ghost-place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hugetlb.h"
#include "msg.h"

#define NAME_TRIES 100

struct place {
	uint32_t active;
	uint32_t keep;		/* that much of the path was there; what follows is ours */
	uint32_t is_dir;
	uint32_t len;		/* of the wanted path */
	uint64_t dev;		/* of what has been given the name */
	uint64_t ino;		/* 0: nothing */
	char path[PATH_MAX + 64];
};

int place_share(struct restore *r, struct cr_err *err)
{
	r->place = mmap(NULL, sizeof(*r->place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (r->place == MAP_FAILED) {
		r->place = NULL;
		return cr_err_sys(err, "unable to map shared memory");
	}
	return 0;
}

static bool is_dir(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

/* Length of the longest part of the path that is a directory; 0 for "/". */
static size_t existing(const char *path)
{
	char dir[PATH_MAX];
	size_t len = strnlen(path, sizeof(dir) - 1);

	memcpy(dir, path, len);
	for (;;) {
		while (len && path[len - 1] != '/')
			len--;
		while (len && path[len - 1] == '/')
			len--;
		dir[len] = '\0';
		if (!len || is_dir(dir))
			return len;
	}
}

bool place_is_there(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (!slash || (size_t)(slash - path) >= sizeof(dir))
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return slash == path || is_dir(dir);
}

int place_check(const char *path)
{
	char dir[PATH_MAX];
	size_t len = existing(path);

	snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	return access(len ? dir : "/", W_OK) < 0 ? errno : 0;
}

uint32_t place_huge_shift(const char *path)
{
	char dir[PATH_MAX];
	size_t len = existing(path);

	snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	return cr_huge_shift_at(len ? dir : "/");
}

/* Directories of ours, from the last one. */
static void remove_dirs(struct place *p)
{
	char dir[sizeof(p->path)];
	char *slash;

	memcpy(dir, p->path, sizeof(dir));
	while ((slash = strrchr(dir, '/')) && slash > dir + p->keep) {
		*slash = '\0';
		rmdir(dir);
	}
}

static int make_dirs(struct place *p)
{
	for (char *s = strchr(p->path + p->keep + 1, '/'); s; s = strchr(s + 1, '/')) {
		int ret;

		*s = '\0';
		ret = mkdir(p->path, 0700);
		*s = '/';
		if (ret < 0 && (errno != EEXIST || s[1] != '/'))
			return -1;
	}
	return 0;
}

int place_open(struct place *p, const char *path, struct cr_err *err)
{
	const char *base = strrchr(path, '/');
	size_t len = strlen(path);

	if (!base || len >= PATH_MAX)
		return cr_err_set(err, CR_BAD_INPUT, "deleted file %s: malformed path", path);
	memset(p, 0, sizeof(*p));
	p->keep = (uint32_t)existing(path);
	memcpy(p->path, path, len + 1);
	p->active = 1;
	if (make_dirs(p) < 0) {
		/* Something else has the name of such a directory. */
		remove_dirs(p);
		memmove(p->path + p->keep, base, strlen(base) + 1);
	}
	p->len = (uint32_t)strlen(p->path);
	return 0;
}

const char *place_path(const struct place *p)
{
	return p->path;
}

int place_dir(const struct place *p, char *dir, size_t size)
{
	size_t len = (size_t)(strrchr(p->path, '/') - p->path);

	return snprintf(dir, size, "%.*s", len ? (int)len : 1, p->path) < (int)size ? 0 : -1;
}

/* The @n-th name to be tried. */
static void set_name(struct place *p, int n)
{
	size_t room = sizeof(p->path) - p->len;

	p->path[p->len] = '\0';
	if (n)
		snprintf(p->path + p->len, room, ".deleted-%d-%d", (int)getpid(), n);
}

static int note(struct place *p, const struct stat *sb)
{
	p->dev = sb->st_dev;
	p->is_dir = S_ISDIR(sb->st_mode);
	__atomic_store_n(&p->ino, sb->st_ino, __ATOMIC_RELEASE);
	return 0;
}

int place_show(struct place *p, int fd, struct cr_err *err)
{
	char link[40];
	struct stat sb;
	int ret = -1;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	for (int i = 0; ret < 0 && i < NAME_TRIES; i++) {
		set_name(p, i);
		note(p, &sb);
		ret = linkat(AT_FDCWD, link, AT_FDCWD, p->path, AT_SYMLINK_FOLLOW);
		if (ret < 0)
			p->ino = 0;
		if (ret < 0 && errno != EEXIST && errno != ENAMETOOLONG)
			break;
	}
	return ret < 0 ? cr_err_sys(err, "unable to give it the name %s", p->path) : 0;
}

int place_make(struct place *p, int (*make)(const Cr__Ghost *g, const char *path),
	       const Cr__Ghost *g, struct cr_err *err)
{
	struct stat sb;
	int fd = -1;

	for (int i = 0; fd < 0 && i < NAME_TRIES; i++) {
		set_name(p, i);
		fd = make(g, p->path);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0 || fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to make %s", p->path);
	note(p, &sb);
	return fd;
}

int place_hide(struct place *p, struct cr_err *err)
{
	if ((p->is_dir ? rmdir(p->path) : unlink(p->path)) < 0)
		return cr_err_sys(err, "unable to remove %s", p->path);
	p->ino = 0;
	return 0;
}

void place_close(struct place *p)
{
	if (p->active)
		remove_dirs(p);
	p->active = 0;
}

void place_undo(struct restore *r)
{
	struct place *p = r->place;
	struct stat sb;

	if (!p || !p->active)
		return;
	if (p->ino && lstat(p->path, &sb) == 0 && sb.st_dev == p->dev && sb.st_ino == p->ino &&
	    (p->is_dir ? rmdir(p->path) : unlink(p->path)) < 0)
		cr_msg("unable to remove %s: %s", p->path, strerror(errno));
	p->ino = 0;
	place_close(p);
}
