/* SPDX-License-Identifier: MIT */
#include "ghost-link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "fileref.h"
#include "ghost.h"
#include "image.h"

#define STEM "remap"
#define PREFIX "/" CR_LINK_PREFIX
#define TRIES 100
#define TEXT_MAX (PATH_MAX + 64)

bool cr_ghost_has_link(const struct stat *sb, const char *path)
{
	return sb->st_nlink && !S_ISDIR(sb->st_mode) && path[0] == '/' &&
	       cr_ghost_path_len(path) < strlen(path);
}

/* The @n-th name in the directory of @path. */
static int set_name(const char *path, const struct stat *sb, int n, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');
	int len = snprintf(out, size, "%.*s" PREFIX "%llx-%d", (int)(slash - path), path,
			   (unsigned long long)sb->st_ino, n);

	return len < (int)size ? 0 : -1;
}

/* "DEV INO PATH" */
static int note(int dirfd, const struct stat *sb, const char *link, Cr__Ghost *g,
		struct cr_err *err)
{
	char name[CR_IMAGE_NAME_MAX], text[TEXT_MAX];
	cr_auto_fd int fd = cr_image_create(dirfd, STEM, name, err);
	int len = snprintf(text, sizeof(text), "%llx %llx %s", (unsigned long long)sb->st_dev,
			   (unsigned long long)sb->st_ino, link);

	if (fd < 0)
		return -1;
	if (write(fd, text, (size_t)len) != len)
		return cr_err_sys(err, "unable to write %s", name);
	g->name = strdup(name);
	if (!g->name)
		return cr_err_sys(err, "out of memory");
	g->bulk_size = (uint64_t)len;
	return 0;
}

/* 0; 1: not there. */
static int make_link(int fd, const char *path, const struct stat *sb, int dirfd, char *link,
		     Cr__Ghost *g, struct cr_err *err)
{
	struct stat there;
	char self[40];
	int n = 0;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	while (n < TRIES && set_name(path, sb, n, link, PATH_MAX) == 0 && lstat(link, &there) == 0)
		n++;
	if (n == TRIES || set_name(path, sb, n, link, PATH_MAX) < 0) {
		cr_err_set(err, CR_REFUSED, "there is no name for a link to it");
		return 1;
	}
	if (note(dirfd, sb, link, g, err) < 0)
		return -1;
	cr_fault("link-noted");
	if (linkat(AT_FDCWD, self, AT_FDCWD, link, AT_SYMLINK_FOLLOW) < 0) {
		cr_err_set(err, CR_REFUSED, "no link to it can be made beside where it was: %s",
			   strerror(errno));
		return 1;
	}
	cr_fault("link-made");
	return 0;
}

static int fill_link(int fd, const char *link, Cr__Ghost *g, struct cr_err *err)
{
	int ret;

	g->link = malloc(sizeof(*g->link));
	if (!g->link)
		return cr_err_sys(err, "out of memory");
	ret = cr_fileref_fill(fd, link, false, g->link, err);
	return ret > 0 ? cr_err_set(err, CR_SYSTEM, "%s does not lead to it", link) : ret;
}

int cr_ghost_link(int fd, const char *path, uint32_t id, int dirfd, Cr__Ghost *g,
		  struct cr_err *err)
{
	struct stat sb;
	char link[PATH_MAX];
	int ret;

	cr__ghost__init(g);
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	cr_ghost_fill_stat(&sb, g);
	g->id = id;
	g->path = strndup(path, cr_ghost_path_len(path));
	if (!g->path)
		return cr_err_sys(err, "out of memory");
	if (dirfd < 0) {
		/* Only said what there is: no image, and no link. */
		g->link = malloc(sizeof(*g->link));
		if (!g->link)
			return cr_err_sys(err, "out of memory");
		cr__file_ref__init(g->link);
		return 0;
	}
	ret = make_link(fd, path, &sb, dirfd, link, g, err);
	if (ret == 0)
		ret = fill_link(fd, link, g, err);
	if (ret)
		cr_ghost_release(g);
	return ret;
}

void cr_ghost_unlink(int dirfd, const char *name)
{
	cr_auto_fd int fd = -1;
	unsigned long long dev, ino;
	char text[TEXT_MAX];
	struct stat sb;
	const char *base;
	int at = 0;
	ssize_t n;

	if (strncmp(name, STEM "-", sizeof(STEM)) != 0)
		return;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%llx %llx%n", &dev, &ino, &at) != 2 || text[at] != ' ')
		return;
	base = strrchr(text + at + 1, '/');
	/* Only what we have made. */
	if (base && strncmp(base, PREFIX, sizeof(PREFIX) - 1) == 0 &&
	    lstat(text + at + 1, &sb) == 0 && sb.st_dev == dev && sb.st_ino == ino)
		unlink(text + at + 1);
}
