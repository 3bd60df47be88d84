/* SPDX-License-Identifier: MIT */
/*
 * Giving AF_UNIX sockets their names.  The kernel keeps the name as it was
 * given to bind(2), and beside it the file that was made.  So whoever is to
 * have the name of a file that is not there, or not any more, is bound in a
 * file system that only we see: a tmpfs that is mounted nowhere (fsmount, 5.2)
 * and becomes our root for a moment.  Sockets outlive it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "unix.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)	/* 4.12 */
#endif

static int keep_place(struct restore *r, struct cr_err *err)
{
	struct unix_socks *s = r->unix_socks;

	if (s->root >= 0)
		return 0;
	s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0 || s->cwd < 0)
		return cr_err_sys(err, "unable to open our own directories");
	s->root = file_stash(r, s->root, err);
	s->cwd = s->root < 0 ? -1 : file_stash(r, s->cwd, err);
	return s->cwd < 0 ? -1 : 0;
}

static int go_back(const struct unix_socks *s, struct cr_err *err)
{
	if (fchdir(s->root) < 0 || chroot(".") < 0 || fchdir(s->cwd) < 0)
		return cr_err_sys(err, "unable to go back to our own root directory");
	return 0;
}

static int bind_here(int fd, const ProtobufCBinaryData *name, struct cr_err *err)
{
	char buf[sizeof(struct sockaddr_un) + 16] = "";
	struct sockaddr_un *un = (struct sockaddr_un *)buf;
	size_t head = offsetof(struct sockaddr_un, sun_path);
	char text[256];

	if (name->len > sizeof(un->sun_path))
		return cr_err_set(err, CR_BAD_INPUT, "a name of %zu bytes", name->len);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, name->data, name->len);
	/* A path that fills sun_path is given without its NUL. */
	if (bind(fd, (struct sockaddr *)buf,
		 (socklen_t)(head + name->len +
			     (unix_is_path(name) && name->len < sizeof(un->sun_path)))) < 0)
		return cr_err_sys(err, "unable to bind a socket to %s", unix_text(name, text));
	return 0;
}

/* --- in the file system ----------------------------------------------------- */

static int enter(const struct unix_socks *s, const Cr__UnixSocket *m, struct cr_err *err)
{
	bool absolute = m->name.data[0] == '/';

	(void)s;
	if (absolute && strcmp(m->file->start, "/") == 0)
		return 0;
	if (chdir(m->file->start) < 0 || (absolute && chroot(".") < 0))
		return cr_err_sys(err, "unable to go to %s", m->file->start);
	return 0;
}

static int set_attributes(const Cr__UnixFile *f, struct cr_err *err)
{
	if (lchown(f->path, f->uid, f->gid) < 0 || chmod(f->path, f->mode & 07777) < 0)
		return cr_err_sys(err, "unable to set owner and mode of %s", f->path);
	return 0;
}

/* The file that the target left when it was killed; the check has seen that
 * nobody is bound to it. */
static int remove_stale(const char *path, struct cr_err *err)
{
	struct stat sb;

	if (lstat(path, &sb) < 0)
		return errno == ENOENT ? 0 : cr_err_sys(err, "unable to look at %s", path);
	if (!S_ISSOCK(sb.st_mode))
		return cr_err_set(err, CR_REFUSED, "%s is there and no socket", path);
	if (unlink(path) < 0)
		return cr_err_sys(err, "unable to remove %s", path);
	return 0;
}

/* Its file may have been given another name since it was bound. */
static int give_name(const char *made, const char *path, struct cr_err *err)
{
	if (strcmp(made, path) == 0)
		return 0;
	if (remove_stale(path, err) < 0)
		return -1;
	if (rename(made, path) < 0)
		return cr_err_sys(err, "unable to rename %s to %s", made, path);
	return 0;
}

int unix_bind(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	const Cr__UnixSocket *m = u->m;
	char made[PATH_MAX];
	struct cr_err second;
	int ret;

	if (!m->file || m->file->deleted)
		return unix_bind_private(r, u->fd, &m->name, err);
	if (unix_bind_path(m, made, sizeof(made), err) < 0 || keep_place(r, err) < 0 ||
	    remove_stale(made, err) < 0)
		return -1;
	ret = enter(r->unix_socks, m, err);
	if (ret == 0)
		ret = bind_here(u->fd, &m->name, err);
	u->linked = ret == 0;
	if (go_back(r->unix_socks, ret < 0 ? &second : err) < 0)
		return -1;
	if (ret < 0)
		return -1;
	if (give_name(made, m->file->path, err) < 0) {
		unlink(made);
		return -1;
	}
	return set_attributes(m->file, err);
}

void unix_undo(struct restore *r)
{
	struct unix_socks *s = r->unix_socks;

	for (unsigned int i = 0; s && i < s->count; i++) {
		if (s->list[i].linked)
			unlink(s->list[i].m->file->path);
		s->list[i].linked = false;
	}
}

/* --- where nobody sees it --------------------------------------------------- */

static int get_mount(struct restore *r, struct cr_err *err)
{
	struct unix_socks *s = r->unix_socks;
	cr_auto_fd int fs = -1;
	int fd;

	if (s->mount >= 0)
		return 0;
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return cr_err_sys(err, "unable to make a tmpfs");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (fd < 0)
		return cr_err_sys(err, "fsmount");
	s->mount = file_stash(r, fd, err);
	return s->mount < 0 ? -1 : 0;
}

/* The directories of the path, from where we are. */
static int make_parents(const char *path, struct cr_err *err)
{
	char dir[256];

	for (const char *p = path + 1; (p = strchr(p, '/')); p++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return cr_err_sys(err, "unable to make %s", dir);
	}
	return 0;
}

static int bind_in_mount(const struct unix_socks *s, int fd, const ProtobufCBinaryData *name,
			 struct cr_err *err)
{
	char path[256];

	if (fchdir(s->mount) < 0 || chroot(".") < 0)
		return cr_err_sys(err, "unable to enter a tmpfs");
	snprintf(path, sizeof(path), "%.*s", (int)name->len, (const char *)name->data);
	if (make_parents(path, err) < 0 || bind_here(fd, name, err) < 0)
		return -1;
	/* The next one may have the same name. */
	if (unlink(path) < 0)
		return cr_err_sys(err, "unable to remove a name");
	return 0;
}

int unix_bind_private(struct restore *r, int fd, const ProtobufCBinaryData *name,
		      struct cr_err *err)
{
	struct cr_err second;
	int ret;

	if (!unix_is_path(name))
		return bind_here(fd, name, err);
	if (keep_place(r, err) < 0 || get_mount(r, err) < 0)
		return -1;
	ret = bind_in_mount(r->unix_socks, fd, name, err);
	if (go_back(r->unix_socks, ret < 0 ? &second : err) < 0)
		return -1;
	return ret;
}

/* --- to reach it ------------------------------------------------------------ */

int unix_address_of(int fd, const ProtobufCBinaryData *name, struct unix_address *out,
		    struct cr_err *err)
{
	memset(out, 0, sizeof(*out));
	out->file = -1;
	out->un.sun_family = AF_UNIX;
	if (!unix_is_path(name)) {
		memcpy(out->un.sun_path, name->data, name->len);
		out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name->len);
		return 0;
	}
	/* Through the link of /proc it does not matter where the file is. */
	out->file = ioctl(fd, SIOCUNIXFILE, NULL);
	if (out->file < 0)
		return cr_err_sys(err, "SIOCUNIXFILE");
	snprintf(out->un.sun_path, sizeof(out->un.sun_path), "/proc/self/fd/%d", out->file);
	out->len = sizeof(out->un);
	return 0;
}

int unix_connect_to(int fd, int to, const ProtobufCBinaryData *name, struct cr_err *err)
{
	struct unix_address a;
	char text[256];
	int ret = 0;

	if (unix_address_of(to, name, &a, err) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a.un, a.len) < 0)
		ret = cr_err_sys(err, "unable to connect a socket to %s", unix_text(name, text));
	if (a.file >= 0)
		close(a.file);
	return ret;
}
