/* SPDX-License-Identifier: MIT */
/* Working directory and root. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "dump.h"
#include "fileref.h"
#include "ghosts.h"
#include "proc.h"

static int refuse(struct dump *d, const struct process *p, const char *name, const char *target,
		  const char *why, struct cr_err *err)
{
	char kind[PATH_MAX + 512];

	snprintf(kind, sizeof(kind), "%s: %s", target, why);
	return cr_stage_refuse(d->st, p->pid, name, kind, "change to another directory", err);
}

/* 1: it takes what is not known this @early. */
static int fill_dir(struct dump *d, const struct process *p, const char *name, bool early,
		    Cr__FileRef *ref, struct cr_err *err)
{
	char path[64], target[PATH_MAX + 16];
	struct ghost_hint hint = { 0 };
	cr_auto_fd int fd = -1;
	struct stat sb;
	pid_t tid;
	int ret;

	if (cr_proc_link(p->pid, name, target, sizeof(target), err) < 0) {
		if (err->errnum != ENAMETOOLONG && err->class != CR_REFUSED)
			return -1;
		return early ? 1 : refuse(d, p, name, "its path", "too long", err);
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)p->pid, name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to open %s", path);
	ret = cr_fileref_fill(fd, target, false, ref, err);
	if (early && ret >= 0 && (ret > 0 || process_of_path(target, &tid)))
		return 1;
	if (ret == 0 && process_of_path(target, &tid) && process_of(d, tid) &&
	    process_of(d, tid) != tid)
		return refuse(d, p, name, target, "of a thread", err);
	if (ret <= 0)
		return ret;
	if (sb.st_nlink)
		return refuse(d, p, name, target, "its path does not lead to it", err);
	ret = ghosts_ref(d, fd, target, &hint, ref, err);
	return ret == GHOST_REFUSED ? refuse(d, p, name, target, err->msg, err) : ret;
}

int fs_dump(struct dump *d, struct process *p, bool early, struct cr_err *err)
{
	Cr__Fs m = CR__FS__INIT;
	Cr__FileRef cwd = CR__FILE_REF__INIT, root = CR__FILE_REF__INIT;
	int ret = 0;

	if (p->fs_done)
		return 0;
	m.pid = (uint32_t)p->task;
	if (p->same_fs) {
		m.same_as = (uint32_t)p->same_fs->task;
	} else {
		m.cwd = &cwd;
		m.root = &root;
		ret = fill_dir(d, p, "cwd", early, &cwd, err);
		if (ret == 0)
			ret = fill_dir(d, p, "root", early, &root, err);
	}
	if (ret == 0) {
		p->fs_done = true;
		ret = cr_stage_put(d->st, CR_KIND_FS, &m, err);
	}
	cr_fileref_release(&cwd);
	cr_fileref_release(&root);
	return ret < 0 ? -1 : 0;
}
