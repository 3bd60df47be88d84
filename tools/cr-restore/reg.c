/* SPDX-License-Identifier: MIT */
/* Regular files, directories, and device nodes without state. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "fileref.h"
#include "gone.h"
#include "inherit.h"
#include "owner.h"
#include "ref.h"
#include "reg.h"
#include "restore.h"

#ifndef F_SET_RW_HINT /* 4.13 */
#define F_SET_RW_HINT 1036
#endif

/* Flags that mean something only when a file is opened for the first time,
 * and O_ASYNC, which open(2) would set without effect; see owner.h. */
#define ONCE (O_CREAT | O_EXCL | O_TRUNC | O_ASYNC)

static int reg_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Reg *m = msg;
	bool grows;

	if (m->ref && inherit_find(r, m->ref->path) >= 0)
		return 0;
	if (m->gone)
		return gone_check(m, err);
	/* What it writes at the end has grown since; with --new-pid-ns another copy
	 * may have written already. */
	grows = m->open_flags & O_APPEND ||
		(r->opts.new_pid_ns && (m->open_flags & O_ACCMODE) != O_RDONLY);
	return ref_check(r, 0, m->ref, grows ? CR_FILEREF_GROWN : CR_FILEREF_EXACT, err);
}

/* Is its text made when it is read?  A new position has that done as well. */
static bool is_made_up(const Cr__Reg *m)
{
	const char *path = m->ref->path;

	return !m->ref->ghost && !m->gone &&
	       (strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0);
}

/* /proc/PID/mem has all 64 bits of an address as positions. */
static int set_position(const Cr__Reg *m, int fd, struct cr_err *err)
{
	errno = 0;
	return m->pos && lseek(fd, (off_t)m->pos, SEEK_SET) < 0 && errno ?
		       cr_err_sys(err, "%s: lseek", m->ref->path) :
		       0;
}

static int set_hint(const Cr__Reg *m, int fd, struct cr_err *err)
{
	uint64_t hint = m->write_hint;

	return hint && fcntl(fd, F_SET_RW_HINT, &hint) < 0 ?
		       cr_err_sys(err, "%s: F_SET_RW_HINT", m->ref->path) :
		       0;
}

static int reg_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Reg *m = msg;
	int flags = (int)(m->open_flags & ~ONCE) | O_NOCTTY;
	cr_auto_fd int fd = -1;

	if (inherit_find(r, m->ref->path) >= 0)
		return inherit_open(inherit_find(r, m->ref->path), m->open_flags, err);
	/* Made by then. */
	if ((flags & O_TMPFILE) == O_TMPFILE)
		flags &= ~O_TMPFILE;
	if (m->gone)
		return gone_open(r, m, flags, err);
	fd = ref_open(r, m->ref, flags, err);
	if (fd < 0 || set_hint(m, fd, err) < 0 || (!is_made_up(m) && set_position(m, fd, err) < 0))
		return -1;
	return cr_steal_fd(&fd);
}

static int seek_late(struct restore *r, const struct file_image *f, struct cr_err *err)
{
	const Cr__Reg *m = f->msg;
	cr_auto_fd int fd = -1;

	if (!m->pos || !is_made_up(m) || inherit_find(r, m->ref->path) >= 0)
		return 0;
	fd = owner_get_file(r, m->id, err);
	return fd < 0 ? -1 : set_position(m, fd, err);
}

int regs_seek(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_files; i++)
		if (r->img.files[i].kind == CR_KIND_REG && seek_late(r, &r->img.files[i], err) < 0)
			return -1;
	return 0;
}

static uint32_t reg_of_tree(const struct image *img, const void *msg)
{
	const Cr__Reg *m = msg;

	return m->gone ? 0 : ref_task(img, m->ref);
}

/* As long as the pid is free. */
static bool reg_early(const struct image *img, const struct file_image *f)
{
	(void)img;
	return ((const Cr__Reg *)f->msg)->gone;
}

const struct file_ops reg_ops = {
	.kind = CR_KIND_REG,
	.early = reg_early,
	.of_tree = reg_of_tree,
	.check = reg_check,
	.open = reg_open,
};
