/* SPDX-License-Identifier: MIT */
/* Regular files, directories, O_PATH, and devices without state. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "clean.h"
#include "fileref.h"
#include "ghost.h"
#include "ghosts.h"
#include "kinds.h"
#include "natures.h"
#include "peek.h"
#include "seq.h"

#ifndef F_GET_RW_HINT /* 4.13 */
#define F_GET_RW_HINT 1035
#endif

#define DELETED " (deleted)"

/* null, zero, full, random, urandom */
static bool stateless_device(const struct stat *sb)
{
	static const unsigned int minors[] = { 3, 5, 7, 8, 9 };

	if (!S_ISCHR(sb->st_mode) || major(sb->st_rdev) != 1)
		return false;
	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++)
		if (minor(sb->st_rdev) == minors[i])
			return true;
	return false;
}

static bool match(const struct file *f)
{
	if (f->target[0] != '/')
		return false;
	return (f->flags & O_PATH) || S_ISREG(f->sb.st_mode) || S_ISDIR(f->sb.st_mode) ||
	       stateless_device(&f->sb);
}

static uint32_t inode_state(struct peek *p, int fd)
{
	uint64_t inode = peek_member(p, peek_file(p, fd), "file", "f_inode", 8);

	return (uint32_t)peek_member(p, inode, "inode", "i_state", 4);
}

/* The bit of struct inode that tells them: see two files of our own. */
static uint32_t linkable_bit(struct peek *p)
{
	cr_auto_fd int with = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cr_auto_fd int without = open("/dev/shm", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	uint32_t a, b;

	if (with < 0 || without < 0)
		return 0;
	a = inode_state(p, with);
	b = inode_state(p, without);
	return !peek_fault(p) && (a & (a ^ b)) && !((a ^ b) & ((a ^ b) - 1)) ? a ^ b : 0;
}

/* Of O_TMPFILE|O_EXCL the second flag is not kept with the others. */
static bool is_unlinkable(struct dump *d, const struct file *f)
{
	struct peek p = { .kernel = dump_peek(d) };
	cr_auto_fd int fd = -1;
	struct cr_err ignored;
	uint32_t bit, state;

	if (!p.kernel)
		return false;
	bit = linkable_bit(&p);
	fd = file_get(f, &ignored);
	state = bit && fd >= 0 ? inode_state(&p, fd) : bit;
	return !peek_fault(&p) && !(state & bit) && bit;
}

static int put_reg(struct dump *d, const struct file *f, Cr__FileRef *ref, bool gone,
		   struct cr_err *err)
{
	Cr__Reg m = CR__REG__INIT;

	m.id = f->id;
	m.ref = ref;
	m.gone = gone;
	m.open_flags = f->flags;
	m.pos = f->pos;
	m.write_hint = f->write_hint;
	/* Opened again, it only has such a name. */
	if (ref->ghost && ((f->flags & O_TMPFILE) == O_TMPFILE || strstr(f->target, "/#")))
		m.unlinkable = is_unlinkable(d, f);
	return cr_stage_put(d->st, CR_KIND_REG, &m, err);
}

static int put(struct dump *d, const struct file *f, Cr__FileRef *ref, struct cr_err *err)
{
	return put_reg(d, f, ref, false, err);
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	pid_t tid;
	Cr__FileRef ref = CR__FILE_REF__INIT;
	const char *kind = nature_with_state(f);
	uint64_t hint = 0;
	int ret;

	/* It is the inode's, and goes with it. */
	if (f->own >= 0 && S_ISREG(f->sb.st_mode) && fcntl(f->own, F_GET_RW_HINT, &hint) == 0)
		f->write_hint = (uint32_t)hint;
	if (kind)
		return file_refuse(d, f, kind, "not supported", "close it", err);
	ret = f->found ? cr_fileref_fill_found(&f->sb, f->target, &ref, err) :
			 cr_fileref_fill_stat(&f->sb, f->target, &ref, err);
	/* What is carried may have been carried by an earlier stage: see late(). */
	if (ret == 0 && d->opts->embed && S_ISREG(f->sb.st_mode))
		ret = 1;
	/* Whose thread is it? */
	if (ret == 0 && process_of_path(f->target, &tid))
		ret = 1;
	if (ret == 0)
		ret = put(d, f, &ref, err);
	f->deferred = ret == 1;
	cr_fileref_release(&ref);
	return ret < 0 ? -1 : 0;
}

static int refuse(struct dump *d, const struct file *f, int fd, const char *why, const char *remedy,
		  struct cr_err *err)
{
	char kind[64];

	nature_without_path(f, fd, kind, sizeof(kind));
	return file_refuse(d, f, kind, why, remedy, err);
}

/* 1: its path does not lead to it. */
static int late_embed(struct dump *d, struct file *f, int fd, struct cr_err *err)
{
	Cr__FileRef ref = CR__FILE_REF__INIT;
	int ret = cr_fileref_fill(fd, f->target, false, &ref, err);

	if (ret == 0)
		ret = ghosts_embed(d, fd, &ref, err);
	if (ret == 0)
		ret = put(d, f, &ref, err);
	cr_fileref_release(&ref);
	return ret;
}

/* Files below /proc/PID/net are another one in memory each time that they are
 * looked up, and the one before counts as deleted.  1: it is none of these. */
static int late_proc(struct dump *d, struct file *f, int fd, struct cr_err *err)
{
	size_t len = strlen(f->target), tail = strlen(DELETED);
	Cr__FileRef ref = CR__FILE_REF__INIT;
	cr_auto_free char *path = NULL;
	struct statfs fs;
	int ret;

	if (len < tail || strcmp(f->target + len - tail, DELETED) != 0 || fstatfs(fd, &fs) < 0 ||
	    (uint32_t)fs.f_type != PROC_SUPER_MAGIC)
		return 1;
	path = strndup(f->target, len - tail);
	if (!path)
		return cr_err_sys(err, "out of memory");
	ret = cr_fileref_fill(fd, path, false, &ref, err);
	if (ret == 0)
		ret = put(d, f, &ref, err);
	cr_fileref_release(&ref);
	return ret;
}

/* Some files cannot be opened any more when their process is a zombie. */
static bool can_open_again(const struct file *f, int fd)
{
	cr_auto_fd int again = -1;
	char path[40];

	if (f->flags & O_PATH)
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (int)(f->flags & (O_ACCMODE | O_DIRECTORY)) | O_NONBLOCK | O_CLOEXEC);
	return again >= 0;
}

/* 1: it is no file of a process or thread that is there. */
static int late_task(struct dump *d, struct file *f, int fd, struct cr_err *err)
{
	Cr__FileRef ref = CR__FILE_REF__INIT;
	const char *why;
	pid_t tid;
	int ret;

	if (!process_of_path(f->target, &tid))
		return 1;
	ret = cr_fileref_fill(fd, f->target, false, &ref, err);
	why = ret == 0 ? process_path_is_late(d, f->target) : NULL;
	if (why)
		ret = file_refuse(d, f, "file of a thread", why, "close it", err);
	else if (ret == 0 && process_is_zombie(d, tid) && !can_open_again(f, fd))
		ret = file_refuse(d, f, "file of a process",
				  "its process is a zombie: not supported", "close it", err);
	else if (ret == 0)
		ret = put(d, f, &ref, err);
	cr_fileref_release(&ref);
	return ret;
}

/* What is in these folders has a name that another process may not have. */
static bool is_of_its_own(const char *path)
{
	int pid, len = 0;

	return sscanf(path, "/proc/%d/%n", &pid, &len) != 1 ||
	       (len &&
		(strncmp(path + len, "fd/", 3) == 0 || strncmp(path + len, "fdinfo/", 7) == 0 ||
		 strncmp(path + len, "map_files/", 10) == 0));
}

/* Nobody can give it the rest of a text of the dead.  1: refused. */
static int refuse_rest(struct dump *d, const struct file *f, int fd, struct cr_err *err)
{
	int64_t rest = f->pos && S_ISREG(f->sb.st_mode) ? seq_rest(d, fd, f->pos) : 0;
	char what[96];

	if (!rest)
		return 0;
	if (rest < 0)
		snprintf(
			what, sizeof(what),
			"its process has ended, and it may have been read in part, which is not seen");
	else
		snprintf(what, sizeof(what),
			 "its process has ended, and the last %lld bytes of its text are not read",
			 (long long)rest);
	return file_refuse(d, f, "file of a process", what,
			   rest < 0 ? "close it, or dump with CAP_BPF and CAP_PERFMON" :
				      "read it to its end, or close it",
			   err) < 0 ?
		       -1 :
		       1;
}

/* A file of /proc/PID, where PID has ended and may be another's by now: as long
 * as it lived its path led to it.  1: it is none of these. */
static int late_gone(struct dump *d, struct file *f, int fd, struct cr_err *err)
{
	size_t len = strlen(f->target), tail = strlen(DELETED);
	Cr__FileRef ref = CR__FILE_REF__INIT;
	cr_auto_free char *path = NULL;
	struct stat proc;
	struct statfs fs;
	int ret;

	if (fstatfs(fd, &fs) < 0 || (uint32_t)fs.f_type != PROC_SUPER_MAGIC ||
	    stat("/proc", &proc) < 0 || proc.st_dev != f->sb.st_dev)
		return 1;
	if (len > tail && strcmp(f->target + len - tail, DELETED) == 0)
		len -= tail;
	path = strndup(f->target, len);
	if (!path)
		return cr_err_sys(err, "out of memory");
	if (is_of_its_own(path))
		return 1;
	ret = refuse_rest(d, f, fd, err);
	if (ret)
		return ret < 0 ? -1 : 0;
	ret = cr_fileref_fill_found(&f->sb, path, &ref, err);
	if (ret == 0)
		ret = put_reg(d, f, &ref, true, err);
	cr_fileref_release(&ref);
	return ret;
}

/* Its path does not lead to it, or it is to be embedded. */
static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	struct ghost_hint hint = {
		.limit = d->opts->ghost_limit,
		.tmpfile = (f->flags & O_TMPFILE) == O_TMPFILE,
	};
	Cr__FileRef ref = CR__FILE_REF__INIT;
	cr_auto_fd int fd = file_get(f, err);
	const char *remedy;
	int ret;

	if (fd < 0)
		return -1;
	if (d->opts->embed && S_ISREG(f->sb.st_mode)) {
		ret = late_embed(d, f, fd, err);
		if (ret <= 0)
			return ret;
	}
	ret = late_task(d, f, fd, err);
	if (ret > 0)
		ret = late_proc(d, f, fd, err);
	if (ret > 0)
		ret = late_gone(d, f, fd, err);
	if (ret <= 0)
		return ret;
	if (!nature_is_ghost(fd))
		return refuse(d, f, fd, "not supported", "close it", err);
	ret = ghosts_ref_or_link(d, fd, f->target, hint, &ref, &remedy, err);
	if (ret == GHOST_REFUSED)
		return refuse(d, f, fd, err->msg, remedy, err);
	if (ret == 0)
		ret = put(d, f, &ref, err);
	cr_fileref_release(&ref);
	return ret;
}

const struct file_kind kind_reg = {
	.name = "reg",
	.match = match,
	.dump = dump,
	.late = late,
};
