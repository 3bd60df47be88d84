/* SPDX-License-Identifier: MIT */
/*
 * The file of a socket that is bound to a path.  The name is what was given to
 * bind(2), relative to a directory or a root of then; SIOCUNIXFILE (4.12) gives
 * the file itself.
 */
#include <limits.h>
#include <linux/un.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "fileref.h"
#include "ghost.h"
#include "unix.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

static char *copy_text(struct net *n, const char *text, size_t len, struct cr_err *err)
{
	char *copy = net_alloc(n, len + 1, err);

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

/* The directory of @path, as text into @dir. */
static void parent_of(const char *path, size_t len, char *dir, size_t size)
{
	while (len && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	snprintf(dir, size, "%.*s", len ? (int)len : 1, len ? path : ".");
}

static bool same_directory(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Where the file would be by the last part of its own name: it may have been given
 * another one in its directory since, by rename(2) or link(2). */
static int by_own_name(const char *path, const char *name, char *out, size_t size)
{
	const char *base = strrchr(name, '/');
	int dir = (int)(strrchr(path, '/') - path) + 1;
	int len = snprintf(out, size, "%.*s%s", dir, path, base ? base + 1 : name);

	return len < (int)size ? 0 : -1;
}

/*
 * From where does the name lead to the file's directory?  An absolute one from our
 * own root, or from the root whose path is what the name leaves of the file's; a
 * relative one from the directory that it leaves.
 */
static int find_start(struct net *n, struct unix_sock *u, Cr__UnixFile *f, struct cr_err *err)
{
	char name[UNIX_PATH_MAX + 2], dir[UNIX_PATH_MAX + 2], file_dir[PATH_MAX + 16];
	char path[PATH_MAX + 16];
	size_t len, rest;
	char *tail = name;

	snprintf(name, sizeof(name), "%.*s", (int)u->m.name.len, (const char *)u->m.name.data);
	if (by_own_name(f->path, name, path, sizeof(path)) < 0)
		return unix_refuse(n, u, "the path of its file is too long: not supported",
				   "bind it to a shorter name", err);
	len = strlen(path);
	if (name[0] == '/') {
		parent_of(name, strlen(name), dir, sizeof(dir));
		parent_of(path, len, file_dir, sizeof(file_dir));
		if (same_directory(dir, file_dir)) {
			f->start = copy_text(n, "/", 1, err);
			return f->start ? 0 : -1;
		}
	}
	while (strncmp(tail, "./", 2) == 0)
		tail += 2;
	rest = strlen(tail);
	if (rest < len && strcmp(path + len - rest, tail) == 0 &&
	    (tail[0] == '/' || path[len - rest - 1] == '/')) {
		len -= rest;
		while (len > 1 && path[len - 1] == '/')
			len--;
		f->start = copy_text(n, path, len, err);
		return f->start ? 0 : -1;
	}
	return unix_refuse(n, u, "where its name leads to its file is not known: not supported",
			   "bind it to an absolute path without symbolic links", err);
}

static bool leads_to(const char *path, const struct stat *sb)
{
	struct stat at;

	return lstat(path, &at) == 0 && at.st_dev == sb->st_dev && at.st_ino == sb->st_ino;
}

/* Names that are not in its directory, or more than one. */
static int refuse_names(struct net *n, struct unix_sock *u, nlink_t names, struct cr_err *err)
{
	return unix_refuse(n, u,
			   names > 1 ? "its file has more than one name: not supported" :
				       "its file has another name than its own: not supported",
			   "remove other names, or bind it anew", err);
}

/* By which name is the file reached, if by any? */
static int find_file(struct net *n, struct unix_sock *u, int fd, const char *path,
		     const struct stat *sb, struct cr_err *err)
{
	Cr__UnixFile *f = u->m.file;
	Cr__FileRef ref = CR__FILE_REF__INIT;
	bool there = leads_to(path, sb);
	int other = there ? 1 : cr_fileref_fill_beside(fd, path, &ref, err);

	if (other < 0)
		return -1;
	f->deleted = !there && other;
	if (other)
		f->path = copy_text(n, path, there ? strlen(path) : cr_ghost_path_len(path), err);
	else
		f->path = copy_text(n, ref.path, strlen(ref.path), err);
	cr_fileref_release(&ref);
	if (!f->path)
		return -1;
	/* Who knows the other one would find nobody there. */
	if (sb->st_nlink != !f->deleted)
		return refuse_names(n, u, sb->st_nlink, err);
	return f->deleted ? 0 : find_start(n, u, f, err);
}

int unix_file(struct net *n, struct unix_sock *u, int fd, struct cr_err *err)
{
	Cr__UnixFile *f = net_alloc(n, sizeof(*f), err);
	char link[64], path[PATH_MAX + 16];
	cr_auto_fd int file = -1;
	struct stat sb;
	ssize_t len;

	if (!f)
		return -1;
	cr__unix_file__init(f);
	file = ioctl(fd, SIOCUNIXFILE, NULL);
	if (file < 0)
		return cr_err_sys(err, "SIOCUNIXFILE");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0 || fstat(file, &sb) < 0)
		return cr_err_sys(err, "unable to look at the file of a socket");
	path[len] = '\0';
	u->m.file = f;
	f->mode = sb.st_mode;
	f->uid = sb.st_uid;
	f->gid = sb.st_gid;
	f->dev = sb.st_dev;
	f->ino = sb.st_ino;
	return find_file(n, u, file, path, &sb, err);
}
