/* SPDX-License-Identifier: MIT */
/* Regular files, directories, and device nodes without state. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "file-kinds.h"
#include "fileref.h"
#include "gone.h"
#include "inherit.h"
#include "ref.h"
#include "restore.h"

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

static int reg_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Reg *m = msg;
	int flags = (int)(m->open_flags & ~ONCE) | O_NOCTTY, fd;

	if (inherit_find(r, m->ref->path) >= 0)
		return inherit_open(inherit_find(r, m->ref->path), m->open_flags, err);
	/* Made by then. */
	if ((flags & O_TMPFILE) == O_TMPFILE)
		flags &= ~O_TMPFILE;
	if (m->gone)
		return gone_open(r, m, flags, err);
	fd = ref_open(r, m->ref, flags, err);
	if (fd < 0)
		return -1;
	/* /proc/PID/mem has all 64 bits of an address as positions. */
	errno = 0;
	if (m->pos && lseek(fd, (off_t)m->pos, SEEK_SET) < 0 && errno) {
		cr_err_sys(err, "%s: lseek", m->ref->path);
		close(fd);
		return -1;
	}
	return fd;
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
